"""Changed decisions: near ties, that differences which count as equal change, or clear calls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.divergence import Flip

__all__ = ["KEPT", "Allowance", "Changed", "Tally"]

KEPT = 5
"""Changed decisions that are told one by one."""

_ROUNDING = 1 + 2.0**-48
"""Margins and allowances are sums of float64 numbers that were rounded a few times."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """By how much an element may differ from the reference's and count as equal."""

    atol: float
    """In units of the output, as `floor`."""
    rtol: float
    floor: float = 0.0
    """What noise explains."""

    def of(self, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return it for each element: `max(atol + rtol * |reference|, floor)`."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.maximum(self.atol + self.rtol * np.abs(reference), self.floor)


class Changed(NamedTuple):
    """Some decisions that are others than the reference's, an array for each of their facts."""

    places: NDArray[np.intp]
    """Numbers of the decisions, in the order of the output."""
    was: NDArray[np.intp]
    became: NDArray[np.intp]
    margin: NDArray[np.float64]
    moved: NDArray[np.float64]
    allowed: NDArray[np.float64]
    """See `harness.divergence.Flip`."""


@dataclass(slots=True)
class Tally:
    """Counts changed decisions and keeps the gravest."""

    shape: tuple[int, ...]
    """Of the decisions: by it a number of one is its index in the output."""
    near_ties: int = 0
    clear: int = 0
    flips: list[Flip] = field(default_factory=list)

    def add(self, found: Changed) -> None:
        """Count what was found in one block."""
        with np.errstate(over="ignore", invalid="ignore"):
            near = (found.margin <= found.allowed * _ROUNDING) & np.isfinite(found.moved)
        self.near_ties += int(np.count_nonzero(near))
        self.clear += int(np.count_nonzero(~near))
        told = found._replace(
            margin=_told(found.margin), moved=_told(found.moved), allowed=_told(found.allowed)
        )
        gravest = np.lexsort((told.places, -told.margin, near))[:KEPT]
        flips = [self._flip(told, int(one), near=bool(near[one])) for one in gravest]
        self.flips = sorted([*self.flips, *flips], key=_gravity)[:KEPT]

    def _flip(self, found: Changed, one: int, *, near: bool) -> Flip:
        index = tuple(int(i) for i in np.unravel_index(found.places[one], self.shape))
        return Flip(
            index=index,
            sample=index[0] if index else None,
            was=int(found.was[one]),
            became=int(found.became[one]),
            margin=float(found.margin[one]),
            moved=float(found.moved[one]),
            allowed=float(found.allowed[one]),
            near_tie=near,
        )


def _gravity(flip: Flip) -> tuple[bool, float, Sequence[int]]:
    return flip.near_tie, -flip.margin, flip.index


def _told(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what JSON can hold: float64's largest number for anything that is none."""
    return np.where(np.isfinite(values), values, sys.float_info.max)
