"""Makes models to measure the noise of, with the TensorFlow it runs under: `... DIR`."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

STATE = np.random.RandomState(0)


def weights(*shape):
    """Weights as a trained layer has them."""
    return tf.constant((STATE.randn(*shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32))


KERNEL, HIDDEN, LAST = weights(3, 3, 1, 8), weights(8 * 8 * 8, 64), weights(64, 10)


def network(x):
    """A small convolutional network, to class probabilities."""
    x = tf.nn.relu(tf.nn.conv2d(x, KERNEL, 1, "SAME"))
    x = tf.nn.relu(tf.matmul(tf.reshape(x, [-1, 8 * 8 * 8]), HIDDEN))
    return {"probabilities": tf.nn.softmax(tf.matmul(x, LAST))}


def dropout(x):
    """A layer behind dropout that was saved switched on."""
    return {"y": tf.matmul(tf.nn.dropout(x, 0.5), HIDDEN[:16])}


def chaos(x):
    """The logistic map, 60 times: what was rounded doubles with nearly every step."""
    for _ in range(60):
        x = 3.99 * x * (1 - x)
    return {"y": x}


def nearest(x):
    """Which of two distances is smaller, of samples that lie between both."""
    return {"class": tf.argmin(tf.stack([tf.abs(x - 0.25), tf.abs(x - 0.75)], -1), -1)}


def centred(x):
    """Each sample without the mean of the batch, as batch normalisation in training mode."""
    return {"y": x - tf.reduce_mean(x, 0)}


MODELS = {
    "network": (network, [None, 8, 8, 1]),
    "dropout": (dropout, [None, 16]),
    "chaos": (chaos, [None, 4]),
    "nearest": (nearest, [None, 4]),
    "centred": (centred, [None, 4]),
}


def main(out):
    """Write each as a SavedModel, and the weights that `third_call.py` loads."""
    for name, (function, shape) in MODELS.items():
        module = tf.Module()
        spec = tf.TensorSpec(shape, tf.float32, "x")
        module.call = tf.function(function, input_signature=[spec])
        tf.saved_model.save(module, str(out / name), signatures=module.call)
    layers = tf.keras.layers
    batch = layers.Input((4,), name="x")
    model = tf.keras.Model(batch, layers.Dense(3, name="hidden")(batch))
    model.save_weights(str(out / "third_call.weights.h5"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
