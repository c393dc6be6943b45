"""What a capture script does where it runs, with a TensorFlow that is made up."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import capturing.main as script
import numpy as np
import pytest
from probing.tensors import Tensor, describe, encoded, save_arrays

from harness.capture import capture_script
from harness.model.captured import captured_elsewhere, read_captured
from harness.model.model import Code
from harness.model.reading import read_model
from harness.npz import read_npz
from tests.support.model_files import write_saved_model

Seen = dict[str, Any]
Attempt = Callable[[Any, Seen, Any], None]
ALL = ("captured.json", "captured.lock", "expected.npz", "inputs.npz")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    write_saved_model(folder)
    return folder


class Machine:
    """A place with a TensorFlow that does as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.version = "2.15.1"
        numbers = np.arange(20, dtype=np.float32).reshape(2, 10)
        self.outputs = [Tensor("probabilities", "float32", numbers)]
        self.fed = [Tensor("image", "float32", np.ones((2, 8, 8, 1), np.float32))]
        self.error: BaseException | None = None
        self.requests: list[Seen] = []
        monkeypatch.setattr(script, "import_tensorflow", self._import)
        monkeypatch.setattr(script, "run_attempt", self._attempt)

    def _import(self, report: Any, device: str) -> object:
        report.actual.update(tensorflow=self.version, numpy=np.__version__, device=device.upper())
        return SimpleNamespace(tf=SimpleNamespace(__version__=self.version))

    def _attempt(self, start: object, request: Seen, report: Any) -> None:
        self.requests.append(dict(request))
        report.enter("load")
        if self.error is not None:
            raise self.error
        fed = {tensor.name: tensor.array for tensor in self.fed}
        if request["raw"] is not None:
            save_arrays(report.path("preprocessed.npz"), {"input": self.fed[0].array})
        elif request["inputs"] is None:
            save_arrays(report.path("inputs.npz"), fed)
        report.values["inputs"] = describe(self.fed)
        report.values["outputs"] = describe(self.outputs)
        report.values["deterministic"] = True
        arrays = {
            f"output_{index}{suffix}": array
            for index, tensor in enumerate(self.outputs)
            for suffix, array in encoded(tensor)
        }
        save_arrays(report.path("outputs.npz"), arrays)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def settings_for(given: Path, **code: Path) -> Seen:
    """What the host tells a script that it writes for `given`."""
    model = read_model(given)
    if code:
        raw = code.pop("raw")
        model = model.model_copy(update={"raw": raw, "code": Code(**code)})
    namespace: Seen = {"__name__": "a_script", "__file__": "capture.py"}
    exec(compile(capture_script(model, given), "capture.py", "exec"), namespace)
    settings: Seen = json.loads(namespace["SETTINGS"])
    return settings


def capture(given: Path, *arguments: str, settings: Seen | None = None) -> int:
    told = settings_for(given) if settings is None else settings
    status: int = script.run(told, str(given / "capture.py"), [*arguments])
    return status


def arrays(path: Path) -> dict[str, np.ndarray]:
    return read_npz(path, max_bytes=10**6, what=path.name)


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".pb")


def test_a_whole_capture(
    model: Path, machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("A_SECRET", "hunter2")
    assert capture(model) == 0
    assert written(model) == list(ALL)
    (output,) = arrays(model / "expected.npz").items()
    assert output[0] == "probabilities"
    np.testing.assert_array_equal(output[1], machine.outputs[0].array)
    np.testing.assert_array_equal(arrays(model / "inputs.npz")["image"], machine.fed[0].array)
    seen = read_captured(model / "captured.json")
    assert (seen.tensorflow, seen.loader, seen.device) == ("2.15.1", "saved_model.load", "CPU")
    assert seen.variables == {"TF_ENABLE_ONEDNN_OPTS": "0"}
    assert seen.packages["numpy"] == np.__version__
    assert seen.outputs[0].name == "probabilities"
    assert captured_elsewhere(seen, read_model(model)) is None
    assert "hunter2" not in (model / "captured.json").read_text()
    names = [line.split("==")[0] for line in (model / "captured.lock").read_text().splitlines()]
    assert names == sorted(names)
    out = capsys.readouterr().out
    assert f"{read_model(model).name} with TensorFlow 2.15.1, Python 3." in out
    assert "  inputs.npz     written: generated\n" in out
    assert "  expected.npz   written: probabilities float32 [2, 10]\n" in out
    assert out.endswith(f"in {model}\n")


def test_the_captured_model_is_read_as_it_was(model: Path, machine: Machine) -> None:
    capture(model)
    again = read_model(model)
    assert again.inputs == model / "inputs.npz"
    assert again.expected == model / "expected.npz"


def test_the_loader_goes_by_the_tensorflow_that_is_there(model: Path, machine: Machine) -> None:
    machine.version = "1.15.5"
    assert capture(model) == 0
    assert machine.requests[0]["loader"] == "session"
    assert read_captured(model / "captured.json").loader == "session"


def test_inputs_that_are_there_are_used_and_kept(
    model: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(model)
    np.savez(model / "inputs.npz", image=np.zeros((4, 8, 8, 1), np.float32))
    before = (model / "inputs.npz").read_bytes()
    for told in (settings, None):  # also where there were none when the script was made
        assert capture(model, "--force", settings=told) == 0
        assert machine.requests[-1]["inputs"] == str(model / "inputs.npz")
        assert (model / "inputs.npz").read_bytes() == before
        assert "inputs.npz     used as it is" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["expected.npz", "captured.lock", "captured.json"])
def test_nothing_is_replaced_without_force(
    model: Path, machine: Machine, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    settings = settings_for(model)
    (model / name).write_text("mine")
    assert capture(model, settings=settings) == 2
    assert not machine.requests
    assert (model / name).read_text() == "mine"
    assert capsys.readouterr().err == (
        f"error: there already: {model / name}\n  --force replaces them.\n"
    )
    assert capture(model, "--force", settings=settings) == 0
    assert written(model) == list(ALL)
    assert (model / name).read_bytes() != b"mine"


def test_a_model_that_fails_writes_nothing(
    model: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (ValueError("Unknown layer: Scale"), SystemExit(0)):
        machine.error = error
        assert capture(model) == 1
        assert written(model) == []
    told = capsys.readouterr().err
    assert "error: not captured, as it failed at load: ValueError: Unknown layer: Scale\n" in told
    assert "Nothing was written. Is this the Python the model was made with: " in told


def test_a_stopped_capture_writes_nothing(
    model: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.error = KeyboardInterrupt()
    assert capture(model) == 130
    assert written(model) == []
    assert capsys.readouterr().err == "stopped; nothing was written\n"


def test_a_disk_that_is_full_leaves_no_half(
    model: Path,
    machine: Machine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/disk")

    monkeypatch.setattr(json, "dump", full)
    assert capture(model) == 2
    assert written(model) == []
    assert capsys.readouterr().err == "error: /disk: No space left on device\n"


def test_another_folder(
    model: Path, machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(model)
    (tmp_path / "empty").mkdir()
    assert capture(model, str(tmp_path / "empty"), settings=settings) == 2
    assert "not the folder this script was made for, it lacks " in capsys.readouterr().err
    assert capture(model, str(tmp_path / "nowhere"), settings=settings) == 2
    assert capsys.readouterr().err.endswith("nowhere: there is no such folder\n")
    moved = tmp_path / "moved"
    model.rename(moved)
    assert capture(model, str(moved), settings=settings) == 0
    assert written(moved) == list(ALL)


def test_arguments_that_are_wrong(model: Path, machine: Machine, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        capture(model, "--device", "tpu")
    assert caught.value.code == 2
    assert "--device" in capsys.readouterr().err


def test_a_model_that_was_changed_is_told(
    model: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(model)
    shard = next(model.glob("variables/*.data*"))
    shard.write_bytes(shard.read_bytes() + b"x")
    assert capture(model, settings=settings) == 0
    assert "note: the model's files here are not those this script was made from" in (
        capsys.readouterr().out
    )
    seen = read_captured(model / "captured.json")
    assert seen.model.digest != settings["model"]["digest"]
    assert captured_elsewhere(seen, read_model(model)) is None


def test_what_preprocess_returned_becomes_the_inputs(
    model: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(model / "raw.npz", pixels=np.zeros(3))
    (model / "preprocess.py").write_text("def preprocess(raw): ...\n")
    settings = settings_for(model, raw=model / "raw.npz", preprocess=model / "preprocess.py")
    assert capture(model, settings=settings) == 0
    request = machine.requests[0]
    assert request["raw"] == str(model / "raw.npz")
    assert request["inputs"] is None
    assert Path(request["preprocess"]).name == "preprocess.py"
    assert Path(request["preprocess"]).parent != model
    assert list(arrays(model / "inputs.npz")) == ["image"]  # not `input`, as it has but one
    assert "inputs.npz     written: what preprocess.py made of raw.npz" in capsys.readouterr().out

    for name in ("expected.npz", "captured.json", "captured.lock"):
        (model / name).unlink()
    assert capture(model, settings=settings) == 0
    assert "inputs.npz     kept: it is what preprocess.py returns" in capsys.readouterr().out

    for name in ("expected.npz", "captured.json", "captured.lock"):
        (model / name).unlink()
    machine.fed = [machine.fed[0]._replace(array=machine.fed[0].array * 2)]
    assert capture(model, settings=settings) == 2
    assert written(model) == ["inputs.npz", "preprocess.py", "raw.npz"]
    assert "is there already, and is not what preprocess.py returns here" in capsys.readouterr().err
    assert capture(model, "--force", settings=settings) == 0
    assert arrays(model / "inputs.npz")["image"].max() == 2


def test_outputs_of_every_type(model: Path, machine: Machine, capsys: Any) -> None:
    texts = np.array([[b"a", b"bcd"], [b"", b"\xff\x00x"]], dtype=object)
    machine.outputs = [
        Tensor("a/values", "int64", np.arange(3)),
        Tensor("bits", "bfloat16", np.array([16256], np.uint16)),
        Tensor("none", "string", np.empty((0, 2), dtype=object)),
        Tensor("text", "string", texts),
        Tensor("zero", "string", np.array([b"x\x00"], dtype=object)),
    ]
    assert capture(model) == 0
    found = arrays(model / "expected.npz")
    assert list(found) == ["a/values", "bits", "none", "text"]
    assert found["none"].shape == (0, 2)
    assert found["text"].tolist() == texts.tolist()
    assert found["bits"].dtype == np.uint16
    assert "note: 'zero' is not in expected.npz: NumPy cannot store" in capsys.readouterr().out


def test_large_outputs_are_never_held(model: Path, machine: Machine, monkeypatch: Any) -> None:
    def no(*_: object, **__: object) -> None:
        raise AssertionError("an array was read")

    monkeypatch.setattr(np, "load", no)
    assert capture(model) == 0
    with zipfile.ZipFile(model / "expected.npz") as archive:
        assert archive.namelist() == ["probabilities.npy"]
