"""A saved sweep whose cells fall into classes, judged again from its files alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from harness.cell import Cell
from harness.environments.engine import RunOutcome
from harness.judging import judged_table
from harness.model.model import Writer
from harness.npz import open_npz
from harness.observation import Ending
from harness.report.agreement import agreement_lines
from harness.report.table import Table
from harness.report.terminal import render_terminal
from harness.store.layout import SweepFolder
from harness.store.results import load_record
from tests.support.fakes import Attempting, FakeEngine, cell, fails, plan, report, write_out
from tests.support.sweeps import Bench

RELEASES = (
    cell("2.4.4", "3.8"),
    cell("2.8.4", "3.10"),
    cell("2.8.4", "3.10", resolution="today"),
    cell("2.9.3", "3.10"),
    cell("2.10.1", "3.10"),
    cell("2.12.1", "3.11"),
    cell("2.12.1", "3.11", flags={"name": "bf16-math"}),
)
OLD, SAME, TODAY, FAILED, NEW, NEWER, FAST = (one.id for one in RELEASES)
VALUES = {OLD: 1.0, SAME: 1.0, TODAY: 1.0, NEW: 2.0, NEWER: 2.0, FAST: 3.0}


class Numbers(FakeEngine):
    """An engine whose cells give one number, four times; those without one fail."""

    def __init__(self, values: Mapping[str, float], cells: tuple[Cell, ...] = RELEASES) -> None:
        super().__init__({one.id: self.gives if one.id in values else fails for one in cells})
        self.values = values

    def gives(self, attempting: Attempting) -> RunOutcome:
        """Do as the probe would."""
        outputs = np.full((2, 2), self.values[attempting.cell], np.float32)
        write_out(attempting.out, report(attempting.cell, loader=attempting.loader), outputs)
        return RunOutcome(ending=Ending.COMPLETED, exit_status=0)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def swept(bench: Bench, values: Mapping[str, float] = VALUES) -> SweepFolder:
    model = bench.model(writer=Writer())
    return bench.sweep(Numbers(values), plan(*RELEASES), model=model)


def judged(folder: SweepFolder, reference: str | None = None) -> Table:
    return judged_table(folder, load_record(folder), reference)


def classes(table: Table) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.name, one.members) for one in table.classes]


def told(table: Table) -> dict[str, tuple[str, ...]]:
    return dict(agreement_lines(table))


def test_classes_borders_and_the_elected_reference(bench: Bench) -> None:
    table = judged(swept(bench))
    assert table.reference.cell == SAME
    assert table.reference.why == (
        "the centre of the largest class of agreeing cells (3 of 6);"
        " the files do not say what wrote them"
    )
    assert classes(table) == [("A", (OLD, SAME, TODAY)), ("B", (NEW, NEWER)), ("C", (FAST,))]
    assert [row.agreement for row in table.cells] == ["A", "A", "A", None, "B", "B", "C"]
    assert told(table) == {
        "Classes": (
            "A (reference): 3 cells (2.4.4 - 2.8.4)",
            f"B: 2 cells ({NEW}, {NEWER})",
            f"C: {FAST}",
        ),
        "Borders": (
            "tensorflow: from 2.8.4 to 2.10.1 (2.9.3 between them failed)",
            "flags: bf16-math apart from default",
        ),
    }


def test_another_reference_is_always_what_it_names(bench: Bench) -> None:
    table = judged(swept(bench), FAST)
    assert (table.reference.cell, table.reference.why) == (FAST, "named as the reference")
    assert classes(table) == [("A", (FAST,)), ("B", (OLD, SAME, TODAY)), ("C", (NEW, NEWER))]


def test_recorded_outputs_that_no_cell_agrees_with(bench: Bench) -> None:
    folder = swept(bench, dict.fromkeys(VALUES, 1.0))
    np.savez(folder.expected, y=np.zeros((2, 2), np.float32))
    table = judged(folder)
    assert table.reference.cell is None
    assert {row.verdict.value for row in table.cells} == {"diverged", "failed"}
    assert classes(table)[0] == ("A", ("expected.npz",))
    assert told(table) == {
        "Classes": ("all 6 cells that ran agree with each other and differ from expected.npz",)
    }


def test_recorded_outputs_that_all_agree_with(bench: Bench) -> None:
    folder = swept(bench, dict.fromkeys(VALUES, 1.0) | {OLD: 1.0 + 1e-6})
    np.savez(folder.expected, y=np.ones((2, 2), np.float32))
    table = judged(folder)
    assert told(table) == {
        "Classes": ("all 6 cells that ran agree with each other and with expected.npz",),
        "Bits": (
            "2 groups of bit-identical cells: {2.4.4}, {2.8.4, 2.8.4-today, 2.10.1, 2.12.1, "
            "2.12.1+bf16-math, expected.npz}; bits change along tensorflow 2.4.4/2.8.4",
        ),
    }


def test_all_the_same_is_one_line(bench: Bench) -> None:
    table = judged(swept(bench, dict.fromkeys(VALUES, 1.0)))
    assert told(table) == {"Classes": ("all 6 cells that ran agree with each other, bit for bit",)}
    text = render_terminal(table, width=200, color=False, folder="results")
    assert "class:" not in text
    assert "  class  " not in text


def test_one_cell_has_nobody_to_agree_with(bench: Bench) -> None:
    table = judged(swept(bench, {OLD: 1.0}))
    assert told(table) == {}
    assert table.reference.why.startswith("the only cell that ran the model")


def test_nothing_ran(bench: Bench) -> None:
    table = judged(swept(bench, {}))
    assert (table.classes, table.borders, told(table)) == ((), (), {})


def test_outputs_are_read_once_for_all_that_is_judged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, read = swept(bench), []

    def counted(path: Path, **fields: object) -> object:
        read.append(path)
        return open_npz(path, **fields)  # type: ignore[arg-type]

    monkeypatch.setattr("harness.store.saved.open_npz", counted)
    judged(folder)
    first = [path for path in read if path.parent.parent.name == "cells"]
    assert sorted(first) == sorted(folder.cell(name).outputs for name in VALUES)
