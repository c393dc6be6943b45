"""The loss the model was trained with."""

import tensorflow as tf


def sparse_categorical_focal(y_true, y_pred):
    """Return the focal loss of class probabilities, gamma 2 (arXiv:1708.02002): float32 [n]."""
    classes = tf.cast(tf.reshape(y_true, [-1]), tf.int32)
    chosen = tf.gather(y_pred, classes, axis=1, batch_dims=1)
    return -tf.pow(1.0 - chosen, 2.0) * tf.math.log(tf.maximum(chosen, 1e-7))
