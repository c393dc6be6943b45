"""One model swept: every cell by every loader, kept, retried, taken over, stopped."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time

import numpy as np
import pytest

from harness.cell import Cell, Flags
from harness.environments.engine import CellFailure, Environment, Lock, Progress, Run, RunOutcome
from harness.errors import InterruptedSweepError, ResultsError
from harness.model.model import Code
from harness.observation import Ending, Stage
from harness.plan.plan import PlannedCell
from harness.store.observations import load_observation
from harness.verdict import Reason
from tests.support.fakes import (
    Attempting,
    FakeEngine,
    cell,
    completes,
    facts,
    fails,
    plan,
    report,
    write_out,
)
from tests.support.sweeps import Bench, observed

RAW = ("saved_model.load", "session")
"""What reads a SavedModel in TensorFlow 2.15, the first loader first."""


def test_every_cell_is_observed_by_every_loader_and_kept(bench: Bench) -> None:
    folder = bench.sweep(FakeEngine(), plan(cell("2.15.1"), cell("2.16.2", "3.12")))
    for cell_id, further in (
        ("tf2.15.1-py3.11-cpu", {"session"}),
        ("tf2.16.2-py3.12-cpu", {"session", "TFSMLayer"}),
    ):
        place = folder.cell(cell_id)
        observation = observed(place)
        assert observation.ending is Ending.COMPLETED
        assert observation.stage is None
        assert observation.loader == "saved_model.load"
        assert observation.environment is not None
        assert observation.seconds.build == 1.5
        assert observation.seconds.import_ == 1.0
        files = {path.name for path in place.path.iterdir() if path.is_file()}
        assert files == {"observation.json", "outputs.npz", "probe.log", "requirements.lock"}
        assert {other.path.name for other in place.further()} == further
        for other in place.further():
            assert observed(other).loader == other.path.name
            assert observed(other).key != observation.key
            files = {path.name for path in other.path.iterdir()}
            assert files == {"observation.json", "outputs.npz", "probe.log"}
    assert folder.inputs.exists()


def test_all_loaders_share_one_run(bench: Bench) -> None:
    engine = FakeEngine()
    bench.sweep(engine, plan(cell()))
    (run,) = engine.runs
    assert [attempt.name for attempt in run.attempts] == ["m0-saved-model-load", "m0-session"]
    assert engine.attempted == [f"tiny/{cell().id}/{loader}" for loader in RAW]


def test_what_is_installed_decides_on_the_loaders(bench: Bench) -> None:
    engine = FakeEngine(packages={"tf-keras": "2.16.0"})
    bench.sweep(engine, plan(cell("2.16.2", "3.12")), model=bench.model(keras=True))
    loaders = [name.rsplit("/", 1)[1] for name in engine.attempted]
    assert loaders == ["saved_model.load", "session", "TFSMLayer", "tf_keras.load_model"]


def test_the_first_loader_is_kept_last(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []

    def note(folder: object, observation: object, **_more: object) -> None:
        kept.append(observation.loader)  # type: ignore[attr-defined]

    monkeypatch.setattr("harness.sweep.keep.save_observation", note)
    bench.sweep(FakeEngine(), plan(cell()))
    assert kept == list(reversed(RAW))


def test_cells_that_differ_only_in_flags_share_one_environment(bench: Bench) -> None:
    engine = FakeEngine()
    off = Flags(name="onednn-off", variables={"TF_ENABLE_ONEDNN_OPTS": "0"})
    bench.sweep(engine, plan(cell(), cell(flags=off)))
    assert engine.built == ["tf2.15.1-py3.11-cpu"]
    assert engine.ran == ["tf2.15.1-py3.11-cpu", "tf2.15.1-py3.11-cpu+onednn-off"]


def test_the_next_environment_is_made_while_one_is_run(bench: Bench) -> None:
    class Slow(FakeEngine):
        """Builds one after the other; the first to be run waits until the other is there."""

        building = 0
        most = 0
        both = threading.Event()

        def build(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
            self.building += 1
            self.most = max(self.most, self.building)
            time.sleep(0.05)
            made = super().build(cell, lock, progress)
            self.building -= 1
            if len(self.built) == 2:
                self.both.set()
            return made

        def run(
            self, environment: Environment, run: Run, progress: Progress
        ) -> tuple[RunOutcome, ...]:
            assert self.both.wait(20)
            return super().run(environment, run, progress)

    engine = Slow()
    bench.sweep(engine, plan(cell("2.15.1"), cell("2.16.2", "3.12")))
    assert len(engine.ran) == 2
    assert engine.most == 1


def test_an_unavailable_cell_is_never_built(bench: Bench) -> None:
    engine = FakeEngine()
    reason = Reason(code="no-wheel", message="no wheel")
    bench.sweep(engine, plan(PlannedCell(cell=cell("2.4.4"), unavailable=reason), cell()))
    assert engine.built == ["tf2.15.1-py3.11-cpu"]


def test_a_failing_cell_is_data_and_the_sweep_goes_on(bench: Bench) -> None:
    first, second = cell("2.15.1"), cell("2.16.2", "3.12")
    folder = bench.sweep(FakeEngine({first.id: fails}), plan(first, second))
    failed = observed(folder.cell(first.id))
    assert (failed.ending, failed.stage) == (Ending.EXCEPTION, Stage.LOAD)
    assert failed.failure is not None
    assert failed.failure.message == "no"
    assert f"] {first.id}: failed at load: TypeError: no\n" in bench.shown.getvalue()
    bench.sweep(FakeEngine({first.id: fails}), plan(first, second))
    assert f"] {first.id}: failed at load, reused: TypeError: no\n" in bench.shown.getvalue()
    assert not folder.cell(first.id).outputs.exists()
    assert observed(folder.cell(second.id)).ending is Ending.COMPLETED


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ("session", "completed, inference 0.25 s, not by session\n"),
        ("saved_model.load", "failed at load, completed by session: TypeError: no\n"),
    ],
)
def test_a_loader_that_ends_another_way_is_told(bench: Bench, failing: str, said: str) -> None:
    folder = bench.sweep(FakeEngine({f"{cell().id}/{failing}": fails}), plan(cell()))
    assert bench.shown.getvalue().endswith(f"[1/1] {cell().id}: {said}")
    endings = {
        observed(folder.cell(cell().id)).loader: observed(folder.cell(cell().id)).ending,
        "session": observed(folder.cell(cell().id).loader("session")).ending,
    }
    assert endings == {
        loader: Ending.EXCEPTION if loader == failing else Ending.COMPLETED for loader in RAW
    }


def test_the_whole_log_of_a_cell_is_the_first_loaders(bench: Bench) -> None:
    folder = bench.sweep(FakeEngine(), plan(cell()))
    assert folder.cell(cell().id).log.read_text() == "ran\n"
    assert folder.cell(cell().id).loader("session").log.read_text() == "ran\n"


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
    observation = observed(folder.cell(the_cell.id))
    assert (observation.ending, observation.stage) == (Ending.EXCEPTION, stage)
    assert observation.loader == "saved_model.load"
    assert folder.cell(the_cell.id).log.read_text() == "why\n"
    assert folder.cell(the_cell.id).lock.exists() == (stage is Stage.BUILD)
    assert folder.cell(the_cell.id).further() == ()


def test_only_what_infrastructure_broke_is_tried_again_in_an_empty_folder(bench: Bench) -> None:
    tries: list[int] = []

    def breaks_twice(attempting: Attempting) -> RunOutcome:
        assert list(attempting.out.iterdir()) == []
        tries.append(1)
        if len(tries) < 3:
            (attempting.out / "half").mkdir()
            (attempting.out / "report.json").write_text("{")
            return RunOutcome(ending=Ending.INFRASTRUCTURE, message="daemon gone")
        return completes(attempting)

    engine = FakeEngine({f"{cell().id}/session": breaks_twice})
    folder = bench.sweep(engine, plan(cell()))
    assert [len(run.attempts) for run in engine.runs] == [2, 1, 1]
    assert observed(folder.cell(cell().id)).ending is Ending.COMPLETED
    assert observed(folder.cell(cell().id).loader("session")).ending is Ending.COMPLETED
    assert f"{cell().id}: running again: daemon gone\n" in bench.shown.getvalue()


def test_infrastructure_that_stays_broken_is_said_to_be_that(bench: Bench) -> None:
    def breaks(_attempting: Attempting) -> RunOutcome:
        return RunOutcome(ending=Ending.INFRASTRUCTURE, message="daemon gone")

    engine = FakeEngine({cell().id: breaks})
    observation = observed(bench.sweep(engine, plan(cell())).cell(cell().id))
    assert observation.ending is Ending.INFRASTRUCTURE
    assert observation.failure is not None
    assert observation.failure.message == "daemon gone"
    again = bench.sweep(FakeEngine(), plan(cell()))
    assert observed(again.cell(cell().id)).ending is Ending.COMPLETED


def test_a_sweep_of_earlier_observations_alone_keeps_their_inputs(bench: Bench) -> None:
    first = bench.sweep(FakeEngine(), plan(cell()))
    second = bench.sweep(FakeEngine(), plan(cell()))
    assert second.inputs.read_bytes() == first.inputs.read_bytes()


def test_a_second_sweep_takes_every_observation_over(bench: Bench) -> None:
    bench.sweep(FakeEngine(), plan(cell("2.15.1"), cell("2.16.2", "3.12")))
    again = FakeEngine()
    folder = bench.sweep(again, plan(cell("2.15.1"), cell("2.16.2", "3.12"), cell("2.14.1")))
    assert again.ran == ["tf2.14.1-py3.11-cpu"]
    taken = folder.cell("tf2.15.1-py3.11-cpu")
    for place in (taken, taken.loader("session")):
        assert observed(place).cached
        assert place.outputs.exists()
        assert place.log.read_text() == "ran\n"
    assert taken.lock.exists()
    assert not observed(folder.cell("tf2.14.1-py3.11-cpu")).cached


def test_only_the_loaders_that_are_not_observed_yet_run(bench: Bench) -> None:
    first = bench.sweep(FakeEngine(), plan(cell()))
    first.cell(cell().id).loader("session").observation.unlink()
    again = FakeEngine()
    folder = bench.sweep(again, plan(cell()))
    assert again.attempted == [f"tiny/{cell().id}/session"]
    assert observed(folder.cell(cell().id)).cached
    assert not observed(folder.cell(cell().id).loader("session")).cached


def test_fresh_takes_nothing_over(bench: Bench) -> None:
    bench.sweep(FakeEngine(), plan(cell()))
    again = FakeEngine()
    bench.sweep(again, plan(cell()), fresh=True)
    assert len(again.attempted) == len(RAW)


def test_another_model_or_file_or_probe_runs_again(bench: Bench) -> None:
    bench.sweep(FakeEngine(), plan(cell()))
    changed = FakeEngine()
    bench.sweep(changed, plan(cell()), model=bench.model(digest="1" * 64))
    bench.probe.write_text("pass  # changed\n")
    bench.sweep(changed, plan(cell()))
    part = bench.probe.parent / "probing" / "part.py"
    part.parent.mkdir()
    part.write_text("pass\n")
    bench.sweep(changed, plan(cell()))
    inputs, code = bench.folder / "inputs.npz", bench.folder / "custom_objects.py"
    np.savez(inputs, x=np.zeros(3))
    bench.sweep(changed, plan(cell()), model=bench.model(inputs=inputs))
    code.write_text("pass\n")
    bench.sweep(changed, plan(cell()), model=bench.model(code=Code(custom_objects=code)))
    code.write_text("pass  # changed\n")
    bench.sweep(changed, plan(cell()), model=bench.model(code=Code(custom_objects=code)))
    assert changed.ran == [cell().id] * 6
    bench.sweep(changed, plan(cell()), model=bench.model(code=Code(custom_objects=code)))
    assert changed.ran == [cell().id] * 6


def test_what_a_second_inference_gave_and_what_was_preprocessed_are_kept_and_taken_over(
    bench: Bench,
) -> None:
    made = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}
    other = np.array([[1, 2], [3, 5]], np.float32)

    def preprocesses(attempting: Attempting) -> RunOutcome:
        assert attempting.request["raw"] == "{files}/raw.npz"
        told = report(
            attempting.cell,
            loader=attempting.loader,
            deterministic=False,
            preprocessed=facts(made),
            inputs_generated=False,
        )
        write_out(attempting.out, told, repeat=other, preprocessed=made)
        return RunOutcome(ending=Ending.COMPLETED, exit_status=0)

    raw, code = bench.folder / "raw.npz", bench.folder / "preprocess.py"
    np.savez(raw, image=np.zeros(3))
    code.write_text("def preprocess(raw): return raw\n")
    the_model = bench.model(raw=raw, code=Code(preprocess=code))
    folder = bench.sweep(FakeEngine({cell().id: preprocesses}), plan(cell()), model=the_model)
    again = FakeEngine()
    second = bench.sweep(again, plan(cell()), model=the_model)
    assert again.runs == []
    for place in (folder.cell(cell().id), second.cell(cell().id).loader("session")):
        with np.load(place.repeat) as arrays:
            assert (arrays["output_0"] == other).all()
        with np.load(place.preprocessed) as arrays:
            assert (arrays["x"] == made["x"]).all()
    assert not folder.inputs.exists()
    assert not second.inputs.exists()


def test_an_interrupt_keeps_what_was_observed_and_stops_the_engine(bench: Bench) -> None:
    engine = FakeEngine()
    first, second = cell("2.15.1"), cell("2.16.2", "3.12")

    def interrupted_once_the_first_is_kept(_attempting: Attempting) -> RunOutcome:
        folder = bench.results().sweeps()[0].cell(first.id)
        deadline = time.monotonic() + 30
        while load_observation(folder) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        assert engine.stopped.wait(30)
        return RunOutcome(ending=Ending.INFRASTRUCTURE, message="stopped")

    engine.behaviours = {f"{second.id}/session": interrupted_once_the_first_is_kept}
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedSweepError, match="same command again"):
        bench.sweep(engine, plan(first, second))
    assert signal.getsignal(signal.SIGINT) is before
    folder = bench.results().sweeps()[0]
    assert observed(folder.cell(first.id)).ending is Ending.COMPLETED
    # A cell is observed once all its loaders are; those that had completed are not run again.
    assert load_observation(folder.cell(second.id)) is None
    assert load_observation(folder.cell(second.id).loader("session")) is None
    assert observed(folder.cell(second.id).loader("TFSMLayer")).ending is Ending.COMPLETED
    again = FakeEngine()
    bench.sweep(again, plan(first, second))
    assert again.attempted == [f"tiny/{second.id}/{loader}" for loader in RAW]


def test_what_was_ended_while_stopping_says_nothing(bench: Bench) -> None:
    engine = FakeEngine()

    def killed(_attempting: Attempting) -> RunOutcome:
        os.kill(os.getpid(), signal.SIGINT)
        assert engine.stopped.wait(30)
        return RunOutcome(ending=Ending.EXIT, exit_status=1)

    engine.behaviours = {f"{cell().id}/session": killed}
    with pytest.raises(InterruptedSweepError):
        bench.sweep(engine, plan(cell()))
    assert list(bench.results().sweeps()[0].path.rglob("observation.json")) == []


def test_a_full_disk_is_a_results_error_and_stops_the_sweep(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_names: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.store.observations.take_untrusted", full)
    with pytest.raises(ResultsError, match="no space left to write results"):
        bench.sweep(FakeEngine(), plan(cell()))
    assert load_observation(bench.results().sweeps()[0].cell(cell().id)) is None


def test_a_machine_that_refuses_a_run_is_infrastructure_and_the_sweep_goes_on(
    bench: Bench,
) -> None:
    first, second = cell("2.15.1"), cell("2.16.2", "3.12")

    def refuses(_attempting: Attempting) -> RunOutcome:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/out")

    folder = bench.sweep(FakeEngine({first.id: refuses}), plan(first, second))
    refused = observed(folder.cell(first.id))
    assert (refused.ending, refused.stage) == (Ending.INFRASTRUCTURE, Stage.START)
    assert refused.failure is not None
    assert refused.failure.message == "/tmp/out: No space left on device"
    assert observed(folder.cell(second.id)).ending is Ending.COMPLETED


class Pushing(FakeEngine):
    """Builds one image, by its digest, of which a registry may have been given it."""

    def __init__(self, digest: str, pushed: str | None, *notes: str) -> None:
        super().__init__()
        self.image = {"digest": digest, "pushed": pushed}
        self.notes = notes

    def build(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        made = super().build(cell, lock, progress)
        assert isinstance(made, Environment)
        assert made.facts.image is not None
        image = made.facts.image.model_copy(update=self.image)
        facts = made.facts.model_copy(update={"image": image})
        return made.model_copy(update={"facts": facts, "notes": self.notes})


@pytest.mark.parametrize(
    ("digest", "pushed", "known"),
    [
        ("sha256:one", "registry.example/x@sha256:new", "registry.example/x@sha256:new"),
        ("sha256:one", None, "registry.example/x@sha256:old"),
        ("sha256:other", "registry.example/x@sha256:new", "registry.example/x@sha256:old"),
    ],
)
def test_what_is_taken_over_knows_where_its_image_is_now(
    bench: Bench, digest: str, pushed: str | None, known: str
) -> None:
    first = bench.sweep(Pushing("sha256:one", "registry.example/x@sha256:old", "one"), plan(cell()))
    assert observed(first.cell(cell().id)).warnings == ("one",)
    again = Pushing(digest, pushed, "one", "not pushed")
    taken = observed(bench.sweep(again, plan(cell())).cell(cell().id))
    assert again.ran == []
    assert taken.environment is not None
    assert taken.environment.image is not None
    assert taken.environment.image.digest == "sha256:one"
    assert taken.environment.image.pushed == known
    assert taken.warnings == ("one", "not pushed")


def asked_for(engine: FakeEngine) -> dict[str, object]:
    """What the probe was told of noise, by loader."""
    attempts = [attempt for run in engine.runs for attempt in run.attempts]
    requests = [json.loads(attempt.request) for attempt in attempts]
    return {request["loader"]: request.get("noise") for request in requests}


def test_only_the_first_loader_is_varied(bench: Bench) -> None:
    engine = FakeEngine()
    bench.sweep(engine, plan(cell()), noise="full")
    assert asked_for(engine) == {"saved_model.load": "full", "session": None}
    (run,) = engine.runs
    told = json.loads(run.attempts[0].request)
    assert (told["timeout_seconds"], told["output_bytes"]) == (60, 2**24)


def test_another_level_runs_the_first_loader_again(bench: Bench) -> None:
    bench.sweep(FakeEngine(), plan(cell()), noise="quick")
    for noise, expected in (("quick", {}), ("off", {"saved_model.load": None})):
        engine = FakeEngine()
        bench.sweep(engine, plan(cell()), noise=noise)
        assert asked_for(engine) == expected


def test_what_variations_gave_is_kept_and_taken_over(bench: Bench) -> None:
    moved = np.array([[1, 2], [3, 5]], np.float32)

    def varies(attempting: Attempting) -> RunOutcome:
        told = report(attempting.cell, variations=[{"name": "ulp-1", "same": False, "kept": True}])
        write_out(attempting.out, told)
        np.savez(attempting.out / "variation-ulp-1.npz", output_0=moved)
        return RunOutcome(ending=Ending.COMPLETED, exit_status=0)

    bench.sweep(FakeEngine({f"{cell().id}/saved_model.load": varies}), plan(cell()))
    again = FakeEngine()
    folder = bench.sweep(again, plan(cell()))
    assert again.runs == []
    with np.load(folder.cell(cell().id).variation("ulp-1")) as arrays:
        assert (arrays["output_0"] == moved).all()
