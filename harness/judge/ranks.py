"""The order an output puts things in, beside the reference's: rank correlation, and the top k.

Both are of the first rows only where an output is large: sorting is by far the dearest that is
done with it, and what moves the order of a model's scores moves it everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.divergence import Ranks
from harness.judge.choices import numbers
from harness.tensor import NumericTensor

__all__ = ["LOOKED_AT", "TopK", "over_classes", "over_samples", "ranks", "spearman"]

LOOKED_AT = 1 << 17
"""Elements that are put in order, in whole rows."""

_FEWEST = 3
"""Things in a row: of two, the order says what the decision says."""


class TopK(NamedTuple):
    """How many rows have other classes among their `k` largest values."""

    k: int
    changed: int
    of: int


def over_classes(
    actual: NumericTensor, reference: NumericTensor, k: int, *, looked_at: int = LOOKED_AT
) -> tuple[Ranks | None, TopK | None]:
    """Return the rank correlation of the rows of the last axis, and what became of their top `k`.

    None where there are fewer than 3 classes, or no more than `k`, or no rows. Of equal values the
    first counts as larger and NaN as the largest, as argmax has it.
    """
    classes = reference.shape[-1]
    if classes < _FEWEST or reference.array.size == 0:
        return None, None
    rows = max(1, looked_at // classes)
    # A stable order of the reversed row has, of equal values, the first last: as the larger.
    x, y = (tensor.array.reshape(-1, classes)[:rows, ::-1] for tensor in (actual, reference))
    differing, *sides = _differing(x, y, reference.dtype)
    top = None
    if classes > k:
        sets = [np.sort(side.order[:, -k:], axis=-1) for side in sides]
        changed = int(np.count_nonzero((sets[0] != sets[1]).any(axis=-1)))
        top = TopK(k, changed, len(y))
    return _summary("classes", sides, differing, y.shape), top


def over_samples(
    actual: NumericTensor, reference: NumericTensor, *, looked_at: int = LOOKED_AT
) -> Ranks | None:
    """Return the rank correlation of every column over the samples, the first axis.

    None where there are fewer than 3 samples, or no values.
    """
    shape = reference.shape
    if not shape or shape[0] < _FEWEST or reference.array.size == 0:
        return None
    columns = math.prod(shape[1:])
    samples = min(shape[0], looked_at)
    wide = min(columns, max(1, looked_at // samples))
    x, y = (tensor.array.reshape(-1, columns)[:samples, :wide].T for tensor in (actual, reference))
    differing, *sides = _differing(x, y, reference.dtype)
    return _summary("samples", sides, differing, y.shape)


class _Ordered(NamedTuple):
    """Rows, and what puts each in order: [rows, length]."""

    order: NDArray[np.intp]
    """Places in the row, by rising value; of equal values the first comes first."""
    first: NDArray[np.bool_]
    """Whether the value at that place of the order is another than the one before it."""


def _differing(
    actual: NDArray[Any], reference: NDArray[Any], dtype: str
) -> tuple[NDArray[np.intp], _Ordered, _Ordered]:
    """Return which rows have another order, ties included, and that of these on either side."""
    (found,) = np.nonzero((actual != reference).any(axis=-1))
    if found.size:
        there = _ordered(numbers(reference[found], dtype))
        moved = ~_still_in(there, numbers(actual[found], dtype))
        found, there = found[moved], _Ordered(there.order[moved], there.first[moved])
    if not found.size:
        nothing = _Ordered(np.empty((0, 1), np.intp), np.empty((0, 1), np.bool_))
        return found, nothing, nothing
    here = _ordered(numbers(actual[found], dtype))
    apart = (here.order != there.order).any(axis=-1) | (here.first != there.first).any(axis=-1)
    return found[apart], *(_Ordered(*(part[apart] for part in side)) for side in (here, there))


def _still_in(side: _Ordered, rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows rise, and are equal, just where those that `side` puts in order do.

    Which is cheaper than putting them in order too; it is never said of a row with NaN.
    """
    values = np.take_along_axis(rows, side.order, axis=-1)
    before, after, first = values[:, :-1], values[:, 1:], side.first[:, 1:]
    still: NDArray[np.bool_] = ((before < after) == first).all(axis=-1)
    if not first.all():
        still &= ((before == after) == ~first).all(axis=-1)
    return still


def _ordered(rows: NDArray[Any]) -> _Ordered:
    """Return the order of rows; NaNs are equal, and larger than any number."""
    order = np.argsort(rows, axis=-1, kind="stable")
    values = np.take_along_axis(rows, order, axis=-1)
    before, after = values[:, :-1], values[:, 1:]
    first = np.ones(rows.shape, np.bool_)
    first[:, 1:] = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return _Ordered(order, first)


def ranks(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rank of every value in its row, from 1; equal ones share the mean of theirs.

    NaNs are equal, and larger than any number.
    """
    return _ranks(_ordered(rows))


def _ranks(side: _Ordered) -> NDArray[np.float64]:
    count, length = side.order.shape
    place = np.arange(length)
    found = np.empty((count, length))
    if side.first.all():
        np.put_along_axis(found, side.order, place[np.newaxis] + 1.0, axis=-1)
        return found
    starts = np.maximum.accumulate(np.where(side.first, place, 0), axis=-1)
    last = np.ones(side.first.shape, np.bool_)
    last[:, :-1] = side.first[:, 1:]
    # From behind, the end of a tie is the smallest place at or after it that ends one.
    ends = np.minimum.accumulate(np.where(last, place, length)[:, ::-1], axis=-1)[:, ::-1]
    np.put_along_axis(found, side.order, (starts + ends) / 2 + 1, axis=-1)
    return found


def spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Spearman's rank correlation of every row of two arrays of ranks.

    It is Pearson's correlation of the ranks, sum((r - m)(s - m)) / sqrt(sum((r - m)**2) *
    sum((s - m)**2)), which holds with ties too (Kendall and Gibbons, "Rank Correlation Methods",
    5th edition, section 3.8). 1 where the ranks are the same; where all values of one row are
    equal and those of the other are not, which has no correlation, 0.
    """
    mean = (one.shape[-1] + 1) / 2
    r, s = one - mean, other - mean
    scale = np.sqrt(np.square(r).sum(axis=-1) * np.square(s).sum(axis=-1))
    found = np.divide((r * s).sum(axis=-1), scale, where=scale > 0, out=np.zeros(len(scale)))
    return np.where((one == other).all(axis=-1), 1.0, np.clip(found, -1.0, 1.0))


def _summary(
    over: Literal["classes", "samples"],
    sides: Sequence[_Ordered],
    differing: NDArray[np.intp],
    shape: tuple[int, ...],
) -> Ranks:
    """Return the summary over all rows: those in one order correlate with 1."""
    count, length = shape
    mean, least, at = 1.0, 1.0, 0
    if differing.size:
        correlated = spearman(*map(_ranks, sides))
        worst = int(np.argmin(correlated))
        mean = min(1.0, (float(correlated.sum()) + count - correlated.size) / count)
        least, at = float(correlated[worst]), int(differing[worst])
    return Ranks(over=over, mean=mean, least=least, at=at, count=count, length=length)
