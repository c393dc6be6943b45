from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.divergence import DecisionKind
from harness.judge.tasks import Rule, rule_of, rules_of
from harness.model.model import Task, TaskKind
from harness.tensor import NumericTensor, StringTensor

CLASS, SIDE, NEIGHBOUR, NONE = DecisionKind


def tensor(values: Any, dtype: str = "float32") -> NumericTensor:
    return NumericTensor(dtype, np.asarray(values, dtype))


def found(values: Any, labels: Any = None, dtype: str = "float32") -> tuple[DecisionKind, str]:
    rule = rule_of(tensor(values, dtype), None if labels is None else np.asarray(labels))
    assert rule is not None
    assert rule.detected
    assert (rule.threshold is None) == (rule.kind is not SIDE)
    return rule.kind, rule.why


def softmax(logits: Any, dtype: str = "float32") -> NumericTensor:
    powers = np.exp(np.asarray(logits, np.float64))
    return tensor((powers / powers.sum(axis=-1, keepdims=True)).astype(dtype), dtype)


GENERATOR = np.random.default_rng(5)
UNIT = GENERATOR.normal(size=(20, 16))
UNIT /= np.linalg.norm(UNIT, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("values", "kind", "why"),
    [
        ([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]], CLASS, "its rows sum to 1"),
        ([[[0.5, 0.5], [0.75, 0.25]]], CLASS, "its rows sum to 1"),
        ([[3.0, -1.0], [0.5, 0.25]], CLASS, "it has rows of scores"),
        ([[0.25, 0.125], [0.5, 0.375]], CLASS, "it has rows of scores"),
        (np.zeros((2, 3, 4)), CLASS, "it has rows of scores"),
        (np.zeros((0, 4)), CLASS, "it has rows of scores"),
        ([[0.9], [0.1]], SIDE, "its values are from 0 to 1, on both sides of 0.5"),
        ([0.9, 0.1, math.nan], SIDE, "its values are from 0 to 1, on both sides of 0.5"),
        ([[0.9, 0.8], [0.1, 0.7]], SIDE, "its values are from 0 to 1, on both sides of 0.5"),
        (UNIT, NEIGHBOUR, "its rows have length 1"),
        (
            UNIT[:, :2] / np.linalg.norm(UNIT[:, :2], axis=1)[:, None],
            CLASS,
            "it has rows of scores",
        ),
        ([[0.9], [0.6]], NONE, "it has one number per sample"),
        ([0.1, 0.2, 0.5], NONE, "it has one number per sample"),
        ([[0.9], [1.1], [0.1]], NONE, "it has one number per sample"),
        ([0.9, 0.1, math.inf], NONE, "it has one number per sample"),
        ([math.nan, math.nan], NONE, "it has one number per sample"),
        (np.zeros((2, 3, 1)), NONE, "it has no rows of classes"),
        (3.0, NONE, "it has no rows of classes"),
    ],
)
def test_what_values_tell(values: Any, kind: DecisionKind, why: str) -> None:
    assert found(values) == (kind, why)


@pytest.mark.parametrize(
    ("values", "labels", "kind", "why"),
    [
        ([[0.9], [0.6]], [1, 0], SIDE, "labels.npz is 0 and 1"),
        ([0.9, 0.6], [[True], [False]], SIDE, "labels.npz is 0 and 1"),
        ([0.9, 0.1], [0.5, 0.25], NONE, "labels.npz has numbers"),
        ([3.0, -1.0], [1, 0], NONE, "labels.npz has numbers"),
        ([[0.9, 0.8], [0.1, 0.7]], [[1, 1], [0, 0]], SIDE, "labels.npz is 0 and 1"),
        ([[0.9, 0.8], [0.1, 0.7]], [1, 0], CLASS, "labels.npz has classes"),
        ([[0.9, 0.8], [0.1, 0.7]], [[0.5, 0.5], [0, 0]], NONE, "labels.npz has numbers"),
        ([[9.0, 0.8], [0.1, 0.7]], [[1, 0], [0, 1]], CLASS, "it has rows of scores"),
        ([[0.75, 0.25], [0.5, 0.5]], [[1, 0], [0, 1]], CLASS, "its rows sum to 1"),
        ([0.9, 0.1], [1, 0, 1], SIDE, "its values are from 0 to 1, on both sides of 0.5"),
        ([0.9, 0.1], ["a", "b"], SIDE, "its values are from 0 to 1, on both sides of 0.5"),
        ([[0.9, 0.8], [0.1, 0.7]], [], SIDE, "its values are from 0 to 1, on both sides of 0.5"),
    ],
)
def test_labels_are_the_strongest_evidence(
    values: Any, labels: Any, kind: DecisionKind, why: str
) -> None:
    assert found(values, labels) == (kind, why)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@given(st.integers(2, 300), st.integers(0, 2**32 - 1))
def test_a_softmax_is_known_in_every_type(dtype: str, classes: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(scale=5, size=(6, classes))
    rule = rule_of(softmax(logits, dtype))
    assert rule == Rule(CLASS, "its rows sum to 1")


def test_a_softmax_and_unit_vectors_in_bfloat16() -> None:
    def halved(values: Any) -> NumericTensor:
        bits = np.asarray(values, np.float32).view(np.uint32)
        return NumericTensor("bfloat16", (bits >> 16).astype(np.uint16))

    shares = softmax(GENERATOR.normal(size=(6, 10))).array
    assert rule_of(halved(shares)) == Rule(CLASS, "its rows sum to 1")
    assert rule_of(halved(UNIT)) == Rule(NEIGHBOUR, "its rows have length 1")


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64"])
def test_what_is_no_float_decides_nothing(dtype: str) -> None:
    assert rule_of(tensor([[0, 1], [1, 0]], dtype)) is None
    assert rule_of(tensor([[0, 1]], dtype), told=Task(kind=TaskKind.CLASSIFICATION)) is None
    assert rule_of(StringTensor((1, 2), (b"a", b"b"))) is None


SHARES, LOGITS, COLUMN = [[0.75, 0.25]], [[3.0, -1.0]], [[0.75], [0.25]]


@pytest.mark.parametrize(
    ("values", "task", "kind", "threshold"),
    [
        (SHARES, Task(kind=TaskKind.CLASSIFICATION), CLASS, None),
        (SHARES, Task(kind=TaskKind.MULTILABEL), SIDE, 0.5),
        (LOGITS, Task(kind=TaskKind.MULTILABEL), SIDE, 0.0),
        (LOGITS, Task(kind=TaskKind.MULTILABEL, threshold=2), SIDE, 2.0),
        (COLUMN, Task(kind=TaskKind.CLASSIFICATION), SIDE, 0.5),
        ([[3.0], [-1.0]], Task(kind=TaskKind.CLASSIFICATION), SIDE, 0.0),
        (0.75, Task(kind=TaskKind.CLASSIFICATION), SIDE, 0.5),
        (SHARES, Task(kind=TaskKind.REGRESSION), NONE, None),
        (SHARES, Task(kind=TaskKind.EMBEDDING), NEIGHBOUR, None),
    ],
)
def test_what_is_told_is_not_looked_for(
    values: Any, task: Task, kind: DecisionKind, threshold: float | None
) -> None:
    labels = np.array([0])
    rule = rule_of(tensor(values), labels, task)
    assert rule == Rule(kind, "model.yaml says so", detected=False, threshold=threshold)


def test_a_threshold_alone_divides_what_looks_divided() -> None:
    told = Task(threshold=0.125)
    assert rule_of(tensor(COLUMN), told=told) == Rule(NONE, "it has one number per sample")
    rule = rule_of(tensor([[0.75], [0.0625]]), told=told)
    why = "its values are from 0 to 1, on both sides of 0.125"
    assert rule == Rule(SIDE, why, threshold=0.125)


def test_an_output_s_own_task_goes_before_that_of_all() -> None:
    outputs = {"a": tensor(SHARES), "b": tensor(SHARES), "c": tensor([1], "int64")}
    told = {"*": Task(kind=TaskKind.REGRESSION), "b": Task(kind=TaskKind.EMBEDDING)}
    rules = rules_of(outputs, None, told)
    assert {name: rule.kind for name, rule in rules.items()} == {"a": NONE, "b": NEIGHBOUR}


def test_of_a_large_output_places_all_over_it_are_looked_at() -> None:
    values = np.full((1_000_000, 2), 0.5, np.float32)
    assert found(values) == (CLASS, "its rows sum to 1")
    values[-1] = 3
    assert found(values) == (CLASS, "it has rows of scores")
    wide = np.zeros((40, 400_000), np.float32)
    assert found(wide) == (CLASS, "it has rows of scores")
