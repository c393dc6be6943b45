"""The classifier's layers, in Keras calls that every TensorFlow since 2.4 knows."""

import tensorflow as tf

__all__ = ["network"]


def network():
    """Return the untrained network: `image` float32 [n, 8, 8, 1] to `probabilities` [n, 10].

    The names of the first and the last layer become the input and output names of the
    SavedModel's signature, so all three formats call their tensors the same.
    """
    layers = tf.keras.layers
    image = tf.keras.Input(shape=(8, 8, 1), dtype="float32", name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv_1")(image)
    x = layers.BatchNormalization(name="norm_1")(x)
    x = layers.Activation("relu", name="relu_1")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Conv2D(24, 3, use_bias=False, name="conv_2")(x)
    x = layers.BatchNormalization(name="norm_2")(x)
    x = layers.Activation("relu", name="relu_2")(x)
    x = layers.Flatten(name="flatten")(x)
    probabilities = layers.Dense(10, activation="softmax", name="probabilities")(x)
    return tf.keras.Model(image, probabilities, name="digits")
