"""What a model decides: the argmax over the last axis, and whether it changed or is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.floats import FLOATS, widen
from harness.judge.metrics import BLOCK
from harness.tensor import NumericTensor, Tensor

__all__ = ["accuracy", "changed", "decisions"]


def decisions(tensor: Tensor) -> int | None:
    """Return how many decisions the tensor holds: one per row of the last axis.

    None where it holds none: other types than floats, fewer than two axes or two classes.
    """
    if not isinstance(tensor, NumericTensor) or tensor.dtype not in FLOATS:
        return None
    shape = tensor.shape
    if len(shape) < 2 or shape[-1] < 2:  # noqa: PLR2004
        return None
    return tensor.array.size // shape[-1]


def changed(actual: NumericTensor, reference: NumericTensor, *, block: int = BLOCK) -> int:
    """Return how many decisions differ between two tensors of one shape that hold some."""
    pairs = zip(_choices(actual, block), _choices(reference, block), strict=True)
    return sum(int(np.count_nonzero(a != b)) for a, b in pairs)


def accuracy(tensor: NumericTensor, labels: NDArray[Any], *, block: int = BLOCK) -> float:
    """Return the share of decisions that equal `labels`, integers of shape [decisions]."""
    right = start = 0
    for choices in _choices(tensor, block):
        right += int(np.count_nonzero(choices == labels[start : start + choices.size]))
        start += choices.size
    return right / labels.size


def _choices(tensor: NumericTensor, block: int) -> Iterator[NDArray[np.intp]]:
    """Give the argmax of every row, in blocks of whole rows."""
    classes = tensor.shape[-1]
    rows = tensor.array.reshape(-1, classes)
    step = max(1, block // classes)
    for start in range(0, len(rows), step):
        yield np.argmax(widen(rows[start : start + step], tensor.dtype), axis=-1)
