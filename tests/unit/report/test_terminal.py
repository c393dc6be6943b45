from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.divergence import DecisionKind, Ranks
from harness.observation import Base, EnvironmentFacts, Stage
from harness.report.terminal import render_terminal
from harness.verdict import (
    LoaderJudgement,
    Reason,
    Reference,
    TrainingJudgement,
    TrainingState,
    Verdict,
)
from tests.support.tables import (
    Row,
    causes_rows,
    declared,
    distance,
    ran,
    sweep_rows,
    sweep_table,
)

EXPECTED = Path(__file__).parent / "expected"
FOLDER = "results/digits/20261120T093000.000000Z-4f3a9c"
COLOR = re.compile(r"\x1b\[\d+m")

HOSTILE = "\x1b[2J\x1b]0;title\x07\u202eevil\nDeploy tf9.9.9-py3.99-cpu\r\x08"


@pytest.mark.parametrize("width", [80, 200])
def test_the_whole_table(width: int) -> None:
    text = render_terminal(sweep_table(), width=width, color=False, folder=FOLDER)
    assert text == (EXPECTED / f"terminal-{width}.txt").read_text()


@pytest.mark.parametrize("width", [80, 200])
def test_the_whole_table_of_a_model_with_all_there_can_be_to_say(width: int) -> None:
    table = sweep_table(causes_rows())
    text = render_terminal(table, width=width, color=False, folder=FOLDER)
    assert text == (EXPECTED / f"causes-{width}.txt").read_text()


@pytest.mark.parametrize("rows", [sweep_rows(), causes_rows()])
@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_nothing_but_the_last_line_is_wider_than_the_terminal(
    width: int, rows: tuple[Row, ...]
) -> None:
    *lines, last, end = render_terminal(
        sweep_table(rows), width=width, color=False, folder=FOLDER
    ).split("\n")
    narrowest = max(width, 78)  # ids are not broken any further
    assert max(map(len, lines)) <= narrowest
    assert last.startswith("Deploy tf2.15.1-py3.11-cpu, image tensorflow-environment-matrix:")
    assert end == ""


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_every_cell_is_named_whole_or_over_lines_that_join(width: int) -> None:
    rows = sweep_rows()
    text = render_terminal(sweep_table(rows), width=width, color=False, folder=FOLDER)
    joined = re.sub(r"\n +", "", re.sub(r"  +\S.*", "", text))
    for row in rows:
        assert row.planned.cell.id in joined


def test_the_columns_there_is_no_room_for_are_named() -> None:
    text = render_terminal(sweep_table(), width=80, color=False, folder=FOLDER)
    assert (
        "\nNo room here for: python, numpy, keras, top-k changed, rank corr., run s, build\n"
        "s, max rel, reused (in table.json)\n"
    ) in text
    assert "No room" not in render_terminal(sweep_table(), width=200, color=False, folder=FOLDER)


def test_colours_only_repeat_the_words() -> None:
    colored = render_terminal(sweep_table(), width=80, color=True, folder=FOLDER)
    assert COLOR.sub("", colored) == render_terminal(
        sweep_table(), width=80, color=False, folder=FOLDER
    )
    assert "\x1b[32midentical (ref)\x1b[0m" in colored
    assert "\x1b[31mfailed at import\x1b[0m" in colored


def test_the_last_line_says_why_none() -> None:
    table = sweep_table(recommendation=(None, "no cell agrees with the reference: 3 failed"))
    text = render_terminal(table, width=40, color=False, folder=FOLDER)
    assert text.endswith("\nDeploy none of these: no cell agrees with the reference: 3 failed\n")


def test_columns_without_a_value_are_left_out() -> None:
    row = ran(declared("2.20.0", "3.13"), Verdict.FAILED, stage=Stage.LOAD)
    text = render_terminal(sweep_table((row,)), width=80, color=False, folder=FOLDER)
    assert "\n\ncell                 verdict         build s\n" in text


def test_text_from_elsewhere_obeys_nobody() -> None:
    row = ran(
        declared("2.20.0", "3.13", note=HOSTILE),
        Verdict.FAILED,
        stage=Stage.LOAD,
        reason=Reason(code=HOSTILE, message=HOSTILE, evidence=HOSTILE, remedy=HOSTILE),
        versions=(HOSTILE, HOSTILE, HOSTILE),
        loader=HOSTILE,
        warnings=(HOSTILE,),
        others=(
            LoaderJudgement(
                name=HOSTILE,
                verdict=Verdict.UNKNOWN,
                reason=Reason(code=HOSTILE, message=HOSTILE, remedy=HOSTILE),
                training=TrainingJudgement(state=TrainingState.LOST, message=HOSTILE),
            ),
            LoaderJudgement(name=HOSTILE + "2", verdict=Verdict.DIVERGED),
            LoaderJudgement(name=HOSTILE + "3", verdict=Verdict.FAILED),
        ),
    )
    table = sweep_table(
        (row,), engine_description=HOSTILE, notes=(HOSTILE,), recommendation=(None, HOSTILE)
    )
    text = render_terminal(table, width=200, color=False, folder=FOLDER)
    assert {character for character in text if not character.isprintable()} == {"\n"}
    assert text.count("\nDeploy ") == 1


def test_decisions_are_those_of_the_output_that_changed_most() -> None:
    few, many = distance(0.5, 9, 1, "diverged"), distance(0.5, 9, 3, "diverged")
    small = few.outputs["probabilities"].model_copy(update={"decisions": 10})
    both = many.model_copy(update={"outputs": {"a": small, "b": many.outputs["probabilities"]}})
    row = ran(declared("2.20.0", "3.13"), Verdict.DIVERGED, divergence=both)
    assert " 3/64 " in render_terminal(sweep_table((row,)), width=80, color=False, folder=FOLDER)


def decided(**fields: object) -> Row:
    far = distance(0.5, 9, 3, "diverged", near=1)
    output = far.outputs["probabilities"]
    assert output.decided is not None
    told = output.decided.model_copy(update=fields)
    outputs = {"probabilities": output.model_copy(update={"decided": told})}
    far = far.model_copy(update={"outputs": outputs})
    return ran(declared("2.20.0", "3.13"), Verdict.DIVERGED, divergence=far)


def lines_of(row: Row, width: int = 200) -> list[str]:
    return render_terminal(sweep_table((row,)), width=width, color=False, folder=FOLDER).split("\n")


def test_near_ties_among_clear_calls_have_a_column() -> None:
    lines = lines_of(decided())
    row = next(line for line in lines if line.startswith("tf2.20.0-py3.13-cpu "))
    assert row.split()[1:9] == [
        "diverged",
        "5.0e-01",
        "9",
        "3/64",
        "96.88%",
        "1",
        "3/64",
        "0.7500",
    ]
    assert (
        "near ties: the reference's margin is within what counts as equal; top-k changed: rows with"
        " other classes among the 5 largest; rank corr.: Spearman's with the reference, the least "
    ) in " ".join(lines)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"kind": DecisionKind.SIDE, "threshold": 0.5, "why": "labels.npz is 0 and 1"},
            "whether each value of 'probabilities' is above 0.5 (labels.npz is 0 and 1)",
        ),
        (
            {"kind": DecisionKind.NEIGHBOUR, "why": "model.yaml says so"},
            "each sample's nearest other by 'probabilities' (model.yaml says so)",
        ),
        ({}, "the class of each row of 'probabilities' (its rows sum to 1)"),
    ],
)
def test_what_decides_is_told(fields: dict[str, object], said: str) -> None:
    assert f"decisions: {said}" in lines_of(decided(**fields))


def test_a_correlation_is_never_rounded_to_1() -> None:
    ranks = Ranks(over="classes", mean=1.0, least=1 - 1e-9, at=0, count=64, length=10)
    assert any(" 0.9999 " in line for line in lines_of(decided(ranks=ranks)))
    assert not any(" 1.0000 " in line for line in lines_of(decided(ranks=ranks)))


def test_reasons_that_differ_stand_apart() -> None:
    rows = [
        ran(
            declared(version, "3.13"),
            Verdict.FAILED,
            stage=Stage.LOAD,
            reason=Reason(code="unclassified", message=message),
        )
        for version, message in (("2.19.1", "one"), ("2.20.0", "other"), ("2.21.0", "one"))
    ]
    text = render_terminal(sweep_table(tuple(rows)), width=200, color=False, folder=FOLDER)
    block = text[text.index("Reasons") :].split("\n\n")[0]
    assert block == (
        "Reasons (whole logs: cells/<cell>/probe.log in the results):\n"
        "- failed at load: one [unclassified]"
        " (2 cells: tf2.19.1-py3.13-cpu, tf2.21.0-py3.13-cpu)\n"
        "- failed at load: other [unclassified] (1 cell: tf2.20.0-py3.13-cpu)"
    )


def test_of_long_evidence_the_first_lines_are_shown() -> None:
    evidence = "\n".join(f"output '{number}' is missing" for number in range(8))
    reason = Reason(code="missing-output", message="output '0' is missing", evidence=evidence)
    row = ran(declared("2.15.1", "3.11"), Verdict.DIVERGED, reason=reason)
    text = render_terminal(sweep_table([row]), width=100, color=False, folder=FOLDER)
    assert text.split("results):\n")[1].split("\n\n")[0] == (
        "- diverged: output '0' is missing [missing-output] (1 cell: tf2.15.1-py3.11-cpu)\n"
        "  seen: output '1' is missing\n"
        "    output '2' is missing\n"
        "    output '3' is missing\n"
        "    output '4' is missing\n"
        "    output '5' is missing\n"
        "    output '6' is missing\n"
        "    [... 1 more line in table.json ...]"
    )


def test_a_cell_of_the_venv_engine_has_no_image_and_says_how_to_get_one() -> None:
    row = ran(declared("2.15.1", "3.11"), Verdict.IDENTICAL, environment=None)
    table = sweep_table((row,), recommendation=("tf2.15.1-py3.11-cpu", "it agrees"))
    text = render_terminal(table, width=80, color=False, folder=FOLDER)
    assert text.endswith(
        "\n\n1 cell: 1 identical\n"
        "Recommended: it agrees\n"
        "Deploy tf2.15.1-py3.11-cpu (no image: --engine docker makes one)\n"
    )


def test_a_cell_that_was_mounted_says_how_to_get_an_image() -> None:
    mounted = EnvironmentFacts(
        lock_digest="c" * 64,
        distribution="tensorflow-cpu",
        base=Base(kind="registry", reference="python:3.11-slim"),
        builder="mounted",
        installer="uv 0.9.8",
    )
    row = ran(declared("2.15.1", "3.11"), Verdict.IDENTICAL, environment=mounted)
    table = sweep_table((row,), recommendation=("tf2.15.1-py3.11-cpu", "it agrees"))
    text = render_terminal(table, width=80, color=False, folder=FOLDER)
    assert text.endswith(
        "Deploy tf2.15.1-py3.11-cpu (no image: it was mounted; --bake always makes one)\n"
    )


def test_nothing_is_explained_that_is_not_shown() -> None:
    row = ran(declared("2.20.0", "3.13"), Verdict.FAILED, stage=Stage.LOAD)
    table = sweep_table((row,), reference=Reference(cell=None, why="expected.npz"))
    text = render_terminal(table, width=80, color=False, folder=FOLDER)
    assert text.split("\n\n")[1] == (
        "cell                 verdict         build s\n"
        "-------------------  --------------  -------\n"
        "tf2.20.0-py3.13-cpu  failed at load     12.0\n"
        "In every cell that ran: distribution tensorflow-cpu, loader saved_model.load"
    )


def test_tolerances_that_differ_are_not_told() -> None:
    near = distance(0.5, 9)
    strict = near.outputs["probabilities"].model_copy(update={"atol": 0.0})
    both = near.model_copy(update={"outputs": {**near.outputs, "strict": strict}})
    row = ran(declared("2.20.0", "3.13"), Verdict.EQUIVALENT, divergence=both)
    text = render_terminal(sweep_table((row,)), width=80, color=False, folder=FOLDER)
    assert "\nequivalent: within tolerance; (ref): the reference\n" in text
