"""The layer as it was when the model was saved."""

import tensorflow as tf


class Gate(tf.keras.layers.Layer):
    """Multiplies every feature by a gate between 0 and 1 that is learned."""

    def __init__(self, sharpness=1.0, **options):
        super().__init__(**options)
        self.sharpness = sharpness

    def build(self, input_shape):
        """Make one gate for each feature."""
        shape = (input_shape[-1],)
        self.gate = self.add_weight(name="gate", shape=shape, initializer="zeros")

    def call(self, inputs):
        """Return float32 [n, features]."""
        return inputs * tf.sigmoid(self.sharpness * self.gate)

    def get_config(self):
        """Return what `__init__` takes."""
        return dict(super().get_config(), sharpness=self.sharpness)
