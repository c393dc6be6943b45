from __future__ import annotations

import errno
import io
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from harness.cell import Flags
from harness.environments.engine import CellFailure, Run, RunOutcome
from harness.errors import InterruptedSweepError, ResultsError
from harness.model.model import Model
from harness.observation import Ending, Observation, Stage
from harness.plan.matrix import Matrix
from harness.plan.plan import Plan, PlannedCell
from harness.store.layout import SweepFolder
from harness.store.record import Host, SweepRecord
from harness.store.results import Results, load_observation
from harness.sweep import group as group_module
from harness.sweep.group import Sweep
from harness.sweep.key import sweep_key
from harness.sweep.progress import PlainDisplay
from harness.sweep.sweep import run_sweep
from harness.verdict import Reason
from tests.support.fakes import (
    LIMITS,
    NOW,
    FakeEngine,
    cell,
    completes,
    model,
    plan,
    report,
    write_out,
)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_module, "_RETRY_SECONDS", (0.0, 0.0))


class Bench:
    """A results folder, a model and a way to sweep it."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path
        self.model_folder = tmp_path / "tiny"
        self.model_folder.mkdir()
        self.probe = tmp_path / "probe.py"
        self.probe.write_text("pass\n")
        self.results = Results(tmp_path / "results", "tiny")
        self.count = 0
        self.shown = io.StringIO()

    def sweep(self, engine: FakeEngine, plan: Plan, **fields: object) -> SweepFolder:
        the_model: Model = fields.pop("model", None) or model(self.model_folder)  # type: ignore[assignment]
        self.count += 1
        record = SweepRecord(
            id=f"2026010{self.count}T000000Z",
            key=sweep_key(engine=engine.name, model=the_model, plan=plan, limits=LIMITS),
            owner="here:1:0.00",
            harness="0",
            started=NOW,
            model=the_model,
            matrix=Matrix(schema=1),
            plan=plan,
            engine=engine.name,
            engine_description=engine.describe(),
            host=Host.this(),
            reference="auto",
        )
        folder = self.results.begin(record)
        workspace = self.tmp_path / f"work-{self.count}"
        workspace.mkdir()
        with ThreadPoolExecutor(2) as executor, PlainDisplay(self.shown) as display:
            run_sweep(
                Sweep(
                    engine=engine,
                    model=the_model,
                    plan=plan,
                    limits=LIMITS,
                    probe=self.probe,
                    results=self.results,
                    folder=folder,
                    workspace=workspace,
                    display=display,
                    **fields,  # type: ignore[arg-type]
                ),
                executor,
            )
        return folder


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def observed(folder: SweepFolder, cell_id: str) -> Observation:
    observation = load_observation(folder.cell(cell_id))
    assert observation is not None
    return observation


def test_every_cell_is_observed_and_kept(bench: Bench) -> None:
    folder = bench.sweep(FakeEngine(), plan(cell("2.15.1"), cell("2.16.2", "3.12")))
    for cell_id in ("tf2.15.1-py3.11-cpu", "tf2.16.2-py3.12-cpu"):
        observation = observed(folder, cell_id)
        assert observation.ending is Ending.COMPLETED
        assert observation.stage is None
        assert observation.environment is not None
        assert observation.seconds.build == 1.5
        assert observation.seconds.import_ == 1.0
        files = {path.name for path in folder.cell(cell_id).path.iterdir()}
        assert files == {"observation.json", "outputs.npz", "probe.log", "requirements.lock"}
    assert folder.inputs.exists()


def test_cells_that_differ_only_in_flags_share_one_environment(bench: Bench) -> None:
    engine = FakeEngine()
    off = Flags(name="onednn-off", variables={"TF_ENABLE_ONEDNN_OPTS": "0"})
    bench.sweep(engine, plan(cell(), cell(flags=off)))
    assert engine.built == ["tf2.15.1-py3.11-cpu"]
    assert engine.ran == ["tf2.15.1-py3.11-cpu", "tf2.15.1-py3.11-cpu+onednn-off"]


def test_an_unavailable_cell_is_never_built(bench: Bench) -> None:
    engine = FakeEngine()
    reason = Reason(code="no-wheel", message="no wheel")
    bench.sweep(engine, plan(PlannedCell(cell=cell("2.4.4"), unavailable=reason), cell()))
    assert engine.built == ["tf2.15.1-py3.11-cpu"]


def test_a_failing_cell_is_data_and_the_sweep_goes_on(bench: Bench) -> None:
    def fails(run: Run) -> RunOutcome:
        failure = {"type": "TypeError", "message": "no", "traceback": ""}
        write_out(run.out, report(run.cell, completed=False, stage="import", failure=failure))
        return RunOutcome(ending=Ending.EXIT, exit_status=1)

    first, second = cell("2.15.1"), cell("2.16.2", "3.12")
    folder = bench.sweep(FakeEngine({first.id: fails}), plan(first, second))
    failed = observed(folder, first.id)
    assert (failed.ending, failed.stage) == (Ending.EXCEPTION, Stage.IMPORT)
    assert failed.failure is not None
    assert failed.failure.message == "no"
    assert f"] {first.id}: failed at import: TypeError: no\n" in bench.shown.getvalue()
    bench.sweep(FakeEngine({first.id: fails}), plan(first, second))
    assert f"] {first.id}: failed at import, reused: TypeError: no\n" in bench.shown.getvalue()
    assert not folder.cell(first.id).outputs.exists()
    assert observed(folder, second.id).ending is Ending.COMPLETED


@pytest.mark.parametrize("stage", [Stage.RESOLVE, Stage.BUILD])
def test_an_environment_that_cannot_be_made_is_data_too(bench: Bench, stage: Stage) -> None:
    failure = CellFailure(
        stage=stage, ending=Ending.EXCEPTION, type="NoSolution", message="no", log="why\n"
    )
    the_cell = cell()
    where = {the_cell.environment_id: failure}
    engine = (
        FakeEngine(unlockable=where) if stage is Stage.RESOLVE else FakeEngine(unbuildable=where)
    )
    folder = bench.sweep(engine, plan(the_cell))
    observation = observed(folder, the_cell.id)
    assert (observation.ending, observation.stage) == (Ending.EXCEPTION, stage)
    assert folder.cell(the_cell.id).log.read_text() == "why\n"
    assert folder.cell(the_cell.id).lock.exists() == (stage is Stage.BUILD)


def test_infrastructure_is_tried_again_in_an_empty_folder(bench: Bench) -> None:
    tries: list[int] = []

    def breaks_twice(run: Run) -> RunOutcome:
        assert list(run.out.iterdir()) == []
        tries.append(1)
        if len(tries) < 3:
            (run.out / "half").mkdir()
            (run.out / "report.json").write_text("{")
            return RunOutcome(ending=Ending.INFRASTRUCTURE, message="daemon gone")
        return completes(run)

    folder = bench.sweep(FakeEngine({cell().id: breaks_twice}), plan(cell()))
    assert len(tries) == 3
    assert observed(folder, cell().id).ending is Ending.COMPLETED


def test_infrastructure_that_stays_broken_is_said_to_be_that(bench: Bench) -> None:
    def breaks(run: Run) -> RunOutcome:
        return RunOutcome(ending=Ending.INFRASTRUCTURE, message="daemon gone")

    engine = FakeEngine({cell().id: breaks})
    observation = observed(bench.sweep(engine, plan(cell())), cell().id)
    assert observation.ending is Ending.INFRASTRUCTURE
    assert observation.failure is not None
    assert observation.failure.message == "daemon gone"
    again = FakeEngine()
    assert observed(bench.sweep(again, plan(cell())), cell().id).ending is Ending.COMPLETED


def test_a_sweep_of_earlier_observations_alone_keeps_their_inputs(bench: Bench) -> None:
    first = bench.sweep(FakeEngine(), plan(cell()))
    second = bench.sweep(FakeEngine(), plan(cell()))
    assert second.inputs.read_bytes() == first.inputs.read_bytes()


def test_a_second_sweep_takes_every_observation_over(bench: Bench) -> None:
    bench.sweep(FakeEngine(), plan(cell("2.15.1"), cell("2.16.2", "3.12")))
    again = FakeEngine()
    folder = bench.sweep(again, plan(cell("2.15.1"), cell("2.16.2", "3.12"), cell("2.14.1")))
    assert again.ran == ["tf2.14.1-py3.11-cpu"]
    taken = observed(folder, "tf2.15.1-py3.11-cpu")
    assert taken.cached
    assert folder.cell(taken.cell).outputs.exists()
    assert not observed(folder, "tf2.14.1-py3.11-cpu").cached


def test_fresh_takes_nothing_over(bench: Bench) -> None:
    bench.sweep(FakeEngine(), plan(cell()))
    again = FakeEngine()
    bench.sweep(again, plan(cell()), fresh=True)
    assert again.ran == [cell().id]


def test_another_model_or_probe_or_input_runs_again(bench: Bench, tmp_path: Path) -> None:
    bench.sweep(FakeEngine(), plan(cell()))
    changed = FakeEngine()
    bench.sweep(changed, plan(cell()), model=model(bench.model_folder, digest="1" * 64))
    bench.probe.write_text("pass  # changed\n")
    bench.sweep(changed, plan(cell()))
    np.savez(tmp_path / "inputs.npz", x=np.zeros(3))
    bench.sweep(changed, plan(cell()), model=model(tmp_path, inputs=tmp_path / "inputs.npz"))
    assert changed.ran == [cell().id] * 3


def test_an_interrupt_keeps_what_was_observed_and_stops_the_engine(bench: Bench) -> None:
    engine = FakeEngine()

    def interrupted(run: Run) -> RunOutcome:
        os.kill(os.getpid(), signal.SIGINT)
        assert engine.stopped.wait(30)
        return RunOutcome(ending=Ending.INFRASTRUCTURE, message="stopped")

    first, second = cell("2.15.1"), cell("2.16.2", "3.12")

    def interrupted_once_the_first_is_kept(run: Run) -> RunOutcome:
        folder = bench.results.sweeps()[0].cell(first.id)
        deadline = time.monotonic() + 30
        while load_observation(folder) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return interrupted(run)

    engine.behaviours = {second.id: interrupted_once_the_first_is_kept}
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedSweepError, match="same command again"):
        bench.sweep(engine, plan(first, second))
    assert signal.getsignal(signal.SIGINT) is before
    folder = bench.results.sweeps()[0]
    assert observed(folder, first.id).ending is Ending.COMPLETED
    assert load_observation(folder.cell(second.id)) is None


def test_a_full_disk_is_a_results_error_and_stops_the_sweep(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_names: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.store.results._copy_untrusted", full)
    engine = FakeEngine()
    with pytest.raises(ResultsError, match="no space left to write results"):
        bench.sweep(engine, plan(cell()))
    assert load_observation(bench.results.sweeps()[0].cell(cell().id)) is None


def test_a_machine_that_refuses_a_run_is_infrastructure_and_the_sweep_goes_on(
    bench: Bench,
) -> None:
    first, second = cell("2.15.1"), cell("2.16.2", "3.12")

    def refuses(_run: Run) -> RunOutcome:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/out")

    folder = bench.sweep(FakeEngine({first.id: refuses}), plan(first, second))
    refused = observed(folder, first.id)
    assert (refused.ending, refused.stage) == (Ending.INFRASTRUCTURE, Stage.START)
    assert refused.failure is not None
    assert refused.failure.message == "/tmp/out: No space left on device"
    assert observed(folder, second.id).ending is Ending.COMPLETED
