"""Makes the models whose weights the tests restore."""

import numpy as np
import tensorflow as tf

KERNEL = (np.arange(12).reshape(4, 3) % 7 - 3).astype(np.float32) / 4
BIAS = (np.arange(3) % 7 - 3).astype(np.float32) / 4
HEAD = (np.arange(6).reshape(3, 2) % 5 - 2).astype(np.float32) / 2


class Affine(tf.Module):
    """A model that is no Keras model."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(KERNEL, name="affine/kernel")
        self.bias = tf.Variable(BIAS, name="affine/bias")

    def __call__(self, x, training):
        """The result is another one in training."""
        y = tf.matmul(x, self.kernel) + self.bias
        return {"y": y, "negative": -y} if not training else y


def build_model():
    """Two layers; every sum of products of small integers is exact."""
    layers = tf.keras.layers
    x = layers.Input((4,), name="x")
    hidden = layers.Dense(3, name="hidden")
    head = layers.Dense(2, use_bias=False, name="head")
    model = tf.keras.Model(x, head(hidden(x)))
    hidden.set_weights([KERNEL, BIAS])
    head.set_weights([HEAD])
    return model
