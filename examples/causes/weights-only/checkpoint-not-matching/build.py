"""The classifier as a `tf.Module`, with 24 hidden units, where the weights have 16."""

import tensorflow as tf


class Digits(tf.Module):
    """Two dense layers."""

    def __init__(self):
        super().__init__(name="digits")
        self.hidden_kernel = tf.Variable(tf.zeros([64, 24]), name="hidden_kernel")
        self.hidden_bias = tf.Variable(tf.zeros([24]), name="hidden_bias")
        self.kernel = tf.Variable(tf.zeros([24, 10]), name="kernel")
        self.bias = tf.Variable(tf.zeros([10]), name="bias")

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32, name="image")])
    def __call__(self, image):
        """Return `probabilities` float32 [n, 10]."""
        flat = tf.reshape(image, [-1, 64])
        hidden = tf.nn.relu(tf.linalg.matmul(flat, self.hidden_kernel) + self.hidden_bias)
        logits = tf.linalg.matmul(hidden, self.kernel) + self.bias
        return {"probabilities": tf.nn.softmax(logits)}


def build_model():
    """Return the untrained module."""
    return Digits()
