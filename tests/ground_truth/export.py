"""Keras models computed otherwise, and one that is made here; run by TensorFlow 2.15."""

import numpy as np
import tensorflow as tf

__all__ = ["export", "make_gru"]


class Exported(tf.Module):
    """A Keras model as a signature: as it is, compiled by XLA, or in two halves of the batch."""

    def __init__(self, model, name, how):
        super().__init__()
        self.model = model

        def whole(x):
            return dict(zip(model.output_names, flat(model(x, training=False)), strict=True))

        def halves(x):
            half = tf.shape(x)[0] // 2
            first, second = whole(x[:half]), whole(x[half:])
            return {name: tf.concat([first[name], second[name]], 0) for name in first}

        spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name=name)
        self.serve = tf.function(
            halves if how == "halves" else whole,
            input_signature=[spec],
            jit_compile=True if how == "xla" else None,
        )


def flat(outputs):
    """Return one output or several as a list."""
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def export(spec):
    """Write a Keras model as a SavedModel."""
    model = tf.keras.models.load_model(spec["source"], compile=False)
    module = Exported(model, spec["input"], spec["change"].partition("-as-")[2])
    tf.saved_model.save(module, spec["target"], signatures=module.serve)


def make_gru(path):
    """Train a small model of waves: their kind by frequency, and their strength."""
    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers
    sequence = tf.keras.Input(shape=(24, 6), name="sequence")
    x = layers.GRU(32, return_sequences=True, name="gru_1")(sequence)
    x = layers.GRU(16, name="gru_2")(x)
    level = layers.Dense(1, name="level")(x)
    kind = layers.Dense(5, activation="softmax", name="kind")(x)
    model = tf.keras.Model(sequence, [kind, level])
    state = np.random.RandomState(2)
    frequency = state.uniform(0.05, 0.45, size=(1024, 1, 1))
    strength = state.uniform(0.2, 1, size=(1024, 1, 1))
    steps = np.arange(24)[:, None] * frequency
    waves = strength * np.sin(2 * np.pi * steps + np.arange(6)[None, :])
    waves = (waves + 0.1 * state.normal(size=waves.shape)).astype("float32")
    kinds = ((frequency - 0.05) / 0.4 * 5).astype(int).ravel()
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"])
    model.fit(waves, [kinds, strength.ravel()], epochs=20, verbose=0)
    model.save(path, include_optimizer=False)
