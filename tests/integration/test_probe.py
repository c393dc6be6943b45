"""The probe in real environments, of the first, the middle and the newest Keras."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from harness.cell import Cell, Distribution, Flags
from harness.environments.engine import Environment, Limits, Run, RunOutcome
from harness.environments.venv.engine import VenvEngine
from harness.npz import read_npz
from harness.observation import Ending, Failure, ProbeReport, Stage
from harness.probe import probe as probe_module
from harness.tensor import NumericTensor, StringTensor, Tensor, decode_outputs
from tests.integration.engine_contract import MEGABYTE, make, silent

pytestmark = pytest.mark.tensorflow

PROBE = Path(probe_module.__file__)
MAKER = Path(__file__).with_name("probe_models.py")

RELEASES = {
    "2.4.4": ("3.8", datetime(2021, 11, 1, tzinfo=UTC)),
    "2.15.1": ("3.11", datetime(2024, 3, 8, tzinfo=UTC)),
    "2.21.0": ("3.13", datetime(2026, 3, 6, tzinfo=UTC)),
}

EVERYTHING = [
    probe_module.Spec("x", "float32", [None, 4]),
    probe_module.Spec("n", "int64", [None]),
    probe_module.Spec("s", "string", [None, 2]),
    probe_module.Spec("b", "bfloat16", [None, 2]),
    probe_module.Spec("flag", "bool", []),
    probe_module.Spec("z", "complex64", [2]),
]
WEIGHTS = (np.arange(12).reshape(4, 3) % 7 - 3).astype(np.float32) / 4


@dataclass(frozen=True)
class Place:
    """An environment, what it has made and where it writes."""

    environment: Environment
    models: Path
    folder: Path

    def run(
        self,
        script: Path,
        out: Path,
        *,
        engine: VenvEngine | None = None,
        misbehave: str = "",
        inputs: Path | None = None,
        **request: object,
    ) -> RunOutcome:
        """Run a script as the engine runs probes; `inputs` is the folder of `inputs.npz`."""
        out.mkdir()
        if inputs is not None:
            request["inputs"] = "{inputs}/inputs.npz"
        run = Run(
            cell="cell",
            sweep="sweep",
            probe=script,
            request=json.dumps({"schema": 1, **request}),
            model=self.models,
            inputs=inputs,
            out=out,
            flags=Flags(name="f", variables={"MISBEHAVE": misbehave, "TF_CPP_MIN_LOG_LEVEL": "2"}),
            limits=Limits(
                timeout_seconds=180,
                memory_bytes=4096 * MEGABYTE,
                cpus=1,
                output_bytes=100 * MEGABYTE,
            ),
        )
        return (engine or VenvEngine()).run(self.environment, run, silent)

    def new(self) -> Path:
        """A folder that does not exist yet."""
        return self.folder / str(len(list(self.folder.iterdir())))

    def probe(
        self, model: str, loader: str, **request: object
    ) -> tuple[ProbeReport, dict[str, Tensor], RunOutcome]:
        """The probe's report, its outputs and how it ended; by default a request of one thread."""
        out = self.new()
        fixed = {"intra_op_threads": 1, "inter_op_threads": 1, "batch_size": 3}
        asked = {**fixed, "model": f"{{model}}/{model}", "loader": loader, **request}
        outcome = self.run(PROBE, out, **asked)
        report = read_report(out)
        assert report.completed == (outcome.ending is Ending.COMPLETED), outcome.log
        if not report.completed:
            assert not (out / "outputs.npz").exists()
            return report, {}, outcome
        arrays = read_npz(out / "outputs.npz", max_bytes=MEGABYTE, what="outputs.npz")
        return report, decode_outputs(report.outputs, arrays), outcome


def read_report(out: Path) -> ProbeReport:
    """The report, as strictly as the harness reads it."""
    return ProbeReport.model_validate_json((out / "report.json").read_bytes())


def failure_of(report: ProbeReport) -> Failure:
    """The failure, which must be there."""
    assert report.failure is not None
    return report.failure


def values(tensor: Tensor) -> np.ndarray:
    """The array of a tensor that is no string."""
    assert isinstance(tensor, NumericTensor)
    return tensor.array


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Place]:
    """Every environment with the models it made."""
    found = {}
    for version, (python, released) in RELEASES.items():
        cell = Cell(
            tensorflow=version,
            python=python,
            distribution=Distribution(name="tensorflow-cpu", version=version, released=released),
        )
        engine = VenvEngine()
        if why := engine.unobtainable(frozenset({python})):
            pytest.skip(str(why))
        folder = tmp_path_factory.mktemp(version)
        place = Place(make(engine, cell), folder / "models", folder)
        outcome = place.run(MAKER, place.models)
        assert outcome.ending is Ending.COMPLETED, outcome.log
        found[version] = place
    return found


@pytest.fixture(scope="module", params=RELEASES)
def version(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


Seen = tuple[ProbeReport, dict[str, Tensor]]


@pytest.fixture(scope="module")
def seen(places: dict[str, Place], version: str) -> Seen:
    """What the probe saw of a SavedModel with many types."""
    return places[version].probe("everything", "saved_model.load")[:2]


@pytest.fixture(scope="module")
def middle(places: dict[str, Place]) -> Place:
    return places["2.15.1"]


def generated(specs: list[probe_module.Spec]) -> dict[str, probe_module.Tensor]:
    """What the probe generates, by the NumPy that runs the tests."""
    request = {**probe_module.DEFAULTS, "batch_size": 3}
    return {tensor.name: tensor for tensor in probe_module.generate(sorted(specs), request)}


def test_a_saved_model_of_many_types(seen: Seen) -> None:
    report, outputs = seen
    inputs = generated(EVERYTHING)
    assert report.stage is Stage.COLLECT
    assert (report.failure, report.warnings) == (None, [])
    assert (report.loader, report.signature) == ("saved_model.load", "serving_default")
    assert report.inputs_generated
    assert report.inputs_digest == probe_module.digest(inputs.values())
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
    np.testing.assert_array_equal(values(outputs["half"]), inputs["x"].array.astype(np.float16))
    np.testing.assert_allclose(values(outputs["product"]), inputs["x"].array @ WEIGHTS, 1e-5)
    # Twice a bfloat16 is the next exponent: bit 7.
    np.testing.assert_array_equal(values(outputs["doubled"]), inputs["b"].array + 0x80)
    np.testing.assert_array_equal(values(outputs["z"]), inputs["z"].array)
    assert values(outputs["not"]) == (not inputs["flag"].array)
    words = {0: b"zero", 1: b"", 2: b"t\0wo\0"}
    assert outputs["word"] == StringTensor(
        (3,), tuple(words.get(number, b"many") for number in inputs["n"].array.tolist())
    )
    assert outputs["joined"] == StringTensor((), (b"".join(inputs["s"].array.ravel()),))


def test_what_really_ran_is_recorded(seen: Seen, version: str) -> None:
    report, _ = seen
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


def test_a_session_gives_the_same_bits(places: dict[str, Place], seen: Seen, version: str) -> None:
    report, outputs, _ = places[version].probe("everything", "session")
    called, eager = seen
    assert report.inputs_digest == called.inputs_digest
    assert report.outputs == called.outputs
    assert (report.actual.intra_op_threads, report.actual.device) == (1, "CPU")
    assert outputs["word"] == eager["word"]
    np.testing.assert_array_equal(values(outputs["product"]), values(eager["product"]))


def test_a_saved_model_of_tensorflow_1(places: dict[str, Place]) -> None:
    report, outputs, _ = places["2.21.0"].probe("old_graph", "saved_model.load")
    assert [(fact.name, fact.dtype) for fact in report.inputs] == [
        ("words", "string"),
        ("x", "float32"),
    ]
    assert values(outputs["numbers"]).tolist() == [-1, -1, -1]


def test_a_sparse_output(middle: Place) -> None:
    report, outputs, _ = middle.probe("old_graph", "session", signature="sparse")
    assert [fact.name for fact in report.outputs] == [
        "rest/dense_shape",
        "rest/indices",
        "rest/values",
    ]
    assert values(outputs["rest/dense_shape"]).tolist() == [3, 3]


def test_names_of_a_keras_model_are_those_of_its_file(places: dict[str, Place]) -> None:
    old = places["2.4.4"].models
    for place in places.values():
        for model, inputs, outputs in (
            ("sequential.h5", ["hidden_input"], ["scores"]),
            ("functional.h5", ["left", "right"], ["shared", "shared_1", "total"]),
            ("by_key.h5", ["a", "b"], ["left", "sum"]),
        ):
            here = Place(place.environment, old, place.folder)
            report, tensors, _ = here.probe(model, "keras.load_model")
            assert [fact.name for fact in report.inputs] == inputs
            specs = [probe_module.Spec(name, "float32", [None, 4]) for name in inputs]
            fed = generated(specs)
            assert report.inputs_digest == probe_module.digest(fed.values())
            assert [fact.name for fact in report.outputs] == outputs
            if model == "by_key.h5":  # the keys are crossed: `b` is the layer `left`
                np.testing.assert_array_equal(values(tensors["left"]), fed["b"].array)


def test_a_keras_archive_and_hdf5_give_the_same_bits(places: dict[str, Place]) -> None:
    archive, left, _ = places["2.21.0"].probe("functional.keras", "keras.load_model")
    hdf5, right, _ = places["2.21.0"].probe("functional.h5", "keras.load_model")
    assert archive.outputs == hdf5.outputs
    for name, tensor in left.items():
        np.testing.assert_array_equal(values(tensor), values(right[name]))


def test_given_inputs_are_fed(middle: Place, tmp_path: Path) -> None:
    given = np.arange(8, dtype=np.int32).reshape(2, 4)
    np.savez(tmp_path / "inputs.npz", anything=given)
    report, outputs, _ = middle.probe("sequential.h5", "keras.load_model", inputs=tmp_path)
    assert report.warnings == [
        "the input 'anything' is fed to 'hidden_input', the only one",
        "the input 'hidden_input' is converted from int32 to float32",
    ]
    assert not report.inputs_generated
    bias = (np.arange(3) % 7 - 3) / 4
    np.testing.assert_array_equal(
        values(outputs["scores"]), np.maximum(given @ WEIGHTS + bias, 0).astype(np.float32)
    )


def test_inputs_that_do_not_fit_fail_in_prepare(middle: Place, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "inputs.npz",
        x=np.zeros((2, 5), np.float32),
        n=np.zeros(2, np.int32),
        flag=np.zeros((), bool),
        z=np.zeros(2, np.complex64),
        w=np.zeros(1),
        b=np.zeros((2, 2), np.uint16),
    )
    report, _, _ = middle.probe("everything", "saved_model.load", inputs=tmp_path)
    assert report.stage is Stage.PREPARE
    assert (failure_of(report).type, failure_of(report).message) == (
        "ValueError",
        "the inputs do not fit the model: w is not an input; n has another dtype; s is missing; "
        "x has another shape\n"
        "  wanted: b bfloat16 [?, 2]; flag bool []; n int64 [?]; s string [?, 2]; "
        "x float32 [?, 4]; z complex64 [2]\n"
        "  given: b uint16 [2, 2]; flag bool []; n int32 [2]; w float64 [1]; x float32 [2, 5]; "
        "z complex64 [2]",
    )


def test_what_cannot_be_generated_or_called_fails_in_prepare(middle: Place) -> None:
    report, _, _ = middle.probe("everything", "saved_model.load", signature="any_shape")
    assert report.stage is Stage.PREPARE
    assert failure_of(report).message == (
        "the model does not say what shape its input 'x' has: give inputs.npz, or the shape in "
        "model.yaml"
    )
    report, _, _ = middle.probe("everything", "saved_model.load", signature="predict")
    assert report.stage is Stage.PREPARE
    assert failure_of(report).message == (
        "the model has no signature 'predict'; it has: any_shape, serving_default"
    )


def test_random_outputs_are_not_deterministic(middle: Place) -> None:
    request = {"signature": "any_shape", "dimensions": {"x": [2, 3]}, "ranges": {"x": [5, 6]}}
    report, outputs, _ = middle.probe("everything", "session", **request)
    assert report.deterministic is False
    assert values(outputs["y"]).shape == (2, 3)
    assert values(outputs["y"]).min() >= 5


def test_broken_models_fail_in_load(middle: Place) -> None:
    whole = (middle.models / "functional.h5").read_bytes()
    (middle.models / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    report, _, _ = middle.probe("truncated.h5", "keras.load_model")
    assert report.stage is Stage.LOAD
    assert failure_of(report).type == "OSError"
    assert "truncated file" in failure_of(report).message
    report, _, _ = middle.probe("functional.h5", "saved_model.load")
    assert report.stage is Stage.LOAD
    assert report.actual.tensorflow == "2.15.1"
    assert report.seconds.load is None


def test_an_exception_of_the_model_is_kept_with_its_end(middle: Place) -> None:
    report, _, outcome = middle.probe("bad.h5", "keras.load_model", misbehave="raise")
    assert (report.stage, outcome.exit_status) == (Stage.INFER, 1)
    failure = failure_of(report)
    assert failure.type == "RuntimeError"
    assert "first words" in failure.message
    assert "characters left out" in failure.message
    assert "last words" in failure.message
    assert 30_000 < len(failure.message) < 31_000
    assert "misbehave" in failure.traceback


def test_a_model_that_leaves_is_a_failure(middle: Place) -> None:
    report, _, outcome = middle.probe("bad.h5", "keras.load_model", misbehave="exit")
    assert (report.stage, outcome.exit_status) == (Stage.INFER, 1)
    assert (failure_of(report).type, failure_of(report).message) == ("SystemExit", "7")


def test_a_crash_leaves_the_stage(middle: Place) -> None:
    report, _, outcome = middle.probe("bad.h5", "keras.load_model", misbehave="abort")
    assert (outcome.ending, outcome.signal) == (Ending.SIGNAL, "SIGABRT")
    assert (report.stage, report.completed, report.failure) == (Stage.INFER, False, None)
    assert report.actual.tensorflow == "2.15.1"
    assert [fact.name for fact in report.inputs] == ["x"]
    assert "Fatal Python error: Aborted" in outcome.log


def test_a_hang_leaves_the_stage(middle: Place) -> None:
    engine, out = VenvEngine(), middle.new()

    def stop_when_it_hangs() -> None:
        while not ((out / "report.json").exists() and read_report(out).stage is Stage.INFER):
            time.sleep(0.1)
        engine.stop()

    thread = threading.Thread(target=stop_when_it_hangs, daemon=True)
    thread.start()
    outcome = middle.run(
        PROBE,
        out,
        engine=engine,
        misbehave="hang",
        model="{model}/bad.h5",
        loader="keras.load_model",
    )
    assert outcome.ending is Ending.INFRASTRUCTURE
    report = read_report(out)
    assert (report.stage, report.completed, report.failure) == (Stage.INFER, False, None)
