"""Floating-point numbers as values and as bits: widening, and steps between two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLOATS", "bits", "ulps", "widen"]

FLOATS: dict[str, type[np.unsignedinteger[Any]]] = {
    "float16": np.uint16,
    "bfloat16": np.uint16,
    "float32": np.uint32,
    "float64": np.uint64,
}
"""The floating-point types that are measured, each with the integer that holds its bits."""


def bits(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return `array`, of TensorFlow's `dtype`, as unsigned integers of the same width."""
    return array.view(FLOATS[dtype])


def widen(array: NDArray[Any], dtype: str) -> NDArray[np.float64]:
    """Return the values of `array` as float64, which holds each of them exactly."""
    if dtype == "bfloat16":
        # bfloat16 is the upper half of a float32.
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return array.astype(np.float64)


def ulps(actual: NDArray[Any], reference: NDArray[Any]) -> NDArray[Any]:
    """Return how many representable numbers lie between each pair of finite floats, given as bits.

    IEEE 754 numbers of one sign are ordered as the integers of their bits without the sign, so the
    distance is the difference of those, or across zero their sum; +0 and -0 are 0 apart. The
    largest distance of a type, from its largest number to the negative of it, fits its width.
    Source: Bruce Dawson, "Comparing Floating Point Numbers", 2012 edition.
    """
    width = actual.dtype.itemsize * 8
    sign = actual.dtype.type(1 << (width - 1))
    a, b = actual & ~sign, reference & ~sign
    apart = np.where(a > b, a - b, b - a)
    distance: NDArray[Any] = np.where((actual & sign) == (reference & sign), apart, a + b)
    return distance
