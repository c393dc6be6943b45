"""The distance between outputs that have to be exact: integers, truth values, strings, raw bits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.judge.distance import Distance
from harness.judge.quantile import Quantile
from harness.judge.walk import Pair, share, unravelled
from harness.tensor import StringTensor

__all__ = ["integers", "others", "strings"]


class _Part(NamedTuple):
    """What is counted of a part of two arrays."""

    different: int
    place: int
    """Of the worst element in the flat arrays; of no meaning where none differs."""
    largest: int = 0
    scale: int = 0
    added_up: float = 0.0


def integers(pair: Pair) -> Distance:
    """Return the distance of integers, which is exact also where their type could not hold it."""
    quantile = Quantile(pair.a.size)
    width = np.dtype(f"u{pair.a.dtype.itemsize}")

    def count(a: NDArray[Any], b: NDArray[Any], start: int) -> _Part:
        # Modulo 2**width the difference of the larger and the smaller is exact.
        u, v = a.view(width), b.view(width)
        apart = np.where(a > b, u - v, v - u)
        largest = int(apart.max())
        wide = apart.astype(np.float64)
        quantile.add(wide, float(largest))
        return _Part(
            different=int(np.count_nonzero(apart)),
            place=start + int(apart.argmax()),
            largest=largest,
            scale=max(abs(int(b.max())), abs(int(b.min()))),
            added_up=float(wide.sum()),
        )

    parts = list(pair.parts(count))
    worst = max(parts, key=lambda part: part.largest, default=_Part(0, 0))
    size = pair.a.size
    return Distance(
        identical=worst.largest == 0,
        max_abs=float(worst.largest),
        max_rel=share(worst.largest, max((part.scale for part in parts), default=0)),
        max_ulp=None,
        mismatched=sum(part.different for part in parts),
        nonfinite=0,
        total=size,
        mean_abs=sum(part.added_up for part in parts) / max(1, size),
        p99_abs=min(quantile.value(size), float(worst.largest)),
        worst=pair.index(worst.place) if worst.largest else None,
        pair=_values(pair, worst.place) if worst.largest else None,
    )


def others(pair: Pair, *, truth: bool) -> Distance:
    """Return the distance of values that are only equal or not: `truth` values, or raw bits."""

    def count(a: NDArray[Any], b: NDArray[Any], start: int) -> _Part:
        different = a != b
        return _Part(int(np.count_nonzero(different)), start + int(different.argmax()))

    parts = [part for part in pair.parts(count) if part.different]
    return Distance(
        identical=not parts,
        max_abs=None,
        max_rel=None,
        max_ulp=None,
        mismatched=sum(part.different for part in parts),
        nonfinite=0,
        total=pair.a.size,
        worst=pair.index(parts[0].place) if parts else None,
        pair=_values(pair, parts[0].place) if parts and truth else None,
    )


def strings(actual: StringTensor, reference: StringTensor) -> Distance:
    """Return the distance of byte strings, which are equal or not."""
    pairs = zip(actual.strings, reference.strings, strict=True)
    different = [place for place, (one, other) in enumerate(pairs) if one != other]
    return Distance(
        identical=not different,
        max_abs=None,
        max_rel=None,
        max_ulp=None,
        mismatched=len(different),
        nonfinite=0,
        total=len(actual.strings),
        worst=unravelled(different[0], actual.shape) if different else None,
    )


def _values(pair: Pair, place: int) -> tuple[float, float]:
    return float(pair.a[place]), float(pair.b[place])
