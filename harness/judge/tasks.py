"""What each output decides: told in `model.yaml`, else found from the reference's values.

A task that was not found right costs little: no verdict rests on it. It names which decisions are
counted, and the table says what was found and by what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.divergence import DecisionKind
from harness.judge.choices import above, one_column
from harness.judge.floats import FLOATS, widen
from harness.model.model import Task, TaskKind
from harness.model.tasks import ALL
from harness.tensor import NumericTensor, Tensor

__all__ = ["PROBABILITY", "Rule", "are_binary", "rule_of", "rules_of", "squeezed"]

PROBABILITY = 0.5
"""Threshold of a probability."""
_LOGIT = 0.0
"""Threshold of a logit: where its sigmoid is 0.5."""

_LOOKED_AT = 1 << 18
"""Elements of an output that its task is found from, in `_PLACES` places spread over it."""
_PLACES = 16

_ROUNDING = 1e-4
"""How far the sum of a softmax's row may be from 1, or the length of a unit vector: the 32-bit sum
of a million terms is off by less. Of 16-bit types it is 4 steps at 1."""
_STEPS = {"float16": 4 * 2.0**-10, "bfloat16": 4 * 2.0**-7}

_SHORTEST_EMBEDDING = 8
"""Values in a row; shorter unit vectors are directions or rotations."""
_TOLD = "model.yaml says so"


@dataclass(frozen=True, slots=True)
class Rule:
    """How the values of one output decide."""

    kind: DecisionKind
    why: str
    detected: bool = True
    threshold: float | None = None
    """Of a side."""


def rules_of(
    outputs: Mapping[str, Tensor], labels: NDArray[Any] | None, told: Mapping[str, Task]
) -> dict[str, Rule]:
    """Return how each of the reference's outputs decides; those that are no floats have no rule.

    `told` is by output, `*` for all others. `labels` are the ground truth: what they are is the
    strongest evidence.
    """
    found = {
        name: rule_of(tensor, labels, told.get(name, told.get(ALL, Task())))
        for name, tensor in outputs.items()
    }
    return {name: rule for name, rule in found.items() if rule is not None}


def rule_of(
    tensor: Tensor, labels: NDArray[Any] | None = None, told: Task | None = None
) -> Rule | None:
    """Return how one output decides; None where it is no float. See `rules_of`."""
    if not isinstance(tensor, NumericTensor) or tensor.dtype not in FLOATS:
        return None
    task = told or Task()
    if task.kind is not TaskKind.AUTO:
        return _told(tensor, task)
    threshold = PROBABILITY if task.threshold is None else task.threshold
    if _has_classes(tensor):
        return _of_rows(tensor, labels, threshold)
    return _of_one_value(tensor, labels, threshold)


def are_binary(labels: NDArray[Any]) -> bool:
    """Tell whether labels are 0 and 1, as numbers or truth values."""
    return labels.size > 0 and bool(np.isin(labels, (0, 1)).all())


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without a last axis of length 1: [samples, 1] is a column of [samples]."""
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape


def _told(tensor: NumericTensor, task: Task) -> Rule:
    if task.kind is TaskKind.REGRESSION:
        return Rule(DecisionKind.NONE, _TOLD, detected=False)
    if task.kind is TaskKind.EMBEDDING:
        return Rule(DecisionKind.NEIGHBOUR, _TOLD, detected=False)
    if task.kind is TaskKind.CLASSIFICATION and _has_classes(tensor):
        return Rule(DecisionKind.CLASS, _TOLD, detected=False)
    threshold = task.threshold
    if threshold is None:
        threshold = PROBABILITY if _are_shares(_some_rows(tensor)) else _LOGIT
    return Rule(DecisionKind.SIDE, _TOLD, detected=False, threshold=threshold)


def _of_one_value(tensor: NumericTensor, labels: NDArray[Any] | None, threshold: float) -> Rule:
    if not one_column(tensor):
        return Rule(DecisionKind.NONE, "it has no rows of classes")
    values = _some_rows(tensor)
    if labels is not None and tensor.array.size == labels.size > 0 and _fit(tensor, labels):
        if are_binary(labels) and _are_shares(values):
            return Rule(DecisionKind.SIDE, "labels.npz is 0 and 1", threshold=threshold)
        return Rule(DecisionKind.NONE, "labels.npz has numbers")
    return _divided(values, threshold) or Rule(DecisionKind.NONE, "it has one number per sample")


def _of_rows(tensor: NumericTensor, labels: NDArray[Any] | None, threshold: float) -> Rule:
    rows = _some_rows(tensor)
    near = _STEPS.get(tensor.dtype, _ROUNDING)
    if _are_shares(rows) and _all_near_1(rows.sum(axis=-1), near):
        return Rule(DecisionKind.CLASS, "its rows sum to 1")
    if len(tensor.shape) == 2:  # noqa: PLR2004
        by_labels = _by_labels(tensor, rows, labels, threshold)
        found = by_labels or _divided(rows, threshold)
        if found is not None:
            return found
        if rows.shape[1] >= _SHORTEST_EMBEDDING and _all_near_1(_lengths(rows), near):
            return Rule(DecisionKind.NEIGHBOUR, "its rows have length 1")
    return Rule(DecisionKind.CLASS, "it has rows of scores")


def _by_labels(
    tensor: NumericTensor, rows: NDArray[np.float64], labels: NDArray[Any] | None, threshold: float
) -> Rule | None:
    """Return what `labels` say of an output of shape [samples, classes]."""
    if labels is None or labels.size == 0:
        return None
    if labels.dtype.kind in "iub" and labels.shape == tensor.shape[:1]:
        return Rule(DecisionKind.CLASS, "labels.npz has classes")
    if labels.dtype.kind not in "iubf" or labels.shape != tensor.shape:
        return None
    if not are_binary(labels):
        return Rule(DecisionKind.NONE, "labels.npz has numbers")
    if not _are_shares(rows):
        return None
    return Rule(DecisionKind.SIDE, "labels.npz is 0 and 1", threshold=threshold)


def _divided(rows: NDArray[np.float64], threshold: float) -> Rule | None:
    """Return the rule of values that look like a sigmoid's; None where they do not.

    They are shares, with some on either side of the threshold: a batch that is all on one side
    cannot be told from small numbers. Numbers scaled to [0, 1] look the same: `task: regression`
    tells them apart.
    """
    side = above(rows[~np.isnan(rows)], threshold)
    if not _are_shares(rows) or side.all() or not side.any():
        return None
    why = f"its values are from 0 to 1, on both sides of {threshold:g}"
    return Rule(DecisionKind.SIDE, why, threshold=threshold)


def _fit(tensor: NumericTensor, labels: NDArray[Any]) -> bool:
    return labels.dtype.kind in "iubf" and squeezed(tensor.shape) == squeezed(labels.shape)


def _has_classes(tensor: NumericTensor) -> bool:
    return len(tensor.shape) >= 2 and tensor.shape[-1] >= 2  # noqa: PLR2004


def _are_shares(values: NDArray[np.float64]) -> bool:
    """Tell whether the values are from 0 to 1, NaN aside, and there are some."""
    there = values[~np.isnan(values)]
    return there.size > 0 and bool(((there >= 0) & (there <= 1)).all())


def _all_near_1(values: NDArray[np.float64], near: float) -> bool:
    there = values[~np.isnan(values)]
    return there.size > 0 and bool((np.abs(there - 1) <= near).all())


def _lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):
        lengths: NDArray[np.float64] = np.sqrt(np.square(rows).sum(axis=-1))
    return lengths


def _some_rows(tensor: NumericTensor) -> NDArray[np.float64]:
    """Return rows of the last axis (or a column), all of them or some from all over the tensor."""
    columns = tensor.shape[-1] if _has_classes(tensor) else 1
    rows = tensor.array.reshape(-1, columns)[:, :_LOOKED_AT]
    wanted = max(_PLACES, _LOOKED_AT // columns)
    if len(rows) > wanted:
        step = wanted // _PLACES
        starts = np.linspace(0, len(rows) - step, _PLACES).astype(np.intp)
        rows = np.concatenate([rows[start : start + step] for start in starts])
    return widen(rows, tensor.dtype)
