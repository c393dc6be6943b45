"""The training state: what is told of an optimizer, and the targets of a step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from probing.digests import digest_of
from probing.training import (
    first_number,
    look_at_training,
    losses_of_step,
    make_slots,
    problem_of,
    targets_for,
)

from harness.observation import Training

TF = SimpleNamespace(executing_eagerly=lambda: True)


def variable(*values: float) -> Any:
    array = np.array(values, np.float32)
    return SimpleNamespace(numpy=lambda: array)


def scalar(value: float) -> Any:
    return SimpleNamespace(numpy=lambda: np.array(value))


class Adam:
    """An optimizer that keeps two values for each of two weights."""

    def __init__(self) -> None:
        self.iterations = scalar(7)
        self.variables = [self.iterations, scalar(0.1), variable(1, 2), variable(3), variable(0)]


def told(model: Any, slots: Any, step: Any = lambda: (2.0, 1.5)) -> list[Training]:
    found: list[Training] = []

    def tell(facts: dict[str, Any]) -> None:
        found.append(Training.model_validate(facts))

    look_at_training(TF, model, slots, step, tell)
    return found


def digests(*arrays: Any) -> list[str]:
    return [digest_of(np.array(array, np.float32)) for array in arrays]


def test_slots_that_hold_what_the_files_hold_are_counted() -> None:
    model = SimpleNamespace(optimizer=Adam())
    first, last = told(model, lambda: digests([1, 2], [4], [0], [0]))
    assert first == Training(optimizer="Adam", iterations=7, slots_expected=4, slots_found=2)
    assert last == first.model_copy(update={"loss_before": 2.0, "loss_after": 1.5})


def test_files_that_do_not_say_leave_the_slots_that_are_there() -> None:
    (_, last) = told(SimpleNamespace(optimizer=Adam()), lambda: None)
    assert (last.slots_expected, last.slots_found) == (None, 3)


def test_variables_of_an_optimizer_may_be_a_method() -> None:
    optimizer = Adam()
    variables = optimizer.variables
    optimizer.variables = lambda: variables  # type: ignore[assignment]
    (_, last) = told(SimpleNamespace(optimizer=optimizer), lambda: digests([3]))
    assert last.slots_found == 1


def test_a_model_without_an_optimizer_says_so() -> None:
    assert told(SimpleNamespace(), lambda: []) == [
        Training(slots_expected=0, problem="the model came without an optimizer")
    ]


def test_a_step_that_fails_is_a_problem_and_no_more() -> None:
    def step() -> None:
        raise ValueError(
            'in user code:\n\n  File "x.py", line 1\n\n    ValueError: No loss found.\n'
        )

    _, last = told(SimpleNamespace(optimizer=Adam()), lambda: None, step)
    assert last.problem == "ValueError: No loss found."
    assert last.iterations == 7


def test_an_error_keeps_its_lines() -> None:
    assert problem_of(KeyError("a\nb")) == "KeyError: 'a\\nb'"


class Trained:
    """A model that learns: each step halves its loss."""

    def __init__(self) -> None:
        self.loss = 8.0
        self.resets = 0

    def reset_metrics(self) -> None:
        self.resets += 1

    def train_on_batch(self, batch: Any, targets: Any) -> list[float]:
        self.loss /= 2
        return [self.loss, 0.5]


def test_the_loss_after_a_step_is_that_of_the_second() -> None:
    model = Trained()
    assert losses_of_step(model, None, None) == [4.0, 2.0]
    assert model.resets == 2


def test_the_loss_comes_before_metrics() -> None:
    assert first_number([np.float32(0.5), 1.0]) == 0.5
    assert first_number(3) == 3.0


def test_slots_are_made_as_the_release_can() -> None:
    made: list[Any] = []
    model = SimpleNamespace(trainable_variables=["w"])
    for name in ("build", "_create_all_weights", "_create_slots"):
        make_slots(model, SimpleNamespace(**{name: made.append}))
    make_slots(model, None)
    make_slots(SimpleNamespace(trainable_variables=[]), SimpleNamespace(build=made.append))
    assert made == [["w"]] * 3


def output(*shape: int) -> Any:
    return SimpleNamespace(shape=shape)


@pytest.mark.parametrize(
    "loss",
    ["sparse_categorical_crossentropy", SimpleNamespace(name="sparse_categorical_crossentropy")],
)
def test_classes_follow_each_other(loss: Any) -> None:
    targets = targets_for(SimpleNamespace(loss=loss), output(4, 3), 0)
    assert targets.tolist() == [0, 1, 2, 0]
    steps = targets_for(SimpleNamespace(loss=loss), output(2, 2, 3), 0)
    assert steps.tolist() == [[0, 1], [2, 0]]


def test_classes_are_one_hot_where_the_loss_wants_that() -> None:
    class CategoricalCrossentropy:
        pass

    for loss in ("categorical_crossentropy", CategoricalCrossentropy()):
        targets = targets_for(SimpleNamespace(loss=loss), output(3, 2), 0)
        assert targets.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_other_targets_are_of_the_seed() -> None:
    model = SimpleNamespace(loss="mse")
    state = np.random.RandomState(3)
    expected = state.random_sample((2, 5)).astype(np.float32)
    np.testing.assert_array_equal(targets_for(model, output(2, 5), 3), expected)
    binary = targets_for(SimpleNamespace(loss="binary_crossentropy"), output(50, 1), 0)
    assert set(binary.ravel().tolist()) == {0.0, 1.0}


def test_each_output_has_a_target_of_its_loss() -> None:
    outputs = [output(2, 3), output(2, 3)]
    listed = SimpleNamespace(loss=["sparse_categorical_crossentropy", "mse"])
    assert [target.shape for target in targets_for(listed, outputs, 0)] == [(2,), (2, 3)]
    named = SimpleNamespace(
        loss={"b": "sparse_categorical_crossentropy", "a": "mse"}, output_names=["a", "b"]
    )
    assert [target.shape for target in targets_for(named, outputs, 0)] == [(2, 3), (2,)]
    keyed = targets_for(named, {"b": output(2, 3), "a": output(2, 3)}, 0)
    assert {key: target.shape for key, target in keyed.items()} == {"a": (2, 3), "b": (2,)}


def test_digests_tell_shapes_types_and_bits_apart() -> None:
    arrays = [
        np.zeros((2, 2), np.float32),
        np.zeros(4, np.float32),
        np.zeros((2, 2), np.int32),
        -np.zeros((2, 2), np.float32),
        np.array([b"a", b"bc"], object),
        np.array([b"ab", b"c"], object),
    ]
    assert len({digest_of(array) for array in arrays}) == len(arrays)
    fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert digest_of(fortran) == digest_of(np.ascontiguousarray(fortran))
