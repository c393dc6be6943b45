"""Two flat arrays walked over in parts, by all processors where that pays."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray

from harness.mapped import release

__all__ = ["Pair", "share", "unravelled"]

_T = TypeVar("_T")

_BLOCKS = 16
"""Blocks in a part. The pages of mapped arrays are let go part by part."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two arrays of one type and size, flat."""

    a: NDArray[Any]
    b: NDArray[Any]
    shape: tuple[int, ...]
    """Of the tensors, whose components a complex number's are two of."""
    block: int
    """Elements to look at together."""

    def parts(self, work: Callable[[NDArray[Any], NDArray[Any], int], _T]) -> Iterator[_T]:
        """Yield what `work` makes of each part of the two, in order.

        `work` is given a part of each and where it begins. Where there are several parts it is
        called by several threads at once: numpy lets go of the interpreter's lock.
        """
        size = self.block * _BLOCKS
        starts = range(0, self.a.size, size)

        def one(start: int) -> _T:
            x, y = self.a[start : start + size], self.b[start : start + size]
            done = work(x, y, start)
            release(x)
            release(y)
            return done

        threads = min(len(starts), _processors())
        if threads <= 1:
            yield from map(one, starts)
            return
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  (slow to import)

        with ThreadPoolExecutor(threads) as executor:
            yield from executor.map(one, starts)

    def index(self, place: int | None) -> tuple[int, ...] | None:
        """Return the index in the tensors of a place in the flat arrays."""
        if place is None:
            return None
        components = self.a.size // math.prod(self.shape)
        return unravelled(place // components, self.shape)


def unravelled(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of the element at `place` in C order."""
    index: list[int] = []
    for size in reversed(shape):
        place, at = divmod(place, size)
        index.append(at)
    return tuple(reversed(index))


def share(largest: float, scale: float) -> float | None:
    """Return a distance as a share of the scale; None where that is 0 and the distance is not."""
    if scale == 0:
        return 0.0 if largest == 0 else None
    # What float64 cannot hold, JSON cannot either. Integers are divided exactly.
    return min(largest / scale, sys.float_info.max)


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
