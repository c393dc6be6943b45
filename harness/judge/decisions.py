"""What a model decides: the argmax over the last axis, or a side of 0.5, and whether it changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.floats import FLOATS, widen
from harness.judge.metrics import BLOCK
from harness.mapped import release
from harness.tensor import NumericTensor, Tensor

__all__ = ["accuracy", "changed", "decisions", "one_column", "top"]

_THRESHOLD = 0.5
"""Above it the one value of a sample says yes, as in Keras's BinaryAccuracy."""


def decisions(tensor: Tensor, *, sides: bool = False) -> int | None:
    """Return how many decisions the tensor holds: one per row of the last axis.

    With `sides` each value of a single column is one: the side of 0.5 it is on. None where the
    tensor holds none: other types than floats, fewer than two axes or two classes.
    """
    if not isinstance(tensor, NumericTensor) or tensor.dtype not in FLOATS:
        return None
    if sides and one_column(tensor):
        return tensor.array.size
    shape = tensor.shape
    if len(shape) < 2 or shape[-1] < 2:  # noqa: PLR2004
        return None
    return tensor.array.size // shape[-1]


def one_column(tensor: NumericTensor) -> bool:
    """Tell whether the tensor holds one value per sample: shape [samples] or [samples, 1]."""
    return len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)  # noqa: PLR2004


def changed(actual: NumericTensor, reference: NumericTensor, *, block: int = BLOCK) -> int:
    """Return how many decisions differ between two tensors of one shape that hold some."""
    pairs = zip(_choices(actual, block), _choices(reference, block), strict=True)
    return sum(int(np.count_nonzero(a != b)) for a, b in pairs)


def accuracy(tensor: NumericTensor, labels: NDArray[Any], *, block: int = BLOCK) -> float:
    """Return the share of decisions that equal `labels`, integers of shape [decisions].

    Of a single column the classes are 0 and 1.
    """
    right = start = 0
    for choices in _choices(tensor, block):
        right += int(np.count_nonzero(choices == labels[start : start + choices.size]))
        start += choices.size
    return right / labels.size


def top(tensor: NumericTensor, labels: NDArray[Any], k: int, *, block: int = BLOCK) -> float:
    """Return the share of rows whose label, of shape [rows], is among their `k` largest values.

    Of equal values the first counts as larger and NaN as the largest, as argmax has it; so with
    `k` = 1 this is `accuracy`.
    """
    classes = tensor.shape[-1]
    columns = np.arange(classes)
    right = start = 0
    for rows in _rows(tensor, block):
        wanted = labels[start : start + len(rows), np.newaxis]
        start += len(rows)
        known = (wanted >= 0) & (wanted < classes)
        place = np.where(known, wanted, 0).astype(np.intp)
        score = np.take_along_axis(rows, place, axis=-1)
        alike = (rows == score) | (np.isnan(rows) & np.isnan(score))
        larger = (rows > score) | (np.isnan(rows) & ~np.isnan(score))
        before = np.count_nonzero(larger | (alike & (columns < place)), axis=-1)
        right += int(np.count_nonzero(known[:, 0] & (before < k)))
    return right / labels.size


def _choices(tensor: NumericTensor, block: int) -> Iterator[NDArray[Any]]:
    """Give the class of every row, in blocks of whole rows."""
    for rows in _rows(tensor, block):
        one = rows.shape[-1] == 1
        yield (rows[:, 0] > _THRESHOLD).astype(np.intp) if one else np.argmax(rows, axis=-1)


def _rows(tensor: NumericTensor, block: int) -> Iterator[NDArray[np.float64]]:
    classes = 1 if one_column(tensor) else tensor.shape[-1]
    rows = tensor.array.reshape(-1, classes)
    step = max(1, block // classes)
    for start in range(0, len(rows), step):
        yield widen(rows[start : start + step], tensor.dtype)
        release(rows[start : start + step])
