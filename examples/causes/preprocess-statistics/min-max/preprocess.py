"""Min-max scaling to 0..1, where the model was trained with z-scores."""

import numpy as np


def preprocess(raw):
    """Return `image` float32 [n, 8, 8, 1] of `pixels` uint8 of the same shape."""
    pixels = raw["pixels"].astype(np.float32)
    return {"image": (pixels - pixels.min()) / (pixels.max() - pixels.min())}
