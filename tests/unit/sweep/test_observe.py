from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.environments.engine import CellFailure, RunOutcome
from harness.observation import Ending, Observation, Stage, Variation
from harness.store.layout import CellFolder
from harness.store.observations import Arrays, save_observation
from harness.sweep.observe import Asked, Observed, observe_failure, observe_run
from harness.sweep.request import Inputs
from tests.support.fakes import cell, environment, facts, lock, report, write_out

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


def observe(out: Path, outcome: RunOutcome = ENDED_WELL, **asked: object) -> Observation:
    return observe_run(replace(ASKED, **asked), outcome, out).observation  # type: ignore[arg-type]


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
        json.dumps(report(CELL.id, preprocessed={"x": 1})),
        json.dumps(report(CELL.id, restored={"expected": "all", "restored": 0})),
    ],
)
def test_a_broken_report_is_invalid(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    observation = observe(tmp_path)
    assert observation.ending is Ending.INVALID
    assert message(observation).startswith("report.json breaks its schema at ")
    assert len(message(observation)) < 500


@pytest.mark.parametrize(
    ("where", "fields"),
    [
        ("seconds.load", {"seconds": {"load": float("nan")}}),
        ("seconds.import", {"seconds": {"import": float("inf")}}),
        ("seconds.infer", {"seconds": {"infer": -1.0}}),
        ("peak_memory_bytes", {"peak_memory_bytes": 10**300}),
        ("actual.intra_op_threads", {"actual": {"intra_op_threads": -1}}),
        ("training.iterations", {"training": {"iterations": 10**300}}),
        ("restored.expected", {"restored": {"expected": -1, "restored": 0}}),
        ("outputs.0.shape.0", {"outputs": [{"name": "p", "dtype": "int8", "shape": [10**30]}]}),
    ],
)
def test_numbers_that_cannot_be_are_invalid(
    tmp_path: Path, where: str, fields: dict[str, object]
) -> None:
    write_out(tmp_path, report(CELL.id, **fields))
    observation = observe(tmp_path)
    assert observation.ending is Ending.INVALID
    assert message(observation).startswith(f"report.json breaks its schema at {where}: ")


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
    observation = observe(tmp_path, lock=noted)
    assert observation.warnings == ("the probe's own", "of an earlier day")


def test_a_report_about_another_loader_is_invalid(tmp_path: Path) -> None:
    write_out(tmp_path, report(CELL.id, loader="session"))
    observation = observe(tmp_path)
    assert (observation.ending, observation.loader) == (Ending.INVALID, "saved_model.load")
    assert message(observation) == (
        "report.json is about the loader 'session', not 'saved_model.load'"
    )


def test_a_link_in_place_of_the_attempts_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_out(elsewhere, report(CELL.id))
    (tmp_path / "out").symlink_to(elsewhere)
    observation = observe(tmp_path / "out")
    assert observation.ending is Ending.INVALID
    assert message(observation) == "in place of the attempt's folder there is a link"


def test_what_became_of_variables_and_training_is_kept(tmp_path: Path) -> None:
    restored = {"expected": 4, "restored": 3, "unrestored": ["dense/bias"], "unused": []}
    training = {"optimizer": "Adam", "iterations": 10, "loss_before": 0.5, "loss_after": 0.25}
    write_out(tmp_path, report(CELL.id, restored=restored, training=training))
    observation = observe(tmp_path)
    assert observation.restored is not None
    assert observation.restored.unrestored == ["dense/bias"]
    assert observation.training is not None
    assert observation.training.loss_after == 0.25


@pytest.mark.parametrize(
    ("inputs", "source"),
    [("recorded", "inputs.npz"), ("generated", "generated"), ("reference", "reference")],
)
def test_where_the_inputs_came_from_is_what_was_asked_for(
    tmp_path: Path, inputs: Inputs, source: str
) -> None:
    write_out(tmp_path, report(CELL.id))
    fed = observe(tmp_path, inputs=inputs).inputs
    assert fed is not None
    assert (fed.source, fed.digest) == (source, "11")


def test_an_attempt_on_the_references_inputs_is_known_as_such_whatever_its_end(
    tmp_path: Path,
) -> None:
    fed = observe(tmp_path, inputs="reference").inputs
    assert fed is not None
    assert fed.source == "reference"
    assert observe(tmp_path).inputs is None


MADE = {"x": np.arange(6, dtype=np.float64).reshape(2, 3), "mask": np.array([True, False])}


def preprocessed(out: Path, told: object = None, **arrays: np.ndarray) -> Observed:
    described = facts(MADE) if told is None else told
    written = report(CELL.id, preprocessed=described, inputs_generated=False)
    write_out(out, written, preprocessed=arrays or MADE)
    return observe_run(replace(ASKED, inputs="raw"), ENDED_WELL, out)


def test_what_preprocess_returned_is_kept(tmp_path: Path) -> None:
    observation, arrays = preprocessed(tmp_path)
    assert observation.ending is Ending.COMPLETED
    assert observation.inputs is not None
    assert observation.inputs.source == "preprocess.py"
    assert observation.preprocessed is not None
    assert [made.name for made in observation.preprocessed] == ["x", "mask"]
    assert arrays.preprocessed == tmp_path / "preprocessed.npz"


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"x": MADE["x"]}, "the inputs lack the array 'mask'"),
        (
            {**MADE, "z": MADE["x"]},
            "the inputs hold the array 'z', which no input describes",
        ),
        (
            {**MADE, "x": MADE["x"].astype(np.float32)},
            "input 'x' is stored as float32, the report says float64",
        ),
        (
            {**MADE, "x": MADE["x"].T},
            "input 'x' has the shape (3, 2), the report says [2, 3]",
        ),
    ],
)
def test_preprocessed_arrays_that_are_not_what_the_report_says_are_invalid(
    tmp_path: Path, arrays: dict[str, np.ndarray], why: str
) -> None:
    observation, files = preprocessed(tmp_path, **arrays)
    assert observation.ending is Ending.INVALID
    assert message(observation) == why
    assert files == Arrays()


def test_preprocessed_arrays_that_nobody_tells_of_are_invalid(tmp_path: Path) -> None:
    write_out(tmp_path, report(CELL.id), preprocessed=MADE)
    observation = observe(tmp_path, inputs="raw")
    assert observation.ending is Ending.INVALID
    assert message(observation) == "the report does not say what preprocess.py returned"


def test_preprocessed_arrays_where_none_were_asked_for_are_left_alone(tmp_path: Path) -> None:
    write_out(tmp_path, report(CELL.id, preprocessed=facts(MADE)), preprocessed=MADE)
    observation, arrays = observe_run(ASKED, ENDED_WELL, tmp_path)
    assert observation.preprocessed is None
    assert arrays.preprocessed is None


@pytest.mark.parametrize("name", ["repeat.npz", "preprocessed.npz", "outputs.npz"])
def test_links_in_place_of_arrays_are_never_taken(tmp_path: Path, name: str) -> None:
    told = report(CELL.id, deterministic=False, preprocessed=facts(MADE))
    ones = np.ones((2, 2), np.float32)
    write_out(tmp_path, told, repeat=ones, preprocessed=MADE)
    kept = (tmp_path / name).rename(tmp_path / "elsewhere.npz")
    (tmp_path / name).symlink_to(kept)
    observation, arrays = observe_run(replace(ASKED, inputs="raw"), ENDED_WELL, tmp_path)
    if name == "repeat.npz":
        assert observation.ending is Ending.COMPLETED
        assert arrays.repeat is None
        assert observation.warnings == (
            "what a second inference gave cannot be compared:"
            " repeat.npz is a symbolic link, not a file",
        )
    else:
        assert observation.ending is Ending.INVALID
        assert message(observation) == f"{name} is a symbolic link, not a file"


def test_what_a_second_inference_gave_is_kept_where_it_differs(tmp_path: Path) -> None:
    ones = np.ones((2, 2), np.float32)
    write_out(tmp_path, report(CELL.id, deterministic=False), repeat=ones)
    assert observe_run(ASKED, ENDED_WELL, tmp_path).arrays.repeat == tmp_path / "repeat.npz"
    write_out(tmp_path, report(CELL.id, deterministic=True), repeat=ones)
    assert observe_run(ASKED, ENDED_WELL, tmp_path).arrays.repeat is None


@pytest.mark.parametrize(
    ("repeat", "why"),
    [
        (None, "repeat.npz does not exist"),
        (
            np.ones((2, 2), np.float64),
            "output 'y' is stored as float64; float32 must be stored as float32",
        ),
        (
            np.ones((3, 2), np.float32),
            "output 'y' has the shape (3, 2), the report says (2, 2)",
        ),
        (np.array([{}], dtype=object), "array 'output_0' holds Python objects"),
    ],
)
def test_a_second_inference_that_cannot_be_compared_is_a_warning(
    tmp_path: Path, repeat: np.ndarray | None, why: str
) -> None:
    write_out(tmp_path, report(CELL.id, deterministic=False), repeat=repeat)
    observation, arrays = observe_run(ASKED, ENDED_WELL, tmp_path)
    assert observation.ending is Ending.COMPLETED
    assert observation.deterministic is False
    assert arrays.repeat is None
    (warning,) = observation.warnings
    assert why in warning


def test_large_arrays_pass_one_at_a_time(tmp_path: Path) -> None:
    """No array is read whole, however large it is and however many there are."""
    size, count = 2**23, 4
    outputs = {f"y{i}": np.full(size // 4, i, np.float32) for i in range(count)}
    told = report(CELL.id, outputs=facts(outputs), deterministic=False)
    write_out(tmp_path, told)
    named = {f"output_{i}": array for i, array in enumerate(outputs.values())}
    for file in ("outputs.npz", "repeat.npz"):
        np.savez(tmp_path / file, **named)  # type: ignore[arg-type]
    np.savez(tmp_path / "inputs.npz", **outputs)  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        observation, arrays = observe_run(replace(ASKED, output_bytes=2**30), ENDED_WELL, tmp_path)
        save_observation(
            CellFolder(tmp_path / "cells" / CELL.id), observation, log="", arrays=arrays
        )
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert observation.ending is Ending.COMPLETED
    # NumPy's arrays are traced; there are chunks of a megabyte, and pages that are mapped.
    assert most < size / 2


def test_strings_take_no_more_than_twice_their_bytes(tmp_path: Path) -> None:
    size = 2**23
    data = np.full(size, ord("a"), np.uint8)
    offsets = np.array([0, size // 2, size], np.int64)
    told = [{"name": "text", "dtype": "string", "shape": [2]}]
    write_out(tmp_path, report(CELL.id, outputs=told))
    np.savez(tmp_path / "outputs.npz", **{"output_0.data": data, "output_0.offsets": offsets})
    tracemalloc.start()
    try:
        observation = observe(tmp_path, output_bytes=2**30)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert observation.ending is Ending.COMPLETED
    assert most < size * 2.3


def varied(*variations: dict[str, object]) -> dict[str, object]:
    return report(CELL.id, variations=list(variations))


KEPT: dict[str, object] = {"name": "ulp-1", "same": False, "kept": True, "seconds": 0.5}


def test_variations_with_other_bits_are_kept(tmp_path: Path) -> None:
    same = {"name": "batch-split", "same": True}
    left = {"name": "threads-1", "problem": "not done: it is late"}
    write_out(tmp_path, varied(KEPT, same, left))
    file = tmp_path / "variation-ulp-1.npz"
    np.savez(file, output_0=np.ones((2, 2), np.float32))
    observation, arrays = observe_run(ASKED, ENDED_WELL, tmp_path)
    assert [one.name for one in observation.variations] == ["ulp-1", "batch-split", "threads-1"]
    assert observation.variations[0] == Variation(name="ulp-1", same=False, kept=True, seconds=0.5)
    assert observation.variations[2].problem == "not done: it is late"
    assert arrays.variations == {"ulp-1": file}


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (None, "it cannot be compared: variation-ulp-1.npz does not exist"),
        (np.ones((3, 2), np.float32), "has the shape (3, 2), the report says (2, 2)"),
        (np.array([{}], dtype=object), "holds Python objects"),
    ],
)
def test_a_variation_that_is_not_sound_is_a_problem_of_its_own(
    tmp_path: Path, array: np.ndarray | None, why: str
) -> None:
    write_out(tmp_path, varied(KEPT))
    if array is not None:
        np.savez(tmp_path / "variation-ulp-1.npz", output_0=array)
    observation, arrays = observe_run(ASKED, ENDED_WELL, tmp_path)
    assert observation.ending is Ending.COMPLETED
    (one,) = observation.variations
    assert (one.same, one.kept) == (False, False)
    assert why in (one.problem or "")
    assert arrays.variations == {}


def test_a_link_in_place_of_a_variation_is_never_taken(tmp_path: Path) -> None:
    write_out(tmp_path, varied(KEPT))
    (tmp_path / "variation-ulp-1.npz").symlink_to(tmp_path / "outputs.npz")
    observation, arrays = observe_run(ASKED, ENDED_WELL, tmp_path)
    assert "is a symbolic link" in (observation.variations[0].problem or "")
    assert arrays.variations == {}


def test_of_two_variations_of_one_name_the_first_counts(tmp_path: Path) -> None:
    write_out(tmp_path, varied({"name": "ulp-1", "same": True, "kept": True}, KEPT))
    np.savez(tmp_path / "variation-ulp-1.npz", output_0=np.ones((2, 2), np.float32))
    observation, arrays = observe_run(ASKED, ENDED_WELL, tmp_path)
    assert observation.variations == (Variation(name="ulp-1", same=True),)
    assert arrays.variations == {}


@pytest.mark.parametrize("name", ["", "../x", "a/b", "UP", "a" * 41, "ulp-1\n", "1"])
def test_a_variation_is_named_as_a_file_may_be(tmp_path: Path, name: str) -> None:
    write_out(tmp_path, varied({**KEPT, "name": name}))
    observation = observe(tmp_path)
    assert observation.ending is Ending.INVALID
    assert "breaks its schema at variations.0.name" in message(observation)


@pytest.mark.parametrize(
    "outcome",
    [
        RunOutcome(ending=Ending.TIMEOUT, exit_status=137),
        RunOutcome(ending=Ending.OUT_OF_MEMORY, exit_status=137),
        RunOutcome(ending=Ending.SIGNAL, exit_status=139, signal="SIGSEGV"),
        RunOutcome(ending=Ending.OUTPUT_LIMIT, exit_status=137),
        RunOutcome(ending=Ending.EXIT, exit_status=1),
    ],
)
def test_a_run_that_ends_while_it_is_varied_has_completed(
    tmp_path: Path, outcome: RunOutcome
) -> None:
    cut = {"name": "ulp-1", "problem": "the process ended while it was done"}
    write_out(tmp_path, varied(cut))
    observation = observe(tmp_path, outcome)
    assert (observation.ending, observation.stage) == (Ending.COMPLETED, None)
    how = outcome.signal or outcome.ending.value
    assert observation.warnings == (f"the process ended by {how} after its results were written",)
    assert observation.variations == (Variation.model_validate(cut),)
