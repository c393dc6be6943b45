from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.divergence import DecisionKind
from harness.judge.choices import accuracy, top
from harness.judge.compare import compare
from harness.judge.scores import scores
from harness.judge.tasks import Rule, rules_of
from harness.model.model import Task, TaskKind
from harness.tensor import NumericTensor, StringTensor, Tensor
from harness.verdict import Scores


def tensor(values: Any, dtype: str = "float32") -> NumericTensor:
    return NumericTensor(dtype, np.asarray(values, dtype))


SIDES = Rule(DecisionKind.SIDE, "", threshold=0.5)


def score(tensors: dict[str, Tensor] | NumericTensor, labels: Any, **told: Any) -> Scores | None:
    outputs: dict[str, Tensor] = {"y": tensors} if isinstance(tensors, NumericTensor) else tensors
    wanted = np.asarray(labels)
    return scores(outputs, wanted, rules_of(outputs, wanted, {"*": Task(**told)}))


def test_few_classes_have_no_top_k() -> None:
    assert score(tensor([[0.9, 0.1], [0.2, 0.8]]), [0, 0]) == Scores(top1=0.5)
    assert score(tensor(np.eye(5)), np.arange(5)) == Scores(top1=1.0)


def test_many_classes_have_a_top_5() -> None:
    falling = tensor(np.tile(np.arange(8)[::-1], (8, 1)))
    assert score(falling, np.arange(8)) == Scores(top1=1 / 8, top_k=5 / 8, k=5)


def test_classes_before_numbers() -> None:
    outputs: dict[str, Tensor] = {
        "value": tensor([[3.0], [4.0]]),
        "name": StringTensor((2,), (b"a", b"b")),
        "scores": tensor([[0.9, 0.1], [0.2, 0.8]]),
    }
    assert score(outputs, [0, 1]) == Scores(top1=1.0)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.bool_])
def test_a_sigmoid_decides_by_its_side(shape: tuple[int, ...], kind: Any) -> None:
    values = tensor(np.reshape([0.9, 0.6, 0.5, 0.1], shape))
    assert score(values, np.array([1, 0, 0, 1], kind)) == Scores(top1=0.5)


def test_logits_and_other_labels_are_no_sides() -> None:
    assert score(tensor([[2.0], [-1.0]]), [1, 0]) == Scores(mae=1.0, rmse=1.0)
    assert score(tensor([[0.5], [0.5]]), [2, 0]) == Scores(mae=1.0, rmse=math.sqrt(1.25))


def test_whether_it_is_a_sigmoid_is_told_by_the_reference() -> None:
    labels = np.array([1, 0])
    outputs: dict[str, Tensor] = {"y": tensor([[math.nan], [1.5]])}
    assert rules_of(outputs, labels, {})["y"].kind is DecisionKind.NONE
    assert scores(outputs, labels, {"y": SIDES}) == Scores(top1=0.0)


@pytest.mark.parametrize(
    ("output", "label"), [((3,), (3,)), ((3, 1), (3,)), ((3,), (3, 1)), ((3, 2), (3, 2))]
)
def test_errors_of_numbers(output: tuple[int, ...], label: tuple[int, ...]) -> None:
    found = score(tensor(np.full(output, 2.0)), np.full(label, 5.0))
    assert found == Scores(mae=3.0, rmse=3.0)


def test_integers_that_are_no_classes_are_numbers() -> None:
    assert score(tensor([[200.0], [100.0]]), [210, 100]) == Scores(mae=5.0, rmse=math.sqrt(50))


def test_errors_of_what_is_not_finite_are_not_told() -> None:
    assert score(tensor([1.0, math.nan]), [1.0, 2.0]) == Scores()
    assert score(tensor([1.0, math.inf]), [1.0, 2.0]) == Scores()


@pytest.mark.parametrize(
    "labels",
    [None, [], [0], [[0, 1, 2]], [0.5, 1.0], ["a", "b"], [None, None]],
)
def test_labels_that_do_not_fit(labels: Any) -> None:
    outputs: dict[str, Tensor] = {"y": tensor([[0.9, 0.1], [0.2, 0.8]])}
    wanted = None if labels is None else np.asarray(labels)
    assert scores(outputs, wanted, rules_of(outputs, wanted, {})) is None


def test_labels_beyond_the_classes_are_wrong_ones() -> None:
    values = tensor(np.tile(np.arange(8), (3, 1)))
    assert score(values, [7, 8, -1]) == Scores(top1=1 / 3, top_k=1 / 3, k=5)


VALUES = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8),
    elements=st.one_of(st.sampled_from([0.0, 1.0, math.nan, math.inf]), st.floats(width=32)),
)


@given(VALUES, st.data())
def test_the_top_1_is_the_accuracy_and_tops_grow(values: NDArray[Any], data: st.DataObject) -> None:
    rows, classes = values.shape
    labels = data.draw(hnp.arrays(np.int64, rows, elements=st.integers(-1, classes)))
    one = tensor(values)
    tops = [top(one, labels, k) for k in range(1, classes + 1)]
    assert tops[0] == accuracy(one, labels)
    assert tops == sorted(tops)
    assert tops[-1] == np.mean((labels >= 0) & (labels < classes))
    assert [top(one, labels, k, block=3) for k in range(1, classes + 1)] == tops


def test_unsigned_labels() -> None:
    assert top(tensor([[0.1, 0.2, 0.3]]), np.array([1], np.uint64), 2) == 1


def test_a_sigmoid_that_changes_sides_changed_decisions() -> None:
    reference: dict[str, Tensor] = {"y": tensor([[0.4], [0.6], [0.6]])}
    actual: dict[str, Tensor] = {"y": tensor([[0.6], [0.7], [0.6]])}
    found = compare(actual, reference, {}, rules={"y": SIDES}).outputs["y"]
    assert (found.decisions, found.decisions_changed) == (3, 1)
    found = compare(actual, reference, {}, rules={}).outputs["y"]
    assert (found.decisions, found.decisions_changed) == (None, None)
    found = compare(actual, reference, {}, rules={"y": SIDES}, decide=False).outputs["y"]
    assert (found.decisions, found.decisions_changed, found.decided) == (None, None, None)


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.bool_])
def test_independent_labels_are_right_or_wrong_one_by_one(kind: Any) -> None:
    values = tensor([[0.9, 0.2, 0.7], [0.4, 0.8, 0.6]])
    labels = np.array([[1, 0, 0], [0, 1, 1]], kind)
    assert score(values, labels) == Scores(top1=5 / 6)
    assert score(values, labels, kind=TaskKind.MULTILABEL, threshold=0.75) == Scores(top1=5 / 6)
    assert score(values, labels, kind=TaskKind.MULTILABEL, threshold=0.1) == Scores(top1=3 / 6)


def test_a_threshold_of_logits_is_zero() -> None:
    logits = tensor([[2.0], [-1.0], [0.25]])
    told = {"kind": TaskKind.CLASSIFICATION}
    assert score(logits, [1, 0, 1], **told) == Scores(top1=1.0)
    assert score(logits, [1, 0, 1], threshold=0.5, **told) == Scores(top1=2 / 3)


def test_what_is_told_to_be_numbers_has_errors() -> None:
    values = tensor([[0.75], [0.25]])
    assert score(values, [1, 0]) == Scores(top1=1.0)
    assert score(values, [1, 0], kind=TaskKind.REGRESSION) == Scores(mae=0.25, rmse=0.25)
