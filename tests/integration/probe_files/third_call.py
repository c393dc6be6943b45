"""A model whose third inference, the first after its results are written, does as it is told."""

import os
import time

import tensorflow as tf

CALLS = []
HANGS = False
"""The test that uses it says so where it is to hang."""


def third_call(x):
    """Hang or crash when it is called for the third time with numbers."""
    if hasattr(x, "numpy"):
        CALLS.append(1)
        if len(CALLS) == 3:
            time.sleep(600) if HANGS else os.abort()
    return x


def build_model():
    """One layer of weights, and one that counts."""
    batch = tf.keras.layers.Input((4,), name="x")
    dense = tf.keras.layers.Dense(3, name="hidden")(batch)
    counted = tf.keras.layers.Lambda(third_call, output_shape=(3,), name="y")(dense)
    return tf.keras.Model(batch, counted)
