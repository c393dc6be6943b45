"""The data of every example here, and a classifier small enough to be kept many times.

The images and labels are those of `examples/digits`; its README says where they come from.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

__all__ = ["CAUSES", "SHOWN", "images", "labels", "pixels", "seeded", "shown"]

CAUSES = Path(__file__).resolve().parents[1]
"""`examples/causes`, where the code beside the models lies."""

SHOWN = 32
"""Images that become `inputs.npz`; the others train the model."""


def images():
    """Return float32 [256, 8, 8, 1] in 0..1."""
    with np.load(str(CAUSES.parent / "digits" / "inputs.npz")) as arrays:
        return arrays["image"]


def pixels():
    """Return the images as a camera gives them: uint8 [256, 8, 8, 1] in 0..255."""
    return np.round(images() * 255).astype(np.uint8)


def labels():
    """Return the digits that the images show: int64 [256]."""
    with np.load(str(CAUSES.parent / "digits" / "labels.npz")) as arrays:
        return arrays["labels"]


def shown():
    """Return the images that become `inputs.npz`: float32 [32, 8, 8, 1]."""
    return images()[:SHOWN]


def seeded(seed=1797):
    """Return `seed` after seeding NumPy, which Keras 2 shuffles with, and TensorFlow."""
    np.random.seed(seed)
    tf.compat.v1.set_random_seed(seed)
    return seed
