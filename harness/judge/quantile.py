"""A high quantile of many numbers in one pass and bounded memory."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXACT", "Quantile"]

EXACT = 1 << 16
"""Most numbers of which the quantile is exact: all of them are kept."""

_PERCENT = 99
_DROPPED_BITS = 52 - 7
"""Of a float64's 52 bits of mantissa 7 are kept."""
_BINS = 1 << (63 - _DROPPED_BITS)
_SLACK = 1 << 16


class Quantile:
    """The 99th percentile of numbers that are zero or more: the smallest number that is not
    exceeded by 99 of 100, one of the numbers themselves (Hyndman and Fan, "Sample Quantiles in
    Statistical Packages", 1996, definition 1).

    Of more than `EXACT` numbers a histogram is kept whose bins are their exponents and the first
    7 bits of their mantissas: as integers, the bits of floats of one sign are in the order of the
    floats. The quantile is the upper end of its bin, so it is never too small, and too large by
    less than 2**-7 (0.8 %).

    Only the one number in 100 above the quantile matters. As soon as more numbers than that are
    known to be above a bin, nothing that is not above it is counted any more: after a tenth of
    the numbers that is nine in ten of those that follow.

    Several threads may `add`; what comes out does not depend on their order.
    """

    def __init__(self, most: int) -> None:
        """`most`: how many numbers there will be at the most, zeros among them."""
        self._exact = most <= EXACT
        self._above = most - _rank(most)
        self._kept: list[NDArray[np.float64]] = []
        self._counts: NDArray[np.int64] = np.zeros(0 if self._exact else _BINS, np.int64)
        self._counted = 0
        self._limit = 2 * self._above + _SLACK
        self._edge = 0.0
        self._lock = threading.Lock()

    def add(self, numbers: NDArray[np.float64], largest: float) -> None:
        """Take in finite numbers, of which `largest` is the largest; zeros may be left out."""
        if self._exact:
            self._kept.append(numbers.copy())
        elif largest > self._edge:
            larger = numbers[numbers > self._edge]
            bins = (larger.view(np.uint64) >> np.uint64(_DROPPED_BITS)).view(np.int64)
            with self._lock:
                np.add.at(self._counts, bins, 1)
                self._counted += bins.size
                if self._counted > self._limit:
                    self._forget()

    def value(self, count: int) -> float:
        """Return the quantile of `count` numbers: those taken in, and zeros for the rest."""
        if count == 0:
            return 0.0
        above = count - _rank(count)
        if self._exact:
            place = sum(numbers.size for numbers in self._kept) - 1 - above
            if place < 0:
                return 0.0
            kept = np.concatenate(self._kept)
            kept.partition(place)
            return float(kept[place])
        found = self._bin(above)
        return 0.0 if found < 0 else _upper_end(found)

    def _forget(self) -> None:
        """Raise the edge below which no number can be the quantile any more."""
        found = self._bin(self._above)
        if found > 0:
            self._edge = _upper_end(found - 1)
            self._counts[:found] = 0
            self._counted = int(self._counts.sum())
        self._limit = 2 * self._counted + _SLACK

    def _bin(self, above: int) -> int:
        """Return the highest bin from which on there are more numbers than `above`; -1: none."""
        from_top: NDArray[Any] = np.cumsum(self._counts[::-1])
        return _BINS - 1 - int(np.searchsorted(from_top, above, side="right"))


def _rank(count: int) -> int:
    """Return how many numbers are not above the quantile of `count`: 99 in 100, rounded up."""
    return -(-count * _PERCENT // 100)


def _upper_end(number: int) -> float:
    return float(np.array((number + 1 << _DROPPED_BITS) - 1, np.uint64).view(np.float64))
