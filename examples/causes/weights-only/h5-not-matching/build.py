"""Another architecture: 24 hidden units, where the weights have 16."""

import tensorflow as tf


def build_model():
    """Return the untrained network: `image` float32 [n, 8, 8, 1] to `probabilities` [n, 10]."""
    layers = tf.keras.layers
    image = tf.keras.Input(shape=(8, 8, 1), dtype="float32", name="image")
    x = layers.Flatten(name="flatten")(image)
    x = layers.Dense(24, activation="relu", name="hidden")(x)
    probabilities = layers.Dense(10, activation="softmax", name="probabilities")(x)
    return tf.keras.Model(image, probabilities, name="digits")
