"""The probe in real environments, of the first, the middle and the newest Keras."""

from __future__ import annotations

import os
import threading
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from probing.inputs import generate
from probing.requests import DEFAULTS
from probing.tensors import Spec, Tensor, digest

from harness.environments.venv.engine import VenvEngine
from harness.observation import Ending, Stage
from harness.tensor import StringTensor
from tests.integration.engine_contract import MEGABYTE
from tests.integration.probe_places import (
    FILES,
    RELEASES,
    Asked,
    Seen,
    base,
    place,
    read_report,
    run,
)

pytestmark = pytest.mark.tensorflow

__all__ = ["base"]

EVERYTHING = [
    Spec("x", "float32", [None, 4]),
    Spec("n", "int64", [None]),
    Spec("s", "string", [None, 2]),
    Spec("b", "bfloat16", [None, 2]),
    Spec("flag", "bool", []),
    Spec("z", "complex64", [2]),
]
WEIGHTS = (np.arange(12).reshape(4, 3) % 7 - 3).astype(np.float32) / 4

IN_ALL = {
    "everything": Asked("everything", "saved_model.load"),
    "in-a-session": Asked("everything", "session"),
    "sequential": Asked("sequential.h5", "keras.load_model", of="2.4.4"),
    "functional": Asked("functional.h5", "keras.load_model", of="2.4.4"),
    "by-key": Asked("by_key.h5", "keras.load_model", of="2.4.4"),
}

RANGE = {"dimensions": {"x": [2, 3]}, "ranges": {"x": [5, 6]}}
RANDOM = {"signature": "any_shape", **RANGE}


@cache
def seen(version: str) -> dict[str, Seen]:
    """What the probe saw in one run for all tests."""
    asked = dict(IN_ALL)
    if version == "2.15.1":
        asked |= middle_asks()
    if version == "2.21.0":
        asked |= {
            "old-graph": Asked("old_graph", "saved_model.load"),
            "archive": Asked("functional.keras", "keras.load_model"),
            "hdf5": Asked("functional.h5", "keras.load_model"),
        }
    return run(version, asked)


def middle_asks() -> dict[str, Asked]:
    """What is asked of one release only: it is the same in all."""
    models = place("2.15.1").models
    whole = (models / "functional.h5").read_bytes()
    (models / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    given = models.parent / "given.npz"
    np.savez(given, anything=np.arange(8, dtype=np.int32).reshape(2, 4))
    wrong = models.parent / "wrong.npz"
    np.savez(
        wrong,
        x=np.zeros((2, 5), np.float32),
        n=np.zeros(2, np.int32),
        flag=np.zeros((), bool),
        z=np.zeros(2, np.complex64),
        w=np.zeros(1),
        b=np.zeros((2, 2), np.uint16),
    )
    raw = models.parent / "raw.npz"
    np.savez(raw, pixels=np.arange(8, dtype=np.uint8).reshape(2, 4))
    preprocessing = {"raw.npz": raw, "preprocess.py": FILES / "preprocess.py"}
    return {
        "sparse": Asked("old_graph", "session", request={"signature": "sparse"}),
        "given": Asked("sequential.h5", "keras.load_model", files={"inputs.npz": given}),
        "wrong": Asked("everything", "saved_model.load", files={"inputs.npz": wrong}),
        "any-shape": Asked("everything", "saved_model.load", request={"signature": "any_shape"}),
        "no-signature": Asked("everything", "saved_model.load", request={"signature": "predict"}),
        "no-tags": Asked("everything", "session", request={"tags": ["train"]}),
        "random": Asked("everything", "session", request=RANDOM),
        "truncated": Asked("truncated.h5", "keras.load_model"),
        "no-saved-model": Asked("functional.h5", "saved_model.load"),
        "raise": Asked("raise.h5", "keras.load_model"),
        "exit": Asked("exit.h5", "keras.load_model"),
        "abort": Asked("abort.h5", "keras.load_model"),
        "after-abort": Asked("sequential.h5", "keras.load_model"),
        "preprocessed": Asked("everything", "saved_model.load", files=preprocessing),
        "pixels": Asked("sequential.h5", "keras.load_model", files=preprocessing),
    }


@pytest.fixture(scope="module", params=RELEASES)
def version(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def middle() -> dict[str, Seen]:
    return seen("2.15.1")


def generated(specs: list[Spec]) -> dict[str, Tensor]:
    """What the probe generates, by the NumPy that runs the tests."""
    request = {**DEFAULTS, "batch_size": 3}
    return {tensor.name: tensor for tensor in generate(sorted(specs), request)}


def test_a_saved_model_of_many_types(version: str) -> None:
    here = seen(version)["everything"]
    report, outputs, inputs = here.report, here.outputs, generated(EVERYTHING)
    assert report.stage is Stage.COLLECT
    assert (report.failure, report.warnings) == (None, [])
    assert (report.loader, report.signature) == ("saved_model.load", "serving_default")
    assert report.inputs_generated
    assert report.inputs_digest == digest(inputs.values())
    assert [(fact.name, fact.dtype, fact.shape) for fact in report.inputs] == [
        ("b", "bfloat16", [3, 2]),
        ("flag", "bool", []),
        ("n", "int64", [3]),
        ("s", "string", [3, 2]),
        ("x", "float32", [3, 4]),
        ("z", "complex64", [2]),
    ]
    assert [(fact.name, fact.dtype, fact.shape) for fact in report.outputs] == [
        ("doubled", "bfloat16", [3, 2]),
        ("half", "float16", [3, 4]),
        ("joined", "string", []),
        ("not", "bool", []),
        ("product", "float32", [3, 3]),
        ("word", "string", [3]),
        ("z", "complex64", [2]),
    ]
    assert report.deterministic is True
    assert not (here.folder / "repeat.npz").exists()
    np.testing.assert_array_equal(here.array("half"), inputs["x"].array.astype(np.float16))
    np.testing.assert_allclose(here.array("product"), inputs["x"].array @ WEIGHTS, 1e-5)
    # Twice a bfloat16 is the next exponent: bit 7.
    np.testing.assert_array_equal(here.array("doubled"), inputs["b"].array + 0x80)
    np.testing.assert_array_equal(here.array("z"), inputs["z"].array)
    assert here.array("not") == (not inputs["flag"].array)
    words = {0: b"zero", 1: b"", 2: b"t\0wo\0"}
    assert outputs["word"] == StringTensor(
        (3,), tuple(words.get(number, b"many") for number in inputs["n"].array.tolist())
    )
    assert outputs["joined"] == StringTensor((), (b"".join(inputs["s"].array.ravel()),))


def test_what_really_ran_is_recorded(version: str) -> None:
    report = seen(version)["everything"].report
    actual, packages = report.actual, report.packages
    assert actual.tensorflow == packages["tensorflow-cpu"] == version
    assert (actual.python or "").startswith(RELEASES[version][0] + ".")
    assert actual.numpy == packages["numpy"]
    assert actual.h5py == packages["h5py"]
    assert actual.protobuf == packages["protobuf"]
    assert actual.keras == (packages["keras"] if version != "2.4.4" else "2.4.0")
    assert (actual.device, actual.cuda, actual.cudnn) == ("CPU", None, None)
    assert (actual.intra_op_threads, actual.inter_op_threads) == (1, 1)
    assert actual.build_info["is_cuda_build"] == "False"
    assert (actual.git_version or "").startswith("v2.")
    assert actual.machine == os.uname().machine
    assert actual.cpu
    assert actual.libc
    seconds = report.seconds
    assert seconds.build is None
    assert None not in (seconds.import_, seconds.load, seconds.infer)
    assert (report.peak_memory_bytes or 0) > 100 * MEGABYTE


def test_a_session_gives_the_same_bits(version: str) -> None:
    session, called = seen(version)["in-a-session"], seen(version)["everything"]
    assert session.report.inputs_digest == called.report.inputs_digest
    assert session.report.outputs == called.report.outputs
    actual = session.report.actual
    assert (actual.intra_op_threads, actual.device) == (1, "CPU")
    assert session.outputs["word"] == called.outputs["word"]
    np.testing.assert_array_equal(session.array("product"), called.array("product"))


def test_a_saved_model_of_tensorflow_1() -> None:
    here = seen("2.21.0")["old-graph"]
    assert [(fact.name, fact.dtype) for fact in here.report.inputs] == [
        ("words", "string"),
        ("x", "float32"),
    ]
    assert here.array("numbers").tolist() == [-1, -1, -1]


def test_a_sparse_output(middle: dict[str, Seen]) -> None:
    here = middle["sparse"]
    assert [fact.name for fact in here.report.outputs] == [
        "rest/dense_shape",
        "rest/indices",
        "rest/values",
    ]
    assert here.array("rest/dense_shape").tolist() == [3, 3]


@pytest.mark.parametrize(
    ("model", "inputs", "outputs"),
    [
        ("sequential", ["hidden_input"], ["scores"]),
        ("functional", ["left", "right"], ["shared", "shared_1", "total"]),
        ("by-key", ["a", "b"], ["left", "sum"]),
    ],
)
def test_names_of_a_keras_model_are_those_of_its_file(
    version: str, model: str, inputs: list[str], outputs: list[str]
) -> None:
    here = seen(version)[model]
    assert [fact.name for fact in here.report.inputs] == inputs
    fed = generated([Spec(name, "float32", [None, 4]) for name in inputs])
    assert here.report.inputs_digest == digest(fed.values())
    assert [fact.name for fact in here.report.outputs] == outputs
    if model == "by-key":  # the keys are crossed: `b` is the layer `left`
        np.testing.assert_array_equal(here.array("left"), fed["b"].array)


def test_a_keras_archive_and_hdf5_give_the_same_bits() -> None:
    archive, hdf5 = seen("2.21.0")["archive"], seen("2.21.0")["hdf5"]
    assert archive.report.outputs == hdf5.report.outputs
    for name in archive.outputs:
        np.testing.assert_array_equal(archive.array(name), hdf5.array(name))


def test_given_inputs_are_fed(middle: dict[str, Seen]) -> None:
    here = middle["given"]
    assert here.report.warnings == [
        "the input 'anything' is fed to 'hidden_input', the only one",
        "the input 'hidden_input' is converted from int32 to float32",
    ]
    assert not here.report.inputs_generated
    given, bias = np.arange(8).reshape(2, 4), (np.arange(3) % 7 - 3) / 4
    np.testing.assert_array_equal(
        here.array("scores"), np.maximum(given @ WEIGHTS + bias, 0).astype(np.float32)
    )


def test_inputs_that_do_not_fit_fail_in_prepare(middle: dict[str, Seen]) -> None:
    here = middle["wrong"]
    assert here.report.stage is Stage.PREPARE
    assert (here.failure.type, here.failure.message) == (
        "ValueError",
        "the inputs do not fit the model: w is not an input; n has another dtype; s is missing; "
        "x has another shape\n"
        "  wanted: b bfloat16 [?, 2]; flag bool []; n int64 [?]; s string [?, 2]; "
        "x float32 [?, 4]; z complex64 [2]\n"
        "  given: b uint16 [2, 2]; flag bool []; n int32 [2]; w float64 [1]; x float32 [2, 5]; "
        "z complex64 [2]",
    )


def test_what_cannot_be_generated_or_called_fails_in_prepare(middle: dict[str, Seen]) -> None:
    shape, signature = middle["any-shape"], middle["no-signature"]
    assert (shape.report.stage, signature.report.stage) == (Stage.PREPARE, Stage.PREPARE)
    assert shape.failure.message == (
        "the model does not say what shape its input 'x' has: give inputs.npz, or the shape in "
        "model.yaml"
    )
    assert signature.failure.message == (
        "the model has no signature 'predict'; it has: any_shape, serving_default"
    )


def test_tags_that_are_not_there_fail_in_load(middle: dict[str, Seen]) -> None:
    here = middle["no-tags"]
    assert here.report.stage is Stage.LOAD
    assert "associated with tags 'train' could not be found" in here.failure.message


def test_random_outputs_are_not_deterministic(middle: dict[str, Seen]) -> None:
    here = middle["random"]
    assert here.report.deterministic is False
    assert here.array("y").shape == (2, 3)
    assert here.array("y").min() >= 5
    with np.load(here.folder / "repeat.npz") as repeat:
        assert repeat["output_0"].shape == (2, 3)
        assert (repeat["output_0"] != here.array("y")).any()


def test_what_preprocess_returned_is_kept_and_fed(middle: dict[str, Seen]) -> None:
    here = middle["pixels"]
    (fact,) = here.report.preprocessed or []
    assert (fact.name, fact.dtype, fact.shape) == ("input", "float32", [2, 4])
    with np.load(here.folder / "preprocessed.npz") as kept:
        np.testing.assert_array_equal(kept["input"], np.arange(8).reshape(2, 4) / 2)
    assert [fact.name for fact in here.report.inputs] == ["hidden_input"]
    assert here.report.seconds.preprocess is not None
    assert here.report.warnings == []
    wrong = middle["preprocessed"]
    assert wrong.report.stage is Stage.PREPARE
    assert wrong.report.preprocessed == [fact]
    assert "input is not an input; b is missing" in wrong.failure.message


def test_broken_models_fail_in_load(middle: dict[str, Seen]) -> None:
    here = middle["truncated"]
    assert here.report.stage is Stage.LOAD
    assert here.failure.type == "OSError"
    assert "truncated file" in here.failure.message
    other = middle["no-saved-model"]
    assert other.report.stage is Stage.LOAD
    assert other.report.actual.tensorflow == "2.15.1"
    assert other.report.seconds.load is None


def test_an_exception_of_the_model_is_kept_with_its_end(middle: dict[str, Seen]) -> None:
    here = middle["raise"]
    assert (here.report.stage, here.outcome.exit_status) == (Stage.INFER, 1)
    assert here.failure.type == "RuntimeError"
    assert "first words" in here.failure.message
    assert "characters left out" in here.failure.message
    assert "last words" in here.failure.message
    assert 30_000 < len(here.failure.message) < 31_000
    assert "misbehave" in here.failure.traceback


def test_a_model_that_leaves_is_a_failure(middle: dict[str, Seen]) -> None:
    here = middle["exit"]
    assert (here.report.stage, here.outcome.exit_status) == (Stage.INFER, 1)
    assert (here.failure.type, here.failure.message) == ("SystemExit", "7")


def test_a_crash_leaves_the_stage_and_costs_itself_only(middle: dict[str, Seen]) -> None:
    here = middle["abort"]
    assert (here.outcome.ending, here.outcome.signal) == (Ending.SIGNAL, "SIGABRT")
    report = here.report
    assert (report.stage, report.completed, report.failure) == (Stage.INFER, False, None)
    assert report.actual.tensorflow == "2.15.1"
    assert [fact.name for fact in report.inputs] == ["x"]
    assert "Fatal Python error: Aborted" in here.outcome.log
    assert middle["after-abort"].report.completed


def test_a_hang_leaves_the_stage() -> None:
    engine, out = VenvEngine(), place("2.15.1").new()

    def stop_when_it_hangs() -> None:
        while not at_inference(out / "hang"):
            time.sleep(0.1)
        engine.stop()

    thread = threading.Thread(target=stop_when_it_hangs, daemon=True)
    thread.start()
    asked = {"hang": Asked("hang.h5", "keras.load_model")}
    here = run("2.15.1", asked, engine=engine, out=out)["hang"]
    assert here.outcome.ending is Ending.INFRASTRUCTURE
    report = here.report
    assert (report.stage, report.completed, report.failure) == (Stage.INFER, False, None)


def at_inference(folder: Path) -> bool:
    """Whether a model is being called."""
    return (folder / "report.json").exists() and read_report(folder).stage is Stage.INFER
