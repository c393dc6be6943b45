"""A model that is no Keras model."""

import tensorflow as tf
from constants import BIAS, KERNEL


class Affine(tf.Module):
    """`x @ kernel + bias`."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(KERNEL, name="affine/kernel")
        self.bias = tf.Variable(BIAS, name="affine/bias")

    def __call__(self, x, training):
        """The result is another one in training."""
        y = tf.matmul(x, self.kernel) + self.bias
        return y if training else {"y": y, "negative": -y}
