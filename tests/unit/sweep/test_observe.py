from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.environments.engine import CellFailure, RunOutcome
from harness.observation import Ending, Observation, Stage
from harness.sweep.observe import Asked, observe_failure, observe_run
from tests.support.fakes import cell, environment, lock, report, write_out

CELL = cell()
ASKED = Asked(
    cell=CELL.id,
    key="key",
    engine="docker",
    loader="saved_model.load",
    lock=lock(CELL),
    environment=environment(CELL),
    inputs="generated",
    output_bytes=2**20,
)
ENDED_WELL = RunOutcome(ending=Ending.COMPLETED, exit_status=0)


def observe(out: Path, outcome: RunOutcome = ENDED_WELL) -> Observation:
    return observe_run(ASKED, outcome, out)


def message(observation: Observation) -> str:
    assert observation.failure is not None
    return observation.failure.message


def test_a_completed_run_keeps_what_the_probe_saw(tmp_path: Path) -> None:
    write_out(tmp_path, report(CELL.id))
    observation = observe(tmp_path)
    assert observation.ending is Ending.COMPLETED
    assert observation.stage is None
    assert observation.actual.tensorflow == "2.15.1"
    assert observation.packages == {"tensorflow-cpu": "2.15.1"}
    assert observation.locked == {"tensorflow-cpu": "2.15.1"}
    assert [output.name for output in observation.outputs] == ["y"]
    assert observation.inputs is not None
    assert observation.inputs.source == "generated"
    assert Observation.model_validate_json(observation.model_dump_json()) == observation


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        (RunOutcome(ending=Ending.SIGNAL, exit_status=139, signal="SIGSEGV"), Ending.SIGNAL),
        (RunOutcome(ending=Ending.TIMEOUT, exit_status=137), Ending.TIMEOUT),
        (RunOutcome(ending=Ending.OUT_OF_MEMORY, exit_status=137), Ending.OUT_OF_MEMORY),
        (RunOutcome(ending=Ending.OUTPUT_LIMIT, exit_status=137), Ending.OUTPUT_LIMIT),
        (RunOutcome(ending=Ending.EXIT, exit_status=3), Ending.EXIT),
        (ENDED_WELL, Ending.EXIT),
    ],
)
def test_a_run_that_is_cut_short_says_how_and_in_which_stage(
    tmp_path: Path, outcome: RunOutcome, ending: Ending
) -> None:
    write_out(tmp_path, report(CELL.id, completed=False, stage="load"))
    observation = observe(tmp_path, outcome)
    assert (observation.ending, observation.stage) == (ending, Stage.LOAD)
    assert observation.exit_status == outcome.exit_status
    assert observation.signal == outcome.signal


def test_an_exception_is_kept_whole(tmp_path: Path) -> None:
    failure = {"type": "ValueError", "message": "x" * 9000 + "the end", "traceback": "lines"}
    write_out(tmp_path, report(CELL.id, completed=False, stage="load", failure=failure))
    observation = observe(tmp_path, RunOutcome(ending=Ending.EXIT, exit_status=1))
    assert (observation.ending, observation.stage) == (Ending.EXCEPTION, Stage.LOAD)
    assert message(observation).endswith("the end")


def test_a_crash_after_the_results_is_a_warning(tmp_path: Path) -> None:
    write_out(tmp_path, report(CELL.id))
    observation = observe(
        tmp_path, RunOutcome(ending=Ending.SIGNAL, exit_status=139, signal="SIGSEGV")
    )
    assert observation.ending is Ending.COMPLETED
    assert observation.warnings == ("the process ended by SIGSEGV after its results were written",)


def test_no_report_at_all(tmp_path: Path) -> None:
    observation = observe(tmp_path)
    assert (observation.ending, observation.stage) == (Ending.INVALID, Stage.START)
    assert message(observation) == "the probe wrote no report"


def test_no_report_because_it_was_killed(tmp_path: Path) -> None:
    observation = observe(tmp_path, RunOutcome(ending=Ending.TIMEOUT, message="after 60 s"))
    assert (observation.ending, observation.stage) == (Ending.TIMEOUT, Stage.START)
    assert message(observation) == "after 60 s; the probe wrote no report"


def test_infrastructure_is_not_looked_into(tmp_path: Path) -> None:
    write_out(tmp_path, report(CELL.id))
    outcome = RunOutcome(ending=Ending.INFRASTRUCTURE, message="the daemon does not answer")
    observation = observe(tmp_path, outcome)
    assert (observation.ending, observation.stage) == (Ending.INFRASTRUCTURE, Stage.START)
    assert observation.outputs == ()


def test_a_link_in_place_of_the_report_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(report(CELL.id)))
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").symlink_to(secret)
    observation = observe(out)
    assert observation.ending is Ending.INVALID
    assert message(observation) == "report.json is a symbolic link, not a file"


def test_a_folder_or_pipe_in_place_of_the_report(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    assert message(observe(tmp_path)) == "report.json is not a regular file"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps(report(CELL.id, schema=2)),
        json.dumps(report(CELL.id, stage="elsewhere")),
        json.dumps(report(CELL.id, completed="yes")),
        json.dumps(report(CELL.id, packages={"a": 1})),
        json.dumps(report(CELL.id, loader="x" * 5000)),
        json.dumps(report(CELL.id, outputs=[{"name": "y"}] * 3)),
    ],
)
def test_a_broken_report_is_invalid(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    observation = observe(tmp_path)
    assert observation.ending is Ending.INVALID
    assert message(observation).startswith("report.json breaks its schema at ")
    assert len(message(observation)) < 500


def test_a_giant_report_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "report.json").open("wb") as stream:
        stream.truncate(2**31)
    assert message(observe(tmp_path)) == "report.json is larger than 16777216 bytes"


def test_arrays_that_disagree_with_the_report_are_invalid(tmp_path: Path) -> None:
    write_out(tmp_path, report(CELL.id), np.zeros((3, 2), np.float32))
    observation = observe(tmp_path)
    assert (observation.ending, observation.stage) == (Ending.INVALID, Stage.COLLECT)


def test_outputs_that_are_missing_or_pickled_are_invalid(tmp_path: Path) -> None:
    write_out(tmp_path, report(CELL.id))
    (tmp_path / "outputs.npz").unlink()
    assert observe(tmp_path).ending is Ending.INVALID
    np.savez(tmp_path / "outputs.npz", output_0=np.array([{}], dtype=object))
    assert observe(tmp_path).ending is Ending.INVALID


def test_generated_inputs_that_are_missing_or_a_link_are_invalid(tmp_path: Path) -> None:
    write_out(tmp_path, report(CELL.id))
    kept = (tmp_path / "inputs.npz").rename(tmp_path / "elsewhere.npz")
    assert message(observe(tmp_path)) == "inputs.npz does not exist"
    (tmp_path / "inputs.npz").symlink_to(kept)
    assert message(observe(tmp_path)) == "inputs.npz is a symbolic link, not a file"


def test_a_cell_that_never_started() -> None:
    failure = CellFailure(
        stage=Stage.BUILD, ending=Ending.INFRASTRUCTURE, type="DiskFull", message="no space left"
    )
    observation = observe_failure(ASKED, failure)
    assert (observation.ending, observation.stage) == (Ending.INFRASTRUCTURE, Stage.BUILD)
    assert message(observation) == "no space left"


def test_what_a_lock_has_to_say_is_kept(tmp_path: Path) -> None:
    noted = lock(CELL).model_copy(update={"note": "of an earlier day"})
    write_out(tmp_path, report(CELL.id, warnings=["the probe's own"]))
    observation = observe_run(replace(ASKED, lock=noted), ENDED_WELL, tmp_path)
    assert observation.warnings == ("the probe's own", "of an earlier day")
