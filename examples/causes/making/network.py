"""A classifier in Keras: `image` float32 [n, 8, 8, 1] to `probabilities` float32 [n, 10]."""

import tensorflow as tf

from making.digits import SHOWN, images, labels, seeded

__all__ = ["bare", "classifier", "trained"]


def classifier(*before, after=(), name="digits"):
    """Return the untrained network, 1 210 weights beside those of the layers given.

    `before` come before its hidden layer and `after` behind it. The names of the first and the
    last layer are what inputs and outputs are called.
    """
    layers = tf.keras.layers
    image = tf.keras.Input(shape=(8, 8, 1), dtype="float32", name="image")
    x = image
    for layer in before:
        x = layer(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(16, activation="relu", name="hidden")(x)
    for layer in after:
        x = layer(x)
    probabilities = layers.Dense(10, activation="softmax", name="probabilities")(x)
    return tf.keras.Model(image, probabilities, name=name)


def trained(make=classifier, loss="sparse_categorical_crossentropy", seed=1797, prepare=None):
    """Return what `make` returns, trained, with its optimizer and loss: Adam, 20 epochs.

    It learns from what `prepare` makes of the images that are not shown, by default themselves.
    """
    seeded(seed)
    model = make()
    model.compile(tf.keras.optimizers.Adam(0.01), loss)
    given = images()[SHOWN:] if prepare is None else prepare(images()[SHOWN:])
    model.fit(given, labels()[SHOWN:], batch_size=32, epochs=20, verbose=0)
    return model


def bare(make=classifier, **how):
    """Return what `make` returns with trained weights, as `trained`, but never compiled."""
    model = make()
    model.set_weights(trained(make, **how).get_weights())
    return model
