"""Arrays told apart by their contents."""

import hashlib


def digest_of(array):
    """Return a digest over shape and bits; equal only for equal values of one type."""
    import numpy as np

    array = np.ascontiguousarray(array)
    result = hashlib.sha256(repr((array.dtype.str, array.shape)).encode("ascii"))
    if array.dtype.kind == "O":
        result.update(repr(array.tolist()).encode("utf-8"))
    else:
        result.update(array.reshape(-1).view(np.uint8))
    return result.hexdigest()
