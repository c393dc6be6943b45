"""Train the classifier and write its weights, the held-out images and their labels.

Run by `make.py` inside a TensorFlow environment: `python train.py DIRECTORY`.
Writes `weights.npz`, `inputs.npz` and `labels.npz` there.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from network import network
from sklearn.datasets import load_digits

HELD_OUT = 256
SEED = 1797


def data():
    """Return images float32 [1797, 8, 8, 1] in 0..1 and labels int64 [1797], shuffled."""
    digits = load_digits()
    order = np.random.RandomState(SEED).permutation(len(digits.target))
    images = digits.images[order, :, :, np.newaxis] / 16
    return images.astype(np.float32), digits.target[order].astype(np.int64)


def main():
    """Train on all but the held-out images."""
    directory = Path(sys.argv[1])
    images, labels = data()
    # Keras 2 shuffles with NumPy's global generator.
    np.random.seed(SEED)
    tf.random.set_seed(SEED)
    model = network()
    model.compile(tf.keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(images[HELD_OUT:], labels[HELD_OUT:], batch_size=32, epochs=12, verbose=2)
    np.savez(directory / "weights.npz", *model.get_weights())
    np.savez_compressed(directory / "inputs.npz", image=images[:HELD_OUT])
    np.savez_compressed(directory / "labels.npz", labels=labels[:HELD_OUT])


main()
