from __future__ import annotations

from harness.observation import Stage
from harness.report.apart import Line, loader_lines, training_lines
from harness.verdict import LoaderJudgement, Reason, Verdict
from tests.support.tables import (
    KEPT,
    LOST,
    NO_SAVED_MODEL,
    Row,
    causes_rows,
    declared,
    distance,
    ran,
    sweep_table,
)

SAME = distance(0.0, 0, status="identical")


def judged(name: str, verdict: Verdict, **fields: object) -> LoaderJudgement:
    return LoaderJudgement.model_validate({"name": name, "verdict": verdict, **fields})


def tried(version: str, *others: LoaderJudgement, verdict: Verdict = Verdict.IDENTICAL) -> Row:
    stage = Stage.LOAD if verdict is Verdict.FAILED else None
    measured = None if stage else SAME
    return ran(declared(version, "3.11"), verdict, stage=stage, divergence=measured, others=others)


def said(*rows: Row) -> list[str]:
    found = loader_lines(sweep_table(rows).cells)
    return [f"{line.title}: {line.said}" for line in found]


def test_one_loader_is_nothing_to_say() -> None:
    assert said(tried("2.4.4"), tried("2.15.1")) == []


def test_where_all_agree_one_line_says_so() -> None:
    both = (judged("session", Verdict.IDENTICAL), judged("keras.load_model", Verdict.IDENTICAL))
    assert said(tried("2.4.4", *both), tried("2.15.1", *both)) == [
        "session, keras.load_model: the same verdicts as saved_model.load, wherever tried"
    ]


def test_failures_are_gathered_by_loader_and_reason() -> None:
    fails = {"verdict": Verdict.FAILED, "stage": Stage.LOAD, "reason": NO_SAVED_MODEL}
    other = fails | {"reason": Reason(code="timeout", message="it was not done\nin time")}
    rows = [
        tried("2.4.4", judged("keras.load_model", Verdict.IDENTICAL)),
        tried("2.16.2", judged("keras.load_model", **fails)),  # type: ignore[arg-type]
        tried("2.18.1", judged("keras.load_model", **fails)),  # type: ignore[arg-type]
        tried("2.21.0", judged("keras.load_model", **other)),  # type: ignore[arg-type]
    ]
    assert loader_lines(sweep_table(tuple(rows)).cells) == (
        Line(
            ("keras.load_model",),
            "failed at load in 2 cells (2.16.2 - 2.18.1): Keras 3 does not load a SavedModel as a "
            "Keras model",
            "keras3-no-saved-model",
            NO_SAVED_MODEL.remedy,
        ),
        Line(
            ("keras.load_model",),
            "failed at load in tf2.21.0-py3.11-cpu: it was not done in time",
            "timeout",
        ),
    )


def test_a_loader_that_works_where_the_first_does_not() -> None:
    works = judged("keras.load_model", Verdict.EQUIVALENT, divergence=distance(1.2e-7, 2))
    rows = [tried(version, works, verdict=Verdict.FAILED) for version in ("2.4.4", "2.15.1")]
    assert said(*rows) == [
        "keras.load_model: equivalent in both cells, by up to 1.2e-07; saved_model.load there: "
        "failed at load"
    ]


def test_a_loader_that_diverges_says_by_how_much() -> None:
    far = [
        judged("session", Verdict.DIVERGED, divergence=distance(*apart, "diverged"), reason=reason)
        for apart, reason in (
            ((0.5, 9, 1), Reason(code="decisions", message="one")),
            ((0.25, 9, 3), Reason(code="decisions", message="other")),
        )
    ]
    assert said(tried("2.4.4", far[0]), tried("2.15.1", far[1])) == [
        "session: diverged in both cells, by up to 5.0e-01, 3 decisions changed; "
        "saved_model.load there: identical"
    ]


def test_a_loader_whose_outputs_have_no_distance_says_why() -> None:
    reason = Reason(code="shape", message="output 'p' has shape [2], the reference has [3]")
    row = tried("2.4.4", judged("session", Verdict.DIVERGED, reason=reason))
    assert said(row) == [
        "session: diverged in tf2.4.4-py3.11-cpu: output 'p' has shape [2], the reference has [3]; "
        "saved_model.load there: identical"
    ]


def test_the_same_failure_is_not_said_again() -> None:
    again = judged("session", Verdict.FAILED, stage=Stage.LOAD, reason=NO_SAVED_MODEL)
    assert said(tried("2.4.4", again, verdict=Verdict.FAILED)) == [
        "session: the same verdicts as saved_model.load, wherever tried"
    ]


def test_training_states_the_lost_ones_first() -> None:
    assert training_lines(sweep_table(causes_rows()).cells) == (
        Line(("keras.load_model.compiled",), f"lost in tf1.15.5-py3.7-cpu: {LOST.message}"),
        Line(
            ("keras.load_model.compiled",),
            f"kept in 2 cells (2.4.4 - 2.15.1): {KEPT.message}",
        ),
    )
