from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.cell import Cell
from harness.judge.judge import judge
from harness.observation import Ending, Failure, InputFacts, Observation, Stage
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Judgement, Reason, Reference, Verdict
from tests.support.fakes import cell
from tests.support.observed import observation, seen

A, B = cell("2.4.4", "3.8"), cell("2.15.1", "3.11")
SCORES = [[0.75, 0.25], [0.25, 0.75]]


def scores(values: Any = SCORES, dtype: str = "float32") -> dict[str, Tensor]:
    return {"p": NumericTensor(dtype, np.asarray(values, dtype))}


def judge_one(
    one: Observation | None = None,
    *,
    planned: PlannedCell | None = None,
    outputs: Mapping[str, Tensor] | ValueError | None = None,
    reference_outputs: Mapping[str, Tensor] | None = None,
    labels: Any = None,
    **sweep: Any,
) -> Judgement:
    """Judge B beside the reference cell A."""

    def give(_: Observation) -> Mapping[str, Tensor]:
        if isinstance(outputs, ValueError):
            raise outputs
        return scores() if outputs is None else outputs

    (judgement,) = judge(
        [planned or PlannedCell(cell=B)],
        seen([observation(A)] if one is None else [observation(A), one], give, **sweep),
        Reference(cell=A.id, why=""),
        scores() if reference_outputs is None else reference_outputs,
        reference_inputs=None,
        tolerances={},
        labels=labels,
    )
    return judgement


def alone(judgement: Judgement) -> Judgement:
    """Return a judgement without its one loader, which repeats it."""
    (only,) = judgement.loaders
    assert (only.name, only.verdict, only.stage, only.reason, only.divergence) == (
        "saved_model.load",
        judgement.verdict,
        judgement.stage,
        judgement.reason,
        judgement.divergence,
    )
    return judgement.model_copy(update={"loaders": ()})


def test_never_published() -> None:
    reason = Reason(code="no-wheel", message="no wheel")
    planned = PlannedCell(cell=B, unavailable=reason)
    assert judge_one(planned=planned) == Judgement(
        cell=B.id, verdict=Verdict.UNAVAILABLE, reason=reason
    )


def test_not_to_be_had_here() -> None:
    reason = Reason(code="no-python", message="no Python 3.11 here")
    planned = PlannedCell(cell=B, unavailable=reason, infrastructure=True)
    assert judge_one(planned=planned) == Judgement(
        cell=B.id, verdict=Verdict.SKIPPED, reason=reason
    )


def test_not_run() -> None:
    assert judge_one() == Judgement(
        cell=B.id,
        verdict=Verdict.UNKNOWN,
        reason=Reason(code="not-run", message="it was not run"),
    )


@pytest.mark.parametrize("ending", [ending for ending in Ending if ending != Ending.COMPLETED])
def test_endings(ending: Ending) -> None:
    verdict = {
        Ending.INVALID: Verdict.UNKNOWN,
        Ending.INFRASTRUCTURE: Verdict.UNKNOWN,
        Ending.SKIPPED: Verdict.SKIPPED,
    }.get(ending, Verdict.FAILED)
    found = judge_one(observation(B, ending=ending, stage=Stage.INFER))
    assert alone(found) == Judgement(cell=B.id, verdict=verdict, stage=Stage.INFER)


def test_mislabelled_comes_before_the_numbers() -> None:
    lies = {"tensorflow": "2.16.1", "python": "3.12.1"}
    assert alone(judge_one(observation(B, actual=lies, deterministic=True))) == Judgement(
        cell=B.id,
        verdict=Verdict.MISLABELLED,
        reason=Reason(
            code="mislabelled",
            message="TensorFlow 2.16.1 ran, the cell says 2.15.1 (and 1 more)",
            evidence="TensorFlow 2.16.1 ran, the cell says 2.15.1\n"
            "Python 3.12.1 ran, the cell says 3.11",
        ),
        deterministic=True,
    )


def test_an_environment_that_is_not_as_locked_is_mislabelled() -> None:
    said = "numpy 2.0.0 is installed, 1.26.4 is locked\nsix 1.16.0 is locked but not installed"
    ended = observation(
        B,
        ending=Ending.EXCEPTION,
        stage=Stage.BUILD,
        failure=Failure(type="NotAsLocked", message=said),
    )
    assert alone(judge_one(ended)) == Judgement(
        cell=B.id,
        verdict=Verdict.MISLABELLED,
        reason=Reason(
            code="mislabelled",
            message="numpy 2.0.0 is installed, 1.26.4 is locked (and 1 more)",
            evidence=said,
        ),
    )


def test_a_model_cannot_make_itself_mislabelled() -> None:
    failure = Failure(type="NotAsLocked", message="it says so")
    ended = observation(B, ending=Ending.EXCEPTION, stage=Stage.LOAD, failure=failure)
    assert judge_one(ended).verdict is Verdict.FAILED


def test_other_inputs_cannot_be_compared() -> None:
    other = InputFacts(source="generated", digest="others")
    found = judge_one(observation(B, inputs=other))
    assert found.verdict is Verdict.UNKNOWN
    assert found.reason is not None
    assert found.reason.code == "inputs-differ"


def test_unreadable_outputs() -> None:
    found = judge_one(observation(B), outputs=ValueError("bad\x1b[0m array"))
    assert alone(found) == Judgement(
        cell=B.id,
        verdict=Verdict.UNKNOWN,
        reason=Reason(code="unreadable-outputs", message="bad array"),
    )


def test_identical() -> None:
    found = judge_one(observation(B, deterministic=True))
    assert (found.verdict, found.reason, found.deterministic) == (Verdict.IDENTICAL, None, True)
    assert found.divergence is not None
    assert (found.divergence.max_abs, found.divergence.max_ulp) == (0, 0)


def test_equivalent() -> None:
    close = scores(np.asarray(SCORES, np.float32) + np.float32(1e-6))
    found = judge_one(observation(B), outputs=close)
    assert (found.verdict, found.reason) == (Verdict.EQUIVALENT, None)


@pytest.mark.parametrize(
    ("outputs", "code"),
    [
        (scores([[0.5, 0.25], [0.25, 0.75]]), "numbers"),
        (scores([[0.25, 0.75], [0.25, 0.75]]), "decisions"),
        (scores([[0.75, 0.25]]), "shape"),
        (scores(dtype="float64"), "dtype"),
        (scores([[np.nan, 0.25], [0.25, 0.75]]), "nonfinite"),
        ({}, "missing-output"),
        (scores() | {"q": scores()["p"]}, "extra-output"),
    ],
)
def test_diverged(outputs: dict[str, Tensor], code: str) -> None:
    found = judge_one(observation(B), outputs=outputs)
    assert found.verdict is Verdict.DIVERGED
    assert found.reason is not None
    assert found.reason.code == code


def test_accuracy() -> None:
    found = judge_one(observation(B), labels=np.array([0, 0]))
    assert found.accuracy == 0.5


@pytest.mark.parametrize(
    "labels", [np.array([0.0, 1.0]), np.array([0]), np.array([[0], [1]]), np.array([], int)]
)
def test_labels_that_do_not_fit_give_no_accuracy(labels: Any) -> None:
    assert judge_one(observation(B), labels=labels).accuracy is None


def verdicts(
    cells: list[Cell], reference: Reference, outputs: Mapping[str, Tensor] | None
) -> list[tuple[str, Verdict]]:
    judgements = judge(
        [PlannedCell(cell=one) for one in cells],
        seen([observation(one) for one in cells], lambda _: scores()),
        reference,
        outputs,
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    return [(one.cell, one.verdict) for one in judgements]


def test_every_cell_has_one_verdict_in_the_order_of_the_plan() -> None:
    found = verdicts([B, A], Reference(cell=A.id, why=""), scores())
    assert found == [(B.id, Verdict.IDENTICAL), (A.id, Verdict.IDENTICAL)]


def test_expected_outputs_need_no_cell() -> None:
    found = verdicts([A], Reference(cell=None, why=""), scores([[1.0, 0.0], [0.0, 1.0]]))
    assert found == [(A.id, Verdict.DIVERGED)]


def test_without_a_reference_nothing_is_green() -> None:
    assert verdicts([A], Reference(cell=None, why=""), None) == [(A.id, Verdict.UNKNOWN)]
