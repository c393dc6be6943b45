"""Floating-point numbers as values and as bits: widening, and steps between two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLOATS", "bits", "most_ulps", "ulps", "widen"]

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


def widen(
    array: NDArray[Any], dtype: str, out: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the values of `array` as float64, which holds each of them exactly.

    In `out` where it is given; a signalling NaN then warns, if numpy is not told to ignore it.
    """
    if dtype == "bfloat16":
        # bfloat16 is the upper half of a float32.
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if out is not None:
        np.copyto(out, array)
        return out
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


def most_ulps(actual: NDArray[Any], reference: NDArray[Any], scratch: NDArray[Any]) -> int:
    """Return the largest of `ulps`; `scratch` is an array of the same type and size to work in.

    Of one sign, bits read as signed integers differ by no more than such integers hold, so the
    largest and the least of the differences tell; the few pairs across zero are looked at apart.
    """
    signed = np.dtype(f"i{actual.dtype.itemsize}")
    x, y, steps = actual.view(signed), reference.view(signed), scratch.view(signed)
    largest = 0
    np.bitwise_xor(x, y, out=steps)
    if steps.min() < 0:
        across = np.flatnonzero(steps < 0)
        largest = int(ulps(actual[across], reference[across]).max())
        np.subtract(x, y, out=steps)
        steps[across] = 0
    else:
        np.subtract(x, y, out=steps)
    return max(largest, int(steps.max()), -int(steps.min()))
