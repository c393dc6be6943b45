from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.report.agreement import agreement_lines, has_classes
from harness.report.machine import render_json
from harness.report.markdown import render_markdown
from harness.report.table import Table
from harness.report.terminal import render_terminal
from harness.verdict import AgreementClass
from tests.support.classes import classes_table
from tests.support.tables import sweep_table

EXPECTED = Path(__file__).parent / "expected"
FOLDER = "results/digits/20261120T093000.000000Z-4f3a9c"


@pytest.mark.parametrize("width", [80, 200])
def test_the_whole_table(width: int) -> None:
    text = render_terminal(classes_table(), width=width, color=False, folder=FOLDER)
    assert text == (EXPECTED / f"classes-{width}.txt").read_text()


def test_the_whole_page() -> None:
    assert render_markdown(classes_table()) == (EXPECTED / "classes.md").read_text()


def test_nothing_is_said_of_a_table_without_classes() -> None:
    """As of sweeps that were judged before there were any."""
    table = sweep_table()
    assert agreement_lines(table) == ()
    assert not has_classes(table)


def test_machines_read_it() -> None:
    told = json.loads(render_json(classes_table()))
    first, *_ = told["classes"]
    assert first == {
        "name": "A",
        "members": [
            "tf2.8.4-py3.10-cpu",
            "tf2.12.1-py3.11-cpu",
            "tf2.15.1-py3.11-cpu",
            "tf2.15.1-py3.11-cpu+onednn-off",
        ],
        "identical": [
            ["tf2.8.4-py3.10-cpu"],
            ["tf2.12.1-py3.11-cpu", "tf2.15.1-py3.11-cpu"],
            ["tf2.15.1-py3.11-cpu+onednn-off"],
        ],
        "spread": 0.25,
        "reference": True,
    }
    assert told["borders"][0] == {
        "axis": "tensorflow",
        "kind": "diverged",
        "near": ["2.15.1"],
        "far": ["2.20.0"],
        "between": ["2.16.2"],
        "within": [],
        "text": "from 2.15.1 to 2.20.0 (and python from 3.11 to 3.13; 2.16.2 between them failed)",
    }
    assert [cell["agreement"] for cell in told["cells"]] == [
        "A", None, "A", "A", "C", "A", None, "B", "B",
    ]  # fmt: skip


def with_classes(*classes: tuple[str, ...], together: bool = False) -> Table:
    """Return the table with other classes; each member in a group of its own, or all in one."""
    table = classes_table()
    made = tuple(
        AgreementClass(
            name=chr(ord("A") + number),
            members=members,
            identical=(members,) if together else tuple((name,) for name in members),
            spread=0.0,
            reference=number == 0,
        )
        for number, members in enumerate(classes)
    )
    letters = {name: one.name for one in made for name in one.members}
    cells = tuple(row.model_copy(update={"agreement": letters.get(row.id)}) for row in table.cells)
    return table.model_copy(update={"classes": made, "borders": (), "cells": cells})


IDS = tuple(row.id for row in classes_table().cells)


@pytest.mark.parametrize(
    ("classes", "together", "said"),
    [
        ((IDS[:1],), False, {}),
        ((("expected.npz",),), False, {}),
        (
            (IDS[:2],),
            True,
            {"Classes": ("both cells that ran agree with each other, bit for bit",)},
        ),
        (
            (IDS[:2],),
            False,
            {
                "Classes": ("both cells that ran agree with each other",),
                "Bits": ("no two are bit-identical",),
            },
        ),
        (
            ((IDS[0], "expected.npz"),),
            True,
            {"Classes": ("the only cell that ran agrees with expected.npz, bit for bit",)},
        ),
        (
            (("expected.npz",), IDS[:1]),
            True,
            {"Classes": ("the only cell that ran differs from expected.npz",)},
        ),
        (
            (("expected.npz",), IDS[:3]),
            True,
            {
                "Classes": (
                    "all 3 cells that ran agree with each other and differ from expected.npz",
                )
            },
        ),
        (
            (("expected.npz",), IDS[:1], IDS[1:2]),
            True,
            {
                "Classes": (
                    "A (reference): expected.npz",
                    "B: tf2.8.4-py3.10-cpu",
                    "C: tf2.8.4-py3.10-cpu-today",
                )
            },
        ),
    ],
)
def test_what_is_said(
    classes: tuple[tuple[str, ...], ...], together: bool, said: dict[str, tuple[str, ...]]
) -> None:
    assert dict(agreement_lines(with_classes(*classes, together=together))) == said


def test_many_classes_and_groups_are_counted() -> None:
    lines = dict(agreement_lines(with_classes(*((name,) for name in IDS))))
    assert len(lines["Classes"]) == 7
    assert lines["Classes"][-1] == "3 more classes of 3 cells"
    table = with_classes(IDS)
    assert dict(agreement_lines(table))["Bits"] == ("no two are bit-identical",)
    (only,) = table.classes
    pairs = (IDS[:2], *((name,) for name in IDS[2:]))
    grouped = table.model_copy(
        update={"classes": (only.model_copy(update={"identical": pairs}),)}
    )  # fmt: skip
    assert dict(agreement_lines(grouped))["Bits"] == (
        "8 groups of bit-identical cells: {2.8.4, 2.8.4-today}, {2.12.1}, {2.15.1},"
        " {2.15.1+bf16-math}, {2.15.1+onednn-off}, {2.16.2}, {2.20.0}, {2.20.0+onednn-off}",
    )
