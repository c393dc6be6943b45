"""The layer after it was given an offset, which the file does not have."""

import tensorflow as tf


class Gate(tf.keras.layers.Layer):
    """Multiplies every feature by a gate between 0 and 1 that is learned."""

    def __init__(self, sharpness=1.0, **options):
        super().__init__(**options)
        self.sharpness = sharpness

    def build(self, input_shape):
        """Make one gate and one offset for each feature."""
        shape = (input_shape[-1],)
        self.gate = self.add_weight(name="gate", shape=shape, initializer="zeros")
        self.offset = self.add_weight(name="offset", shape=shape, initializer="zeros")

    def call(self, inputs):
        """Return float32 [n, features]."""
        return inputs * tf.sigmoid(self.sharpness * self.gate + self.offset)

    def get_config(self):
        """Return what `__init__` takes."""
        return dict(super().get_config(), sharpness=self.sharpness)
