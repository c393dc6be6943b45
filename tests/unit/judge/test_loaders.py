from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.judge.judge import judge
from harness.observation import Ending, InputFacts, Observation, Stage
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Judgement, Reference, Verdict
from tests.support.fakes import cell
from tests.support.observed import given, observation, seen

A, B = cell("2.4.4", "3.8"), cell("2.15.1", "3.11")
KERAS = "keras.load_model"


def tensors(*names: str, shift: float = 0.0) -> dict[str, Tensor]:
    values = np.array([[0.75, 0.25], [0.25, 0.75]], np.float32) + np.float32(shift)
    return {name: NumericTensor("float32", values) for name in names}


def judge_two(
    other: Observation,
    outputs: dict[str, Tensor] | None = None,
    *,
    first: Observation | None = None,
    first_outputs: dict[str, Tensor] | None = None,
    reference: Reference = Reference(cell=A.id, why=""),  # noqa: B008
    reference_outputs: Sequence[str] = ("p",),
    **sweep: Any,
) -> Judgement:
    """Judge B, read by its first loader and by `other`, beside the reference cell A."""
    told = tensors(*reference_outputs)
    first = first or observation(B)
    by = given(
        {
            A.id: told,
            f"{B.id}/{first.loader}": told if first_outputs is None else first_outputs,
            f"{B.id}/{other.loader}": told if outputs is None else outputs,
        }
    )
    (judgement,) = judge(
        [PlannedCell(cell=B)],
        seen([observation(A), first], by, others=[other], **sweep),
        reference,
        told,
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    return judgement


def test_every_loader_is_held_against_the_same_reference() -> None:
    found = judge_two(observation(B, loader=KERAS), tensors("p", shift=0.5))
    assert (found.verdict, found.reason) == (Verdict.IDENTICAL, None)
    first, other = found.loaders
    assert (first.name, first.verdict) == ("saved_model.load", Verdict.IDENTICAL)
    assert first.divergence == found.divergence
    assert (other.name, other.verdict) == (KERAS, Verdict.DIVERGED)
    assert other.divergence is not None
    assert other.divergence.max_abs == 0.5
    assert other.reason is not None
    assert other.reason.code == "numbers"


def test_one_loader_fails_and_another_works() -> None:
    failed = observation(B, ending=Ending.EXCEPTION, stage=Stage.LOAD)
    found = judge_two(observation(B, loader=KERAS), first=failed)
    assert (found.verdict, found.stage) == (Verdict.FAILED, Stage.LOAD)
    assert [one.verdict for one in found.loaders] == [Verdict.FAILED, Verdict.IDENTICAL]
    other = observation(B, loader=KERAS, ending=Ending.TIMEOUT, stage=Stage.LOAD)
    found = judge_two(other)
    assert found.verdict is Verdict.IDENTICAL
    assert (found.loaders[1].verdict, found.loaders[1].stage) == (Verdict.FAILED, Stage.LOAD)


def test_the_only_output_is_matched_whatever_it_is_called() -> None:
    found = judge_two(observation(B, loader=KERAS), tensors("dense_1")).loaders[1]
    assert found.verdict is Verdict.IDENTICAL
    assert found.divergence is not None
    assert list(found.divergence.outputs) == ["p"]


def test_several_outputs_of_other_names_cannot_be_told() -> None:
    found = judge_two(
        observation(B, loader=KERAS),
        tensors("x", "y"),
        first_outputs=tensors("p", "q"),
        reference_outputs=("p", "q"),
    ).loaders[1]
    assert found.verdict is Verdict.UNKNOWN
    assert found.reason is not None
    assert (found.reason.code, found.reason.message) == (
        "outputs-named-otherwise",
        "it names the outputs 'x', 'y', the reference 'p', 'q': which of them belong together "
        "cannot be told",
    )


def test_several_outputs_of_the_same_names_in_another_order() -> None:
    found = judge_two(
        observation(B, loader=KERAS),
        tensors("q", "p"),
        first_outputs=tensors("p", "q"),
        reference_outputs=("p", "q"),
    ).loaders[1]
    assert found.verdict is Verdict.IDENTICAL


def test_the_first_loader_has_to_name_them_as_the_reference_did() -> None:
    found = judge_two(observation(B, loader=KERAS), first_outputs=tensors("dense_1"))
    assert found.verdict is Verdict.DIVERGED
    assert found.reason is not None
    assert found.reason.code == "missing-output"
    found = judge_two(
        observation(B, loader=KERAS),
        first_outputs=tensors("dense_1"),
        reference=Reference(cell=None, why="expected.npz"),
    )
    assert found.verdict is Verdict.DIVERGED


def test_a_first_loader_that_is_not_the_references_may_name_it_otherwise() -> None:
    first = observation(B, loader="session")
    found = judge_two(observation(B, loader=KERAS), first=first, first_outputs=tensors("o"))
    assert found.verdict is Verdict.IDENTICAL


@pytest.mark.parametrize(
    ("fields", "verdict", "code"),
    [
        (
            {"inputs": InputFacts(source="generated", digest="others")},
            Verdict.UNKNOWN,
            "inputs-differ",
        ),
        ({"actual": {"tensorflow": "2.16.1"}}, Verdict.MISLABELLED, "mislabelled"),
    ],
)
def test_further_loaders_are_checked_as_the_first(
    fields: dict[str, Any], verdict: Verdict, code: str
) -> None:
    found = judge_two(observation(B, loader=KERAS, **fields))
    assert found.verdict is Verdict.IDENTICAL
    other = found.loaders[1]
    assert (other.verdict, other.reason.code if other.reason else None) == (verdict, code)


def test_outputs_of_a_further_loader_that_cannot_be_read() -> None:
    (judgement,) = judge(
        [PlannedCell(cell=A)],
        seen(
            [observation(A)],
            given({f"{A.id}/saved_model.load": tensors("p")}),
            others=[observation(A, loader=KERAS)],
        ),
        Reference(cell=A.id, why=""),
        tensors("p"),
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    assert judgement.verdict is Verdict.IDENTICAL
    assert judgement.loaders[1].verdict is Verdict.UNKNOWN


def test_a_loader_has_noise_of_its_own() -> None:
    repeated = given({f"{B.id}/{KERAS}": tensors("dense_1", shift=0.5)})
    other = observation(B, loader=KERAS, deterministic=False)
    found = judge_two(other, tensors("dense_1", shift=0.25), repeat=repeated)
    assert (found.noise_floor, found.deterministic) == (None, None)
    assert found.loaders[1].verdict is Verdict.EQUIVALENT
    assert found.loaders[1].reason is not None
    assert found.loaders[1].reason.code == "nondeterministic"


def test_what_did_not_run_has_no_loaders() -> None:
    (judgement,) = judge(
        [PlannedCell(cell=B)],
        seen([], others=[observation(B, loader=KERAS)]),
        Reference(cell=None, why=""),
        tensors("p"),
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    assert (judgement.verdict, judgement.loaders) == (Verdict.UNKNOWN, ())
