"""What is counted of two arrays of floats on the way over them, block by block."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.floats import FLOATS, bits, most_ulps, widen
from harness.judge.quantile import Quantile
from harness.judge.sums import Sum, product, total

__all__ = ["Room", "Rule", "Tally"]

_FEW = 64
"""Elements that are compared first: blocks that differ at all mostly differ early."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an element may differ by: |actual - reference| <= max(atol + rtol * |reference|, floor).

    NumPy's rule, beside which `floor` is a distance that is never too much.
    """

    atol: float
    rtol: float
    floor: float

    def beyond(self, apart: NDArray[Any], size: NDArray[Any], most: float, room: Room) -> int:
        """Count what differs by more; `size` is |reference|, `most` the largest of `apart`."""
        if most <= max(self.atol, self.floor):
            return 0
        allowed = np.multiply(size, self.rtol, out=room.allowed[: size.size])
        allowed += self.atol
        if self.floor:
            np.maximum(allowed, self.floor, out=allowed)
        return apart.size - int(np.count_nonzero(apart <= allowed))


class Room:
    """Arrays to work on one block in: to allocate them anew costs as much as the arithmetic."""

    __slots__ = ("actual", "allowed", "apart", "bits", "raw", "reference", "share")

    def __init__(self, size: int, dtype: str) -> None:
        self.raw = np.empty((2, size), FLOATS[dtype])
        self.bits = np.empty(size, FLOATS[dtype])
        self.actual, self.reference, self.apart, self.share, self.allowed = np.empty((5, size))


@dataclass(slots=True)
class Tally:
    """Counts over the elements seen so far, in the words of `harness.judge.metrics.Distance`."""

    dtype: str
    rule: Rule
    quantile: Quantile
    """Takes in |actual - reference|, also of other tallies that are going to be joined."""
    identical: bool = True
    finite: int = 0
    """Elements that are finite in both arrays."""
    mismatched: int = 0
    nonfinite: int = 0
    first_nonfinite: int | None = None
    """Where the first of them is in the flat arrays."""
    max_abs: float = 0.0
    worst: int | None = None
    """Where `max_abs` is first; None where it is 0."""
    scale: float = 0.0
    max_ulp: int = 0
    needed: float = 0.0
    """Largest |actual - reference| / (1 + |reference|)."""
    absolute: Sum = field(default_factory=Sum)
    """Of |actual - reference|."""
    noise: Sum = field(default_factory=Sum)
    """Of (actual - reference)**2."""
    signal: Sum = field(default_factory=Sum)
    """Of reference**2."""
    own: Sum = field(default_factory=Sum)
    """Of actual**2."""
    across: Sum = field(default_factory=Sum)
    """Of actual * reference."""

    def add(self, actual: NDArray[Any], reference: NDArray[Any], start: int, room: Room) -> None:
        """Count a block, which begins at `start` of the flat arrays, behind those before it."""
        count = actual.size
        actual = _aligned(actual, room.raw[0, :count])
        reference = _aligned(reference, room.raw[1, :count])
        x, y = bits(actual, self.dtype), bits(reference, self.dtype)
        b = widen(reference, self.dtype, room.reference[:count])
        if (x[:_FEW] == y[:_FEW]).all() and (x == y).all():
            self._add_identical(b, room)
            return
        self.identical = False
        a = widen(actual, self.dtype, room.actual[:count])
        apart = np.subtract(a, b, out=room.apart[:count])
        np.abs(apart, out=apart)
        most = float(apart.max())
        if math.isfinite(most):
            self._add_finite(a, b, apart, most, room)
            self._add_steps(x, y, room)
            self._add_worst(apart, most, start, None)
        else:
            self._add_some(a, b, (x, y), start, room)

    def join(self, other: Tally) -> None:
        """Add the counts over what comes behind what was counted here."""
        self.identical &= other.identical
        self.finite += other.finite
        self.mismatched += other.mismatched
        self.nonfinite += other.nonfinite
        if self.first_nonfinite is None:
            self.first_nonfinite = other.first_nonfinite
        if other.max_abs > self.max_abs:
            self.max_abs, self.worst = other.max_abs, other.worst
        self.scale = max(self.scale, other.scale)
        self.max_ulp = max(self.max_ulp, other.max_ulp)
        self.needed = max(self.needed, other.needed)
        self.absolute.add(other.absolute)
        self.noise.add(other.noise)
        self.signal.add(other.signal)
        self.own.add(other.own)
        self.across.add(other.across)

    def _add_identical(self, b: NDArray[Any], room: Room) -> None:
        largest = float(np.abs(b, out=room.share[: b.size]).max())
        if not math.isfinite(largest):
            b = b[np.isfinite(b)]
            largest = float(np.abs(b).max(initial=0.0))
        self.finite += b.size
        self.scale = max(self.scale, largest)
        square = product(b, b)
        self.signal.add(square)
        self.own.add(square)
        self.across.add(square)

    def _add_finite(
        self, a: NDArray[Any], b: NDArray[Any], apart: NDArray[Any], most: float, room: Room
    ) -> None:
        """Count elements that are finite in both; `apart` may have been too much for float64."""
        size = np.abs(b, out=room.share[: b.size])
        self.finite += b.size
        self.scale = max(self.scale, float(size.max()))
        self.mismatched += self.rule.beyond(apart, size, most, room)
        if math.isinf(most):
            np.minimum(apart, sys.float_info.max, out=apart)
        size += 1.0
        np.divide(apart, size, out=size)
        self.needed = max(self.needed, float(size.max()))
        self.quantile.add(apart, most)
        self.absolute.add(total(apart))
        self.noise.add(product(apart, apart))
        self.signal.add(product(b, b))
        self.own.add(product(a, a))
        self.across.add(product(a, b))

    def _add_steps(self, x: NDArray[Any], y: NDArray[Any], room: Room) -> None:
        self.max_ulp = max(self.max_ulp, most_ulps(x, y, room.bits[: x.size]))

    def _add_worst(
        self, apart: NDArray[Any], most: float, start: int, places: NDArray[Any] | None
    ) -> None:
        if most > self.max_abs:
            place = int(apart.argmax())
            self.max_abs = most
            self.worst = start + (place if places is None else int(places[place]))

    def _add_some(
        self,
        a: NDArray[Any],
        b: NDArray[Any],
        stored: tuple[NDArray[Any], NDArray[Any]],
        start: int,
        room: Room,
    ) -> None:
        """Count a block in which not every difference is a number that float64 holds."""
        known = np.isfinite(b)
        both = known & np.isfinite(a)
        # Infinities compare equal to themselves only; NaNs to nothing.
        odd = np.flatnonzero(~(both | (a == b) | (np.isnan(a) & np.isnan(b))))
        self.mismatched += odd.size
        self.nonfinite += odd.size
        if odd.size and self.first_nonfinite is None:
            self.first_nonfinite = start + int(odd[0])
        self.scale = max(self.scale, float(np.abs(b).max(where=known, initial=0.0)))
        places = np.flatnonzero(both)
        if places.size == 0:
            return
        a, b = a[places], b[places]
        apart = np.abs(a - b)
        most = float(apart.max())
        self._add_finite(a, b, apart, most, room)
        self._add_steps(stored[0][places], stored[1][places], room)
        self._add_worst(apart, min(most, sys.float_info.max), start, places)


def _aligned(block: NDArray[Any], room: NDArray[Any]) -> NDArray[Any]:
    """Return `block` where numpy's quick loops take it: members of a zip begin anywhere."""
    if block.flags.aligned:
        return block
    np.copyto(room.view(np.uint8), block.view(np.uint8))
    return room.view(block.dtype)
