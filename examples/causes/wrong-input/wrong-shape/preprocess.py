"""Flattens the images, which the model takes as [n, 8, 8, 1]."""

import numpy as np


def preprocess(raw):
    """Return `image` float32 [n, 64] of `pixels` uint8 [n, 8, 8, 1]."""
    return {"image": raw["pixels"].reshape(-1, 64).astype(np.float32) / np.float32(255)}
