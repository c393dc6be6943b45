"""How good outputs are by the ground truth: accuracy of classes, errors of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.divergence import DecisionKind
from harness.judge.choices import accuracy, top
from harness.judge.floats import FLOATS, widen
from harness.judge.metrics import BLOCK
from harness.judge.tasks import Rule, are_binary, squeezed
from harness.mapped import release
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Scores

__all__ = ["scores"]


def scores(
    tensors: Mapping[str, Tensor],
    labels: NDArray[Any] | None,
    rules: Mapping[str, Rule],
    *,
    top_k: int = 5,
) -> Scores | None:
    """Return how good the first output that fits `labels` is; None where none does.

    `rules` say what the outputs decide. Integers of shape [samples] are classes: of an output
    [samples, classes] its argmax counts (and its `top_k` largest, where there are more classes
    than that). Of an output of sides labels are 0 and 1, in its shape. Other labels, of the shape
    of an output (an axis of length 1 aside), are what it should be: the errors of a regression.
    """
    if labels is None or labels.size == 0 or labels.dtype.kind not in "iufb":
        return None
    outputs = {
        name: tensor
        for name, tensor in tensors.items()
        if isinstance(tensor, NumericTensor) and tensor.dtype in FLOATS
    }
    for name, tensor in outputs.items():
        found = _decided(tensor, labels, rules.get(name), top_k)
        if found is not None:
            return found
    for tensor in outputs.values():
        if squeezed(tensor.shape) == squeezed(labels.shape):
            return _errors(tensor, labels)
    return None


def _decided(
    tensor: NumericTensor, labels: NDArray[Any], rule: Rule | None, top_k: int
) -> Scores | None:
    """Return the share of decisions that are right; None where `labels` are none of them."""
    if rule is None:
        return None
    if rule.kind is DecisionKind.SIDE:
        if squeezed(tensor.shape) != squeezed(labels.shape) or not are_binary(labels):
            return None
        return Scores(top1=accuracy(tensor, labels, threshold=rule.threshold))
    if rule.kind is DecisionKind.CLASS and len(tensor.shape) == 2:  # noqa: PLR2004
        return _classified(tensor, labels, top_k)
    return None


def _classified(tensor: NumericTensor, labels: NDArray[Any], top_k: int) -> Scores | None:
    if labels.dtype.kind not in "iub" or labels.shape != tensor.shape[:1]:
        return None
    top1 = accuracy(tensor, labels)
    if tensor.shape[1] <= top_k:
        return Scores(top1=top1)
    return Scores(top1=top1, top_k=top(tensor, labels, top_k), k=top_k)


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
