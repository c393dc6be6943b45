"""Shrinks with `Image.ANTIALIAS`, a name that Pillow 10.0 removed.

https://pillow.readthedocs.io/en/stable/releasenotes/10.0.0.html#constants
"""

import numpy as np
from PIL import Image


def preprocess(raw):
    """Return `image` float32 [n, 8, 8, 1] in 0..1 of `photo` uint8 [n, 40, 40]."""
    small = [
        np.asarray(Image.fromarray(photo).resize((8, 8), Image.ANTIALIAS)) for photo in raw["photo"]
    ]
    return {"image": np.stack(small)[..., np.newaxis].astype(np.float32) / np.float32(255)}
