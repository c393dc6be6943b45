"""Calls the input by the name of the layer behind it; the model calls it `image`."""

import numpy as np


def preprocess(raw):
    """Return `flatten_input` float32 [n, 8, 8, 1] of `pixels` uint8 of the same shape."""
    return {"flatten_input": raw["pixels"].astype(np.float32) / np.float32(255)}
