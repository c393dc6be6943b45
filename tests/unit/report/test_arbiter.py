"""The block on who is closer to a float64 run, at two widths and in Markdown."""

from __future__ import annotations

import pytest

from harness.report.markdown import render_markdown
from harness.report.table import Table
from harness.report.terminal import render_terminal
from harness.verdict import Arbiter, Reference, TruthDistance
from tests.support.tables import causes_rows, sweep_table

REFERENCE = "tf2.15.1-py3.11-cpu"
ARBITER = Arbiter(
    cell=REFERENCE,
    why="the reference's own; within 2e-15 of the largest number in 3 other cells",
    runs=(REFERENCE,),
    agreement=2e-15,
    distances=(
        TruthDistance(cell="tf1.15.5-py3.7-cpu", problem="output 'y' has\x1b[2J NaN"),
        TruthDistance(cell="tf2.4.4-py3.8-cpu", max_ulp=31.0, rms_ulp=4.16, factor=3.1),
        TruthDistance(cell=REFERENCE, max_ulp=9.0, rms_ulp=1.34),
        TruthDistance(cell="tf2.16.2-py3.13-cpu", max_ulp=9.0, rms_ulp=1.34),
        TruthDistance(cell="tf2.21.0-py3.13-cpu", max_ulp=9.0, rms_ulp=1.4),
        TruthDistance(cell=None, max_ulp=2.0, rms_ulp=0.6, factor=0.4),
    ),
)

AT_80 = """\
Closer to a float64 run of the same graph (tf2.15.1-py3.11-cpu's: the
reference's own; within 2e-15 of the largest number in 3 other cells; no part of
the verdicts). RMS error, in float32 ULPs of the largest output:
- the reference: 1.3 ULP
- tf2.4.4-py3.8-cpu: 3.1x farther than the reference (4.2 ULP)
- 2 cells (2.16.2 - 2.21.0): no meaningful difference from the reference
- expected.npz: 2.5x closer than the reference (0.6 ULP)
- tf1.15.5-py3.7-cpu: cannot be told: output 'y' has NaN
"""


def table(arbiter: Arbiter | None, reference: str | None = REFERENCE) -> Table:
    made = sweep_table(causes_rows())
    return made.model_copy(
        update={"arbiter": arbiter, "reference": Reference(cell=reference, why="named")}
    )


def rendered(arbiter: Arbiter | None, width: int = 80, reference: str | None = REFERENCE) -> str:
    return render_terminal(
        table(arbiter, reference), width=width, color=False, folder="results/digits/1"
    )


def block(text: str) -> str:
    (found,) = [part for part in text.split("\n\n") if part.startswith("Closer to a float64 run")]
    return found + "\n"


def test_who_is_closer_stands_below_the_table() -> None:
    assert block(rendered(ARBITER)) == AT_80


def test_every_line_is_whole_where_there_is_room() -> None:
    lines = block(rendered(ARBITER, 200)).splitlines()
    assert lines[2:] == AT_80.splitlines()[3:]
    assert max(map(len, lines)) <= 200


def test_nothing_is_said_where_there_is_no_float64_run() -> None:
    assert "float64 run" not in rendered(None)
    assert "float64 run" not in render_markdown(table(None))


@pytest.mark.parametrize("width", [80, 200])
def test_why_nothing_can_be_told(width: int) -> None:
    arbiter = Arbiter(cell=None, why="cannot be told: the float64 runs of a and b differ by 0.1")
    assert block(rendered(arbiter, width)) == (
        "Closer to a float64 run of the same graph (no part of the verdicts):\n"
        "- cannot be told: the float64 runs of a and b differ by 0.1\n"
    )


def test_without_a_reference_each_error_is_told() -> None:
    told = Arbiter(
        cell=REFERENCE,
        why="the first there is",
        distances=(TruthDistance(cell=REFERENCE, max_ulp=1.0, rms_ulp=0.5),),
    )
    assert block(rendered(told, 200, None)).splitlines()[1:] == [f"- {REFERENCE}: 0.5 ULP"]


def test_markdown_says_the_same() -> None:
    text = render_markdown(table(ARBITER))
    head, _, rest = text.partition("## Closer to a float64 run\n\n")
    assert head
    lines = rest.split("\n\n##")[0].splitlines()
    assert lines[0].startswith("(tf2.15.1-py3.11-cpu's: the reference's own; within 2e-15")
    assert lines[2:4] == [
        "- the reference: 1.3 ULP",
        "- tf2.4.4-py3.8-cpu: 3.1x farther than the reference (4.2 ULP)",
    ]
