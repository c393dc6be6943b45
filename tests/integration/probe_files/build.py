"""Makes the model whose weights the tests restore."""

import tensorflow as tf
from constants import BIAS, HEAD, KERNEL


def build_model():
    """Two layers: `(x @ kernel + bias) @ head`."""
    layers = tf.keras.layers
    x = layers.Input((4,), name="x")
    hidden = layers.Dense(3, name="hidden")
    head = layers.Dense(2, use_bias=False, name="head")
    model = tf.keras.Model(x, head(hidden(x)))
    hidden.set_weights([KERNEL, BIAS])
    head.set_weights([HEAD])
    return model
