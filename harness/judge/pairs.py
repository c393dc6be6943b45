"""How far one output lies apart between many cells: every pair, as a share of what is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.floats import FLOATS, widen
from harness.judge.tolerance import Allowed
from harness.tensor import NumericTensor, StringTensor, Tensor

__all__ = ["COMPONENTS", "Row", "shares"]

COMPONENTS = {"complex64": "float32", "complex128": "float64"}
"""The real types that the two parts of a complex number have."""

_AT_ONCE = 1 << 20
"""Elements of all rows together that are looked at together; their temporaries take 40 MB."""

_FEWEST = 256
"""Elements of one row that are looked at together however many rows there are."""

_TEMPORARY = 1 << 15
"""Elements of a temporary of the innermost step, so that it stays in a core's cache."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One output of one cell (or of several in which it has the same bits)."""

    tensor: Tensor
    tolerance: Allowed | None
    """None where it has to be exact."""
    noise: float
    """What it may differ by for noise alone, in units of the output."""
    noise_elements: float
    """How many elements may differ for noise alone, where it has to be exact."""


def shares(rows: Sequence[Row], *, ahead: int | None = None) -> _Floats:
    """Return how far each of `rows` is from each other, as a share of what is allowed.

    Shape [rows, rows], symmetric, 0 on the diagonal; 1 and less is within. All rows have one dtype
    and shape, and no two the same bits. With `ahead`, only pairs of one of the first `ahead` rows
    with one of the others are looked at; the rest is 0.

    A float may differ by the larger of its tolerance and of the noise of either row. Tolerance is
    NumPy's rule with whichever of the two as the reference: |a - b| <= atol + rtol * min(|a|, |b|)
    (where the rows' own atol and rtol differ, the smaller sum counts), evaluated in float64. So
    the rule is symmetric, and what it lets pass is equivalent by `harness.judge.metrics` in either
    direction. The share is the largest over the elements. NaN and Inf have to be where the other's
    are, else it is inf. Of other types, it is the number of elements that differ over that which
    the noise allows: inf where it allows none.
    """
    tensor = rows[0].tensor
    dtype = COMPONENTS.get(tensor.dtype, tensor.dtype)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if isinstance(tensor, NumericTensor) and dtype in FLOATS:
            far = _floats(rows, dtype, ahead)
        else:
            far = _exact(rows, ahead)
    far = np.maximum(far, far.T)
    if ahead is not None:
        far[:ahead, :ahead] = far[ahead:, ahead:] = 0.0
    return far


def _pairs(count: int, ahead: int | None) -> Iterator[tuple[int, int]]:
    """Give each row with the first of the rows, up to the last, that it is compared with."""
    for row in range(count if ahead is None else ahead):
        yield row, row + 1 if ahead is None else ahead


@dataclass(frozen=True, slots=True)
class _Block:
    """The same elements of all rows, [rows, elements]."""

    values: _Floats
    allowed: _Floats
    """What each may differ by for tolerance, were it the reference."""
    noise: _Floats
    """[rows]."""


def _floats(rows: Sequence[Row], dtype: str, ahead: int | None) -> _Floats:
    count = len(rows)
    far = np.zeros((count, count))
    arrays = [_components(row.tensor, dtype) for row in rows]
    noise = np.array([row.noise for row in rows])
    step = max(_FEWEST, _AT_ONCE // count)
    for start in range(0, arrays[0].size, step):
        values = np.stack([widen(array[start : start + step], dtype) for array in arrays])
        _patterns(values, far)
        allowed = np.stack([_allowed(row, each) for row, each in zip(rows, values, strict=True)])
        block = _Block(values, allowed, noise)
        for row, first in _pairs(count, ahead):
            _against(row, first, block, far)
    return far


def _components(tensor: Tensor, dtype: str) -> NDArray[Any]:
    assert isinstance(tensor, NumericTensor)
    flat = tensor.array.reshape(-1)
    return flat.view(dtype) if tensor.dtype in COMPONENTS else flat


def _allowed(row: Row, values: _Floats) -> _Floats:
    assert row.tolerance is not None
    return row.tolerance.atol + row.tolerance.rtol * np.abs(values)


def _patterns(values: _Floats, far: _Floats) -> None:
    """Mark pairs of rows that have NaN or Inf in other places; put 0 in these places."""
    finite = np.isfinite(values)
    if finite.all():
        return
    kinds = np.where(finite, 0, np.where(np.isnan(values), 1, np.where(values > 0, 2, 3)))
    _, which = np.unique(kinds.astype(np.uint8), axis=0, return_inverse=True)
    which = which.reshape(-1)
    far[which[:, None] != which[None, :]] = np.inf
    values[~finite] = 0.0


def _against(row: int, first: int, block: _Block, far: _Floats) -> None:
    """Compare one row with those from `first` on, as many at a time as fit a core's cache."""
    count, elements = block.values.shape
    step = max(1, _TEMPORARY // elements)
    room = np.empty((3, min(step, count), elements))
    for start in range(first, count, step):
        others = slice(start, min(start + step, count))
        apart, within, share = room[:, : others.stop - start]
        np.abs(np.subtract(block.values[others], block.values[row], out=apart), out=apart)
        np.minimum(block.allowed[others], block.allowed[row], out=within)
        floors = np.maximum(block.noise[others], block.noise[row])
        if floors.any():
            np.maximum(within, floors[:, None], out=within)
        np.maximum(far[row, others], _largest(apart, within, share), out=far[row, others])


def _largest(apart: _Floats, within: _Floats, share: _Floats) -> _Floats:
    """Return the largest share of each row; `share` is room for all of them.

    A quotient of floats is above 1 exactly where the dividend is the larger, since floats next to
    each other differ by more than the half step above 1 that would be rounded away.
    """
    largest: _Floats = np.divide(apart, within, out=share).max(axis=1)
    unsure = np.isnan(largest)
    if unsure.any():
        # Nothing is allowed and nothing differs, or there is no limit and none to the difference.
        none = np.where(apart[unsure] == 0, 0.0, 1.0)
        largest[unsure] = np.where(np.isnan(share[unsure]), none, share[unsure]).max(axis=1)
    return largest


def _exact(rows: Sequence[Row], ahead: int | None) -> _Floats:
    count = len(rows)
    noise = np.array([row.noise_elements for row in rows])
    if not noise.any():
        return np.where(np.eye(count, dtype=bool), 0.0, np.inf)
    differing = np.zeros((count, count))
    arrays = _codes(rows)
    step = max(_FEWEST, _AT_ONCE // count)
    for start in range(0, arrays[0].size, step):
        values = np.stack([array[start : start + step] for array in arrays])
        for row, first in _pairs(count, ahead):
            differing[row, first:] += np.count_nonzero(values[first:] != values[row], axis=1)
    share = differing / np.maximum(noise[:, None], noise[None, :])
    return np.where(differing == 0, 0.0, share)


def _codes(rows: Sequence[Row]) -> list[NDArray[Any]]:
    """Return flat arrays that are equal where the tensors are: strings become numbers."""
    known: dict[bytes, int] = {}
    return [
        np.array([known.setdefault(text, len(known)) for text in row.tensor.strings], np.int64)
        if isinstance(row.tensor, StringTensor)
        else row.tensor.array.reshape(-1)
        for row in rows
    ]
