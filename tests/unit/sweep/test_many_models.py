"""Several models in one command: environments made once, one run for all, each kept for itself."""

from __future__ import annotations

import numpy as np
import pytest

from harness.cell import Flags, Pins
from harness.environments.engine import CellFailure, RunOutcome
from harness.model.model import Format
from harness.observation import Ending, Stage
from harness.sweep import group
from tests.support.fakes import Attempting, FakeEngine, cell, fails, plan
from tests.support.sweeps import Bench, observed

CELL = cell()


def test_models_share_environments_and_runs(bench: Bench) -> None:
    engine = FakeEngine()
    off = Flags(name="onednn-off", variables={"TF_ENABLE_ONEDNN_OPTS": "0"})
    cells = plan(CELL, cell(flags=off))
    pairs = [(bench.model("one"), cells), (bench.model("two", format=Format.KERAS), cells)]
    folders = bench.sweep_all(engine, pairs)
    assert engine.built == [CELL.environment_id]
    assert engine.ran == [CELL.id, f"{CELL.id}+onednn-off"]
    assert [attempt.name for attempt in engine.runs[0].attempts] == [
        "m0-saved-model-load",
        "m0-session",
        "m1-keras-load-model",
        "m1-keras-load-model-compiled",
    ]
    for folder, first in zip(folders, ("saved_model.load", "keras.load_model"), strict=True):
        for planned in cells.cells:
            assert observed(folder.cell(planned.cell.id)).loader == first
    assert [folder.path.parent.name for folder in folders] == ["one", "two"]


def test_lines_of_progress_name_the_model(bench: Bench) -> None:
    cells = plan(CELL)
    bench.sweep_all(FakeEngine(), [(bench.model("one"), cells), (bench.model("two"), cells)])
    assert bench.shown.getvalue().splitlines() == [
        f"[0/2] one (+1) {CELL.id}: resolving",
        f"[0/2] one (+1) {CELL.id}: running",
        f"[1/2] one {CELL.id}: completed, inference 0.25 s",
        f"[2/2] two {CELL.id}: completed, inference 0.25 s",
    ]


def test_a_crash_of_one_model_costs_that_model(bench: Bench) -> None:
    def crashes(_attempting: Attempting) -> RunOutcome:
        return RunOutcome(ending=Ending.SIGNAL, exit_status=139, signal="SIGSEGV")

    cells = plan(CELL)
    engine = FakeEngine({f"one/{CELL.id}": crashes})
    pairs = [(bench.model("one"), cells), (bench.model("two"), cells)]
    one, two = bench.sweep_all(engine, pairs)
    assert observed(one.cell(CELL.id)).ending is Ending.SIGNAL
    assert observed(two.cell(CELL.id)).ending is Ending.COMPLETED


def test_models_that_need_other_packages_have_an_environment_of_their_own(bench: Bench) -> None:
    engine = FakeEngine()
    cells = plan(CELL)
    needs = ("pillow",)
    bench.sweep_all(
        engine,
        [
            (bench.model("one"), cells),
            (bench.model("two", requirements=needs), cells),
            (bench.model("three", requirements=needs), cells),
        ],
    )
    assert sorted(engine.locked) == [(CELL.environment_id, ()), (CELL.environment_id, needs)]
    assert sorted(len(run.attempts) for run in engine.runs) == [2, 4]


def test_cells_of_one_name_that_hold_other_packages_are_not_one(bench: Bench) -> None:
    """Each model's own captured environment is called the same."""
    one, two = (
        cell(pins=Pins(name="captured", packages={"numpy": version}))
        for version in ("1.26.4", "1.25.2")
    )
    assert one.id == two.id
    engine = FakeEngine()
    bench.sweep_all(engine, [(bench.model("one"), plan(one)), (bench.model("two"), plan(two))])
    assert engine.built == [one.environment_id] * 2


def test_a_model_that_has_all_it_needs_is_not_run_beside_the_others(bench: Bench) -> None:
    cells = plan(CELL)
    bench.sweep(FakeEngine(), cells, model=bench.model("one"))
    engine = FakeEngine()
    pairs = [(bench.model("one"), cells), (bench.model("two"), cells)]
    one, two = bench.sweep_all(engine, pairs)
    assert {name.split("/")[0] for name in engine.attempted} == {"two"}
    assert observed(one.cell(CELL.id)).cached
    assert not observed(two.cell(CELL.id)).cached


def test_a_broken_environment_is_every_models(bench: Bench) -> None:
    failure = CellFailure(stage=Stage.BUILD, ending=Ending.EXCEPTION, type="NoWheel", message="no")
    engine = FakeEngine(unbuildable={CELL.environment_id: failure})
    cells = plan(CELL)
    folders = bench.sweep_all(
        engine, [(bench.model("one"), cells), (bench.model("two", format=Format.TFLITE), cells)]
    )
    observations = [observed(folder.cell(CELL.id)) for folder in folders]
    assert [each.stage for each in observations] == [Stage.BUILD, Stage.BUILD]
    assert [each.loader for each in observations] == ["saved_model.load", "lite.Interpreter"]
    assert bench.shown.getvalue().endswith(f"[2/2] two {CELL.id}: failed at build: NoWheel: no\n")


def test_very_many_models_are_run_in_portions(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "_MOST_ATTEMPTS", 5)
    cells = plan(CELL)
    engine = FakeEngine({f"m3/{CELL.id}": fails})
    pairs = [(bench.model(f"m{i}"), cells) for i in range(5)]
    folders = bench.sweep_all(engine, pairs)
    assert [len(run.attempts) for run in engine.runs] == [4, 4, 2]
    endings = [observed(folder.cell(CELL.id)).ending for folder in folders]
    assert endings == [Ending.COMPLETED] * 3 + [Ending.EXCEPTION, Ending.COMPLETED]


def test_each_models_files_are_its_own(bench: Bench) -> None:
    inputs = bench.folder / "inputs.npz"
    np.savez(inputs, x=np.zeros(3))
    cells = plan(CELL)
    engine = FakeEngine()
    pairs = [(bench.model("one", inputs=inputs), cells), (bench.model("two"), cells)]
    one, two = bench.sweep_all(engine, pairs)
    with_inputs, _, without, _ = engine.runs[0].attempts
    assert with_inputs.files == {"inputs.npz": inputs}
    assert without.files == {}
    sources = []
    for folder in (one, two):
        fed = observed(folder.cell(CELL.id)).inputs
        assert fed is not None
        sources.append(fed.source)
    assert sources == ["inputs.npz", "generated"]
