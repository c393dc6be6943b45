from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.divergence import DecisionKind, Divergence, OutputDivergence
from harness.judge.compare import compare
from harness.judge.flips import Flipped, changed_words, flip_words, flipped, gravest_flip
from harness.judge.judge import judge
from harness.judge.tasks import Rule
from harness.judge.words import why_diverged
from harness.model.model import Task, TaskKind, Tolerance
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Judgement, Reference, Verdict
from tests.support.fakes import cell
from tests.support.observed import given, observation, seen

A, B = cell("2.4.4", "3.8"), cell("2.15.1", "3.11")
SIDE = Rule(DecisionKind.SIDE, "", threshold=0.25)


def tensor(values: Any) -> NumericTensor:
    return NumericTensor("float64", np.asarray(values, np.float64))


def apart(
    actual: Any, reference: Any, rule: Rule | None = None, *, atol: float = 0.0625
) -> Divergence:
    rules = None if rule is None else {"y": rule}
    tolerances = {"y": Tolerance(atol=atol, rtol=0)}
    return compare({"y": tensor(actual)}, {"y": tensor(reference)}, tolerances, rules=rules)


REFERENCE = [[0.5, 0.5625], [0.75, 0.25], [0.25, 0.75]]
NEAR = [[0.5625, 0.5], [0.75, 0.25], [0.25, 0.75]]
CLEAR = [[0.5, 0.5625], [0.25, 0.75], [0.25, 0.75]]
BOTH = [[0.5625, 0.5], [0.25, 0.75], [0.25, 0.75]]
CLASS = Rule(DecisionKind.CLASS, "")


@pytest.mark.parametrize(
    ("actual", "flips", "words"),
    [
        (REFERENCE, Flipped(0, 0), "0 of 3 decisions changed"),
        (NEAR, Flipped(1, 0), "1 of 3 decisions changed, on a near tie"),
        (CLEAR, Flipped(0, 1), "1 of 3 decisions changed"),
        (BOTH, Flipped(1, 1), "2 of 3 decisions changed, 1 of them on a near tie"),
    ],
)
def test_how_many_changed(actual: Any, flips: Flipped, words: str) -> None:
    found = apart(actual, REFERENCE, CLASS)
    assert flipped(found) == flips
    assert flips.all == found.decisions_changed
    assert changed_words(found.outputs["y"]) == words


def test_several_near_ties() -> None:
    found = apart([NEAR[0], NEAR[0]], [REFERENCE[0], REFERENCE[0]], CLASS)
    assert changed_words(found.outputs["y"]) == "2 of 2 decisions changed, on near ties"


def test_what_no_margin_is_known_of_is_a_clear_call() -> None:
    assert flipped(None) == Flipped(0, 0)
    assert flipped(Divergence(decisions_changed=2)) == Flipped(0, 2)
    old = OutputDivergence(status="equivalent", decisions=9, decisions_changed=2)
    assert flipped(Divergence(decisions_changed=2, outputs={"y": old})) == Flipped(0, 2)
    assert gravest_flip(Divergence(decisions_changed=2, outputs={"y": old})) is None
    assert gravest_flip(None) is None


def words_of(actual: Any, reference: Any, rule: Rule) -> str | None:
    return gravest_flip(apart(actual, reference, rule))


def test_the_gravest_flip_in_words() -> None:
    assert words_of(BOTH, REFERENCE, CLASS) == (
        "sample 1: class 0 became class 1; margin 0.5, beyond the 0.12 that counts as equal"
    )
    assert words_of(NEAR, REFERENCE, CLASS) == (
        "sample 0: class 1 became class 0; margin 0.062, within the 0.12 that counts as equal"
    )
    assert words_of([REFERENCE], [CLEAR], CLASS) == (
        "at [0, 1]: class 1 became class 0; margin 0.5, beyond the 0.12 that counts as equal"
    )


def test_a_side_in_words() -> None:
    end = "; margin 0.25, beyond the 0.062 that counts as equal"
    assert words_of([[0.5], [0.0]], [[0.5], [0.5]], SIDE) == f"sample 1: no longer above 0.25{end}"
    assert words_of([0.5, 0.5], [0.5, 0.0], SIDE) == f"sample 1: now above 0.25{end}"
    assert words_of([[0.5, 0.5]], [[0.5, 0.0]], SIDE) == f"at [0, 1]: now above 0.25{end}"


def test_a_neighbour_in_words() -> None:
    reference = [[1.0, 0.0], [1.0, 0.5], [0.0, 1.0]]
    actual = [[1.0, 0.0], [0.5, 1.0], [0.0, 1.0]]
    output = apart(actual, reference, Rule(DecisionKind.NEIGHBOUR, ""), atol=0).outputs["y"]
    assert output.decided is not None
    (flip,) = output.decided.flips
    assert flip_words(output, flip) == (
        "sample 1: nearest was sample 0, became 2; margin 0.45, beyond the 7.5e-15 that counts as "
        "equal"
    ).replace("7.5e-15", f"{flip.allowed:.2g}")


def test_a_reason_names_the_gravest_flips_of_each_output() -> None:
    reference = np.stack([0.5 + np.arange(1, 6) / 16, 0.5 - np.arange(1, 6) / 16], axis=1)
    reason = why_diverged(apart(reference[:, ::-1], reference, CLASS))
    lines = reason.evidence.split("\n")
    assert reason.code == "decisions"
    assert lines[0] == reason.message
    assert lines[0].endswith("; 5 of 5 decisions changed, 1 of them on a near tie")
    assert [line.split(":")[0] for line in lines[1:]] == ["sample 4", "sample 3", "sample 2"]


def test_where_only_near_ties_changed_the_numbers_are_the_reason() -> None:
    actual = [NEAR[0], [0.95, 0.25], NEAR[2]]
    reason = why_diverged(apart(actual, REFERENCE, CLASS))
    assert reason.code == "numbers"
    assert reason.message.endswith("; 1 of 3 decisions changed, on a near tie")
    assert reason.evidence.endswith("margin 0.062, within the 0.12 that counts as equal")


def judged(
    outputs: dict[str, Any], told: dict[str, Task] | None = None, **repeats: Any
) -> Judgement:
    """Judge B, whose outputs these are, beside A's."""
    (judgement,) = judge(
        [PlannedCell(cell=B)],
        seen(
            [observation(A), observation(B, deterministic=not repeats)],
            given({one: {"y": tensor(values)} for one, values in outputs.items()}),
            repeat=given({one: {"y": tensor(values)} for one, values in repeats.items()}),
        ),
        Reference(cell=A.id, why=""),
        {"y": tensor(outputs[A.id])},
        reference_inputs=None,
        tolerances={},
        labels=None,
        tasks=told or {"*": Task(kind=TaskKind.CLASSIFICATION)},
    )
    return judgement


def test_what_noise_can_change_is_a_near_tie() -> None:
    outputs = {A.id: REFERENCE, B.id: NEAR}
    found = judged(outputs)
    assert (found.verdict, flipped(found.divergence)) == (Verdict.DIVERGED, Flipped(0, 1))
    noisy = judged(outputs, **{B.id: REFERENCE})
    assert (noisy.verdict, flipped(noisy.divergence)) == (Verdict.EQUIVALENT, Flipped(1, 0))


def test_beside_a_divergence_too() -> None:
    """Noise of 1/16 explains the flip of the first sample, not that of the second."""
    quiet = [[0.5, 0.5625], [0.25, 0.75], [0.25, 0.75]]
    found = judged({A.id: REFERENCE, B.id: BOTH}, **{B.id: quiet})
    assert (found.verdict, flipped(found.divergence)) == (Verdict.DIVERGED, Flipped(1, 1))
    assert found.reason is not None
    assert found.reason.code == "decisions"


def test_a_task_that_is_told_changes_what_is_counted_and_no_verdict() -> None:
    outputs = {A.id: REFERENCE, B.id: CLEAR}
    found = [
        judged(outputs, {"*": Task(kind=kind, threshold=0.625)})
        for kind in (TaskKind.AUTO, TaskKind.MULTILABEL, TaskKind.REGRESSION)
    ]
    assert {one.verdict for one in found} == {Verdict.DIVERGED}
    counted = [one.divergence.outputs["y"] for one in found if one.divergence is not None]
    assert [(one.decisions, one.decisions_changed) for one in counted] == [
        (6, 2),
        (6, 2),
        (None, None),
    ]
    assert [one.decided.detected for one in counted if one.decided is not None] == [
        True,
        False,
        False,
    ]
    assert [None if one.reason is None else one.reason.code for one in found] == [
        "decisions",
        "decisions",
        "numbers",
    ]


def test_outputs_that_are_no_floats_have_no_decisions() -> None:
    exact: dict[str, Tensor] = {"y": NumericTensor("int64", np.array([3, 7]))}
    other: dict[str, Tensor] = {"y": NumericTensor("int64", np.array([3, 8]))}
    output = compare(other, exact, {}).outputs["y"]
    assert (output.status, output.decisions, output.decided) == ("diverged", None, None)
