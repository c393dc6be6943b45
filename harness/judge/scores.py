"""How good outputs are by the ground truth: accuracy of classes, errors of numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.decisions import accuracy, decisions, one_column, top
from harness.judge.floats import FLOATS, widen
from harness.judge.metrics import BLOCK
from harness.mapped import release
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Scores

__all__ = ["scores", "sides"]


def scores(
    tensors: Mapping[str, Tensor],
    labels: NDArray[Any] | None,
    *,
    sides: Collection[str] = (),
    top_k: int = 5,
) -> Scores | None:
    """Return how good the first output that fits `labels` is; None where none does.

    Integers of shape [samples] are classes: of an output [samples, classes] its argmax counts (and
    its `top_k` largest, where there are more classes than that), of one that `sides` names its
    side of 0.5. Other labels, of the shape of an output (an axis of length 1 aside), are what it
    should be: the errors of a regression.
    """
    if labels is None or labels.size == 0 or labels.dtype.kind not in "iufb":
        return None
    outputs = {
        name: tensor
        for name, tensor in tensors.items()
        if isinstance(tensor, NumericTensor) and tensor.dtype in FLOATS
    }
    if _are_classes(labels):
        for name, tensor in outputs.items():
            found = _classified(tensor, labels, name in sides, top_k)
            if found is not None:
                return found
    for tensor in outputs.values():
        if _squeezed(tensor.shape) == _squeezed(labels.shape):
            return _errors(tensor, labels)
    return None


def sides(tensors: Mapping[str, Tensor], labels: NDArray[Any] | None) -> frozenset[str]:
    """Return the outputs whose one value per sample decides by its side of 0.5.

    They look like a sigmoid's: a single column of numbers from 0 to 1, while the labels, one for
    each, are 0 and 1.
    """
    if labels is None or not _are_classes(labels) or not np.isin(labels, (0, 1)).all():
        return frozenset()
    return frozenset(
        name
        for name, tensor in tensors.items()
        if isinstance(tensor, NumericTensor)
        and tensor.dtype in FLOATS
        and one_column(tensor)
        and tensor.array.size == labels.size > 0
        and _are_shares(tensor)
    )


def _are_classes(labels: NDArray[Any]) -> bool:
    return labels.ndim == 1 and labels.dtype.kind in "iub"


def _are_shares(tensor: NumericTensor) -> bool:
    values = widen(tensor.array, tensor.dtype)
    return bool(np.all((values >= 0) & (values <= 1)))


def _classified(
    tensor: NumericTensor, labels: NDArray[Any], sided: bool, top_k: int
) -> Scores | None:
    if sided and one_column(tensor) and tensor.array.size == labels.size:
        return Scores(top1=accuracy(tensor, labels))
    if len(tensor.shape) != 2 or decisions(tensor) != labels.size:  # noqa: PLR2004
        return None
    top1 = accuracy(tensor, labels)
    if tensor.shape[1] <= top_k:
        return Scores(top1=top1)
    return Scores(top1=top1, top_k=top(tensor, labels, top_k), k=top_k)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without a last axis of length 1: [samples, 1] is a column of [samples]."""
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape


def _errors(tensor: NumericTensor, labels: NDArray[Any]) -> Scores:
    """Return mean absolute and root mean squared error; none where an output is not finite."""
    values, wanted = tensor.array.reshape(-1), labels.reshape(-1)
    absolute = squared = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, values.size, BLOCK):
            block = slice(start, start + BLOCK)
            apart = widen(values[block], tensor.dtype) - wanted[block].astype(np.float64)
            absolute += float(np.abs(apart).sum())
            squared += float(np.square(apart).sum())
            release(values[block])
    if not (math.isfinite(absolute) and math.isfinite(squared)):
        return Scores()
    return Scores(mae=absolute / values.size, rmse=math.sqrt(squared / values.size))
