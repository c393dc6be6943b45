"""A saved sweep with float64 runs, judged again offline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.judging import judged_table
from harness.observation import FLOAT64, Ending, Variation
from harness.report.machine import render_json
from harness.report.table import Table
from harness.store.layout import SweepFolder
from harness.store.observations import load_observation, rewrite
from harness.store.results import load_record
from tests.support.fakes import Attempting, FakeEngine, RunOutcome, cell, plan, report, write_out
from tests.support.sweeps import Bench

FIRST, SECOND = cell("2.14.1"), cell("2.15.1")
TRUTH = np.linspace(1, 1.5, 400).reshape(100, 4)
ULP = 2.0**-23


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    """A sweep of two cells: the first is 5 ULP from the truth, the second 2."""

    def gives(ulps: int) -> object:
        def behave(attempting: Attempting) -> RunOutcome:
            array = (TRUTH + ulps * ULP).astype(np.float32)
            facts = [{"name": "y", "dtype": "float32", "shape": list(array.shape)}]
            told = report(attempting.cell, loader=attempting.loader, outputs=facts)
            write_out(attempting.out, told, array)
            return RunOutcome(ending=Ending.COMPLETED, exit_status=0, log="", seconds=1.0)

        return behave

    engine = FakeEngine({FIRST.id: gives(5), SECOND.id: gives(2)})  # type: ignore[dict-item]
    return Bench(tmp_path).sweep(engine, plan(FIRST, SECOND))


def keep(folder: SweepFolder, cell_id: str, array: np.ndarray) -> None:
    cell = folder.cell(cell_id)
    cell.variations.mkdir(exist_ok=True)
    np.savez(cell.variation(FLOAT64), output_0=array)
    observation = load_observation(cell)
    assert observation is not None
    kept = Variation(name=FLOAT64, same=False, kept=True)
    rewrite(cell, observation.model_copy(update={"variations": (kept,)}))


def judged(folder: SweepFolder) -> Table:
    return judged_table(folder, load_record(folder))


def test_a_sweep_without_float64_runs_is_judged_as_before(folder: SweepFolder) -> None:
    table = judged(folder)
    assert table.arbiter is None
    assert [row.truth_distance for row in table.cells] == [None, None]


def test_the_distances_stand_in_the_table(folder: SweepFolder) -> None:
    before = [row.verdict for row in judged(folder).cells]
    keep(folder, SECOND.id, TRUTH)
    table = judged(folder)
    assert table.reference.cell == SECOND.id
    assert table.arbiter is not None
    assert (table.arbiter.cell, table.arbiter.agreement) == (SECOND.id, None)
    far, near = (row.truth_distance for row in table.cells)
    assert far == pytest.approx(5, rel=0.01)
    assert near == pytest.approx(2, rel=0.02)
    assert table.arbiter.distances[0].factor == pytest.approx(2.5, rel=0.03)
    assert [row.verdict for row in table.cells] == before
    written = json.loads(render_json(table))
    assert written["cells"][0]["truth_distance"] == far
    assert written["arbiter"]["cell"] == SECOND.id


def test_runs_that_disagree_tell_nothing(folder: SweepFolder) -> None:
    keep(folder, FIRST.id, TRUTH * 1.001)
    keep(folder, SECOND.id, TRUTH)
    table = judged(folder)
    assert table.arbiter is not None
    assert (table.arbiter.cell, table.arbiter.distances) == (None, ())
    assert table.arbiter.agreement == pytest.approx(0.001)
    assert [row.truth_distance for row in table.cells] == [None, None]


def test_a_half_written_file_is_named_and_changes_nothing_else(folder: SweepFolder) -> None:
    before = judged(folder)
    keep(folder, FIRST.id, TRUTH)
    path = folder.cell(FIRST.id).variation(FLOAT64)
    path.write_bytes(path.read_bytes()[:100])
    table = judged(folder)
    assert table.arbiter is not None
    assert table.arbiter.cell is None
    assert table.arbiter.why.startswith(
        f"the float64 run of {FIRST.id} cannot be read: float64.npz"
    )
    assert table.cells == before.cells


def test_a_recorded_output_is_measured_too(folder: SweepFolder) -> None:
    keep(folder, SECOND.id, TRUTH)
    np.savez(folder.expected, y=(TRUTH - 3 * ULP).astype(np.float32))
    table = judged(folder)
    assert table.reference.cell is None
    assert table.arbiter is not None
    recorded = table.arbiter.distances[-1]
    assert recorded.cell is None
    assert recorded.rms_ulp == pytest.approx(3, rel=0.02)
    assert table.arbiter.distances[0].factor == pytest.approx(5 / 3, rel=0.03)
