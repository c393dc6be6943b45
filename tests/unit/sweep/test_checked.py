"""CUDA cells where there is no GPU: what is asked, and what becomes of the answer."""

from __future__ import annotations

import json

import pytest

from harness.cell import Cell
from harness.environments.engine import CellFailure, Environment, Lock, Progress, RunOutcome
from harness.observation import Ending, Stage
from harness.store.observations import load_observation
from harness.sweep.outcome import said_of
from tests.support.fakes import Attempting, FakeEngine, cell, completes, plan, report
from tests.support.sweeps import Bench, observed

CUDA = cell(device="cuda")
SEEN = {
    "wanted": "12.2",
    "wanted_cudnn": "8.9.4",
    "libraries": [{"name": "libcudnn.so.8", "path": "/x/libcudnn.so.8", "version": "8.9.4"}],
    "own_check": True,
}


def ends(attempting: Attempting, stage: str, kind: str, cuda: object) -> RunOutcome:
    failure = {"type": kind, "message": "why", "traceback": ""}
    told = report(
        attempting.cell,
        loader=attempting.loader,
        completed=False,
        stage=stage,
        failure=failure,
        outputs=[],
        cuda=cuda,
    )
    (attempting.out / "report.json").write_text(json.dumps(told))
    return RunOutcome(ending=Ending.EXIT, exit_status=1)


def looks(attempting: Attempting) -> RunOutcome:
    assert attempting.request["device"] == "cuda"
    assert attempting.request["gpu"] is False
    return ends(attempting, "load", "NoGPUError", SEEN)


class WithGpu(FakeEngine):
    """An engine on a machine with a GPU."""

    def build(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        made = super().build(cell, lock, progress)
        return made if isinstance(made, CellFailure) else made.model_copy(update={"gpu": True})


def test_without_a_gpu_one_attempt_looks_at_the_libraries(bench: Bench) -> None:
    engine = FakeEngine({CUDA.id: looks})
    observation = observed(bench.sweep(engine, plan(CUDA)).cell(CUDA.id))
    assert engine.attempted == ["tiny/tf2.15.1-py3.11-cuda/saved_model.load"]
    assert [run.gpu for run in engine.runs] == [False]
    assert (observation.ending, observation.stage) == (Ending.SKIPPED, Stage.LOAD)
    assert observation.cuda is not None
    assert observation.cuda.libraries[0].version == "8.9.4"
    assert said_of([observation]) == "its CUDA libraries checked, not run for want of a GPU"


def test_with_a_gpu_every_loader_runs_on_it(bench: Bench) -> None:
    engine = WithGpu()
    observation = observed(bench.sweep(engine, plan(CUDA)).cell(CUDA.id))
    assert len(engine.attempted) == 2
    assert all(run.gpu for run in engine.runs)
    requests = [json.loads(one.request) for run in engine.runs for one in run.attempts]
    assert all(request["gpu"] is True for request in requests)
    assert observation.ending is Ending.COMPLETED


def test_a_cell_for_the_cpu_is_asked_what_it_always_was(bench: Bench) -> None:
    engine = WithGpu()
    bench.sweep(engine, plan(cell()))
    assert "gpu" not in json.loads(engine.runs[0].attempts[0].request)


def test_what_was_only_looked_at_is_looked_at_again(bench: Bench) -> None:
    engine = FakeEngine({CUDA.id: looks})
    bench.sweep(engine, plan(CUDA))
    bench.sweep(engine, plan(CUDA))
    assert len(engine.attempted) == 2


@pytest.mark.parametrize("stage", ["import", "load"])
def test_a_check_that_breaks_is_a_failure_like_any_other(bench: Bench, stage: str) -> None:
    engine = FakeEngine({CUDA.id: lambda one: ends(one, stage, "ImportError", None)})
    observation = observed(bench.sweep(engine, plan(CUDA)).cell(CUDA.id))
    assert (observation.ending, observation.stage) == (Ending.EXCEPTION, Stage(stage))


def test_a_run_cannot_call_itself_a_check(bench: Bench) -> None:
    cpu = cell()
    forges = {cpu.id: lambda one: ends(one, "load", "NoGPUError", SEEN)}
    observation = observed(bench.sweep(FakeEngine(forges), plan(cpu)).cell(cpu.id))
    assert observation.ending is Ending.EXCEPTION


def test_a_check_cannot_call_itself_a_run(bench: Bench) -> None:
    folder = bench.sweep(FakeEngine({CUDA.id: completes}), plan(CUDA)).cell(CUDA.id)
    observation = load_observation(folder)
    assert observation is not None
    assert observation.ending is Ending.EXIT
    assert not (folder.path / "outputs.npz").exists()
