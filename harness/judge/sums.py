"""Sums that float64 cannot hold: of squares of its largest and smallest numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sum", "cosine", "decibels", "product", "total"]

_LEAST, _MOST = 1e-290, 1e290
"""Between these a sum of products lost nothing: terms that underflow are 10**-18 of it or less,
times their number, and none has overflowed."""


_ROW = 1 << 12


class Sum:
    """A running sum, held as `value * 2**exponent`."""

    __slots__ = ("exponent", "value")

    def __init__(self, value: float = 0.0, exponent: int = 0) -> None:
        self.value = value
        self.exponent = exponent

    def add(self, other: Sum) -> None:
        """Add another one."""
        if other.value == 0.0:
            return
        if self.value == 0.0:
            self.value, self.exponent = other.value, other.exponent
        elif self.exponent == other.exponent:
            self.value += other.value
        else:
            exponent = max(self.exponent, other.exponent)
            # What is too small for float64 here is too small to count.
            self.value = math.ldexp(self.value, self.exponent - exponent) + math.ldexp(
                other.value, other.exponent - exponent
            )
            self.exponent = exponent

    def over(self, count: int) -> float:
        """Return the sum divided by `count`; what float64 cannot hold is infinite."""
        try:
            return math.ldexp(self.value / count, self.exponent)
        except OverflowError:
            return math.inf


def total(x: NDArray[np.float64]) -> Sum:
    """Return the sum of finite numbers."""
    value = float(x.sum())
    if math.isfinite(value):
        return Sum(value)
    return Sum(float(np.ldexp(x, -1024).sum()), 1024)


def product(x: NDArray[np.float64], y: NDArray[np.float64]) -> Sum:
    """Return the sum of the products of finite numbers."""
    value = _dot(x, y)
    if _LEAST < abs(value) < _MOST:
        return Sum(value)
    # Where the factors are scaled to 1, which is exact, products of the larger ones are exact too.
    down, left = _scaled(x)
    up, right = (down, left) if y is x else _scaled(y)
    return Sum(_dot(left, right), down + up)


def cosine(across: Sum, one: Sum, other: Sum) -> float | None:
    """Return the cosine between two vectors, -1 to 1, from their products with each other.

    `across` is the sum of x * y, `one` of x * x, `other` of y * y. None where a vector is zero,
    which has no direction.
    """
    if one.value <= 0.0 or other.value <= 0.0:
        return None
    twice = one.exponent + other.exponent  # the root of 2**1 is left where it is odd
    root = math.sqrt(one.value) * math.sqrt(other.value) * (2**0.5 if twice % 2 else 1.0)
    share = math.ldexp(across.value / root, across.exponent - twice // 2)
    return max(-1.0, min(1.0, share))


def decibels(signal: Sum, noise: Sum) -> float | None:
    """Return 10 * log10(signal / noise); None where one of them is 0 and the ratio no number."""
    if signal.value <= 0.0 or noise.value <= 0.0:
        return None
    exponent = signal.exponent - noise.exponent
    return 10.0 * (math.log10(signal.value) - math.log10(noise.value) + exponent * math.log10(2.0))


def _dot(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the sum of products, by rows that are too short for BLAS to start threads of its own.

    Those are in each other's way where several of ours want some.
    """
    whole = x.size - x.size % _ROW
    rest = float(np.vecdot(x[whole:], y[whole:]))
    if not whole:
        return rest
    rows = np.vecdot(x[:whole].reshape(-1, _ROW), y[:whole].reshape(-1, _ROW))
    return float(rows.sum()) + rest


def _scaled(x: NDArray[np.float64]) -> tuple[int, Any]:
    largest = float(np.abs(x).max(initial=0.0))
    exponent = math.frexp(largest)[1]
    return exponent, np.ldexp(x, -exponent)
