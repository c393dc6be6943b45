"""What an output decides, read from its values: classes of rows, and sides of a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.floats import widen
from harness.mapped import release
from harness.tensor import NumericTensor

__all__ = ["BLOCK", "above", "accuracy", "blocks", "numbers", "one_column", "top"]

BLOCK = 1 << 17
"""Elements that are looked at together: few enough to stay in a processor's cache."""


def one_column(tensor: NumericTensor) -> bool:
    """Tell whether the tensor holds one value per sample: shape [samples] or [samples, 1]."""
    return len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)  # noqa: PLR2004


def blocks(
    *tensors: NumericTensor, columns: int, block: int = BLOCK
) -> Iterator[tuple[int, tuple[NDArray[Any], ...]]]:
    """Give tensors of one shape as rows of `columns` elements, in blocks of whole rows.

    With each block comes the number of its first row. Elements are as they are stored.
    """
    whole = [tensor.array.reshape(-1, columns) for tensor in tensors]
    step = max(1, block // columns)
    for start in range(0, len(whole[0]), step):
        found = tuple(rows[start : start + step] for rows in whole)
        yield start, found
        for rows in found:
            release(rows)


def numbers(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return stored elements in a type of the same order: themselves, or bfloat16 widened."""
    return widen(array, dtype) if dtype == "bfloat16" else array


def above(values: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Return which of `values` exceed the threshold, as Keras's BinaryAccuracy counts; NaN never.

    Compared are the numbers themselves: a threshold that the type does not have is not rounded.
    """
    with np.errstate(over="ignore"):
        limit = values.dtype.type(threshold)
    exact = float(limit) == threshold
    found: NDArray[np.bool_] = (
        (values > limit) if exact else (values.astype(np.float64) > threshold)
    )
    return found


def accuracy(
    tensor: NumericTensor,
    labels: NDArray[Any],
    *,
    threshold: float | None = None,
    block: int = BLOCK,
) -> float:
    """Return the share of decisions that equal `labels`, of as many elements as decisions.

    Decisions are the argmax of each row, or with a `threshold` the side of each value, 0 or 1.
    """
    columns = 1 if threshold is not None else tensor.shape[-1]
    wanted = labels.reshape(-1)
    right = 0
    for start, (rows,) in blocks(tensor, columns=columns, block=block):
        values = numbers(rows, tensor.dtype)
        made = np.argmax(values, -1) if threshold is None else above(values[:, 0], threshold)
        right += int(np.count_nonzero(made == wanted[start : start + made.size]))
    return right / wanted.size


def top(tensor: NumericTensor, labels: NDArray[Any], k: int, *, block: int = BLOCK) -> float:
    """Return the share of rows whose label, of shape [rows], is among their `k` largest values.

    Of equal values the first counts as larger and NaN as the largest, as argmax has it; so with
    `k` = 1 this is `accuracy`.
    """
    classes = tensor.shape[-1]
    columns = np.arange(classes)
    right = 0
    for start, (stored,) in blocks(tensor, columns=classes, block=block):
        rows = numbers(stored, tensor.dtype)
        wanted = labels[start : start + len(rows), np.newaxis]
        known = (wanted >= 0) & (wanted < classes)
        place = np.where(known, wanted, 0).astype(np.intp)
        score = np.take_along_axis(rows, place, axis=-1)
        alike = (rows == score) | (np.isnan(rows) & np.isnan(score))
        larger = (rows > score) | (np.isnan(rows) & ~np.isnan(score))
        before = np.count_nonzero(larger | (alike & (columns < place)), axis=-1)
        right += int(np.count_nonzero(known[:, 0] & (before < k)))
    return right / labels.size
