"""A model is captured where it was made, and that environment is rebuilt and compared with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cell import Cell, Distribution
from harness.environments.engine import Lock
from harness.environments.venv.engine import VenvEngine
from harness.model.captured import captured_elsewhere, read_captured
from harness.model.reading import read_model
from harness.npz import read_npz
from tests.integration.engine_contract import make, silent

pytestmark = pytest.mark.tensorflow

DIGITS = Path(__file__).parents[2] / "examples" / "digits"

RELEASES = {
    "2.4.4": ("3.8", datetime(2021, 11, 1, tzinfo=UTC), "h5"),
    "2.15.1": ("3.11", datetime(2024, 3, 8, tzinfo=UTC), "savedmodel"),
}
"""Version to Python, date and the form of the example that it reads."""

MATRIX = """\
schema: 1
tensorflow: ["{version}"]
exclude: [{{tensorflow: "{version}", reason: only where it was made is looked at}}]
include: [{{captured: true}}]
limits: {{timeout: 180, memory: 3g, cpus: 1, output: 100m}}
"""

PREPROCESS = """\
import helper

def preprocess(raw):
    return helper.scaled(raw["pixels"])
"""
HELPER = """\
def scaled(pixels):
    return pixels.astype("float32") / 16
"""


@pytest.fixture(scope="module", params=RELEASES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    version: str = request.param
    python, released, form = RELEASES[version]
    cell = Cell(
        tensorflow=version,
        python=python,
        distribution=Distribution(name="tensorflow-cpu", version=version, released=released),
    )
    engine = VenvEngine()
    program = Path(make(engine, cell).location) / "bin" / "python"
    lock = engine.lock(cell, (), silent)
    assert isinstance(lock, Lock)
    return Place(
        version=version,
        python=python,
        model=DIGITS / form,
        program=program,
        packages=lock.packages,
        folder=tmp_path_factory.mktemp("capture"),
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a model was made, and a folder to work in."""

    version: str
    python: str
    model: Path
    program: Path
    packages: Mapping[str, str]
    folder: Path

    def copy(self, name: str) -> Path:
        """A copy of the model without what is recorded beside it."""
        folder = self.folder / name
        shutil.copytree(self.model, folder)
        return folder

    def script(self, model: Path) -> Path:
        """The script that `harness capture` writes."""
        output = self.folder / f"capture-{model.name}.py"
        done = harness("capture", str(model), "--output", str(output), folder=self.folder)
        assert done.returncode == 0, done.stderr
        return output

    def capture(
        self, script: Path, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script as a user does, from another folder."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
        return subprocess.run(
            [self.program, script, *arguments],
            cwd=self.folder,
            env={**kept, "TF_CPP_MIN_LOG_LEVEL": "3", **variables},
            capture_output=True,
            text=True,
            check=False,
        )


def harness(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def arrays(path: Path) -> Mapping[str, np.ndarray]:
    return read_npz(path, max_bytes=10**8, what=path.name)


def test_what_is_captured_is_rebuilt_and_agrees(place: Place) -> None:
    model = place.copy("whole")
    script = place.script(model)
    done = place.capture(script, str(model), TF_ENABLE_ONEDNN_OPTS="0")
    assert done.returncode == 0, done.stderr
    assert f"with TensorFlow {place.version}, Python {place.python}." in done.stdout

    seen = read_captured(model / "captured.json")
    assert seen.tensorflow == place.version
    assert seen.python_minor == place.python
    assert seen.implementation == "CPython"
    assert seen.device == "CPU"
    assert seen.deterministic
    assert seen.variables == {"TF_ENABLE_ONEDNN_OPTS": "0"}
    assert seen.numpy == place.packages["numpy"]
    assert seen.distribution == "tensorflow-cpu"
    assert place.packages.items() <= seen.packages.items()
    read = read_model(model)
    assert captured_elsewhere(seen, read) is None
    assert (read.captured, read.inputs, read.expected) == (
        model / "captured.json",
        model / "inputs.npz",
        model / "expected.npz",
    )
    (inputs,) = arrays(model / "inputs.npz").values()
    (outputs,) = arrays(model / "expected.npz").values()
    assert inputs.shape == (8, 8, 8, 1)
    assert outputs.shape == (8, 10)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)

    again = place.capture(script, str(model))
    assert again.returncode == 2
    assert "--force replaces them" in again.stderr

    # What is there beside TensorFlow is no part of what is rebuilt.
    with (model / "captured.lock").open("a") as stream:
        stream.write("no-such-package-anywhere==1.2.3\n")
    table = matrix(place, model)
    (cell,) = table["cells"]
    assert cell["id"] == f"tf{place.version}-py{place.python}-cpu-captured+captured"
    assert cell["verdict"] in ("identical", "equivalent"), cell["reason"]
    assert cell["actual"]["numpy"] == seen.numpy
    assert cell["actual"]["keras"] == seen.keras
    assert table["reference"]["cell"] is None


def matrix(place: Place, model: Path) -> dict[str, Any]:
    """The table of what was captured, in a sweep of its own."""
    (place.folder / "matrix.yaml").write_text(MATRIX.format(version=place.version))
    done = harness("matrix", str(model), "--engine", "venv", folder=place.folder)
    assert done.returncode == 0, done.stderr
    (path,) = (place.folder / "results").glob("*/latest/table.json")
    table: dict[str, Any] = json.loads(path.read_text())
    return table


def test_a_model_that_was_not_captured_is_told(place: Place) -> None:
    (place.folder / "matrix.yaml").write_text(MATRIX.format(version=place.version))
    model = place.copy("plain")
    done = harness("matrix", str(model), "--engine", "venv", folder=place.folder)
    assert done.returncode == 2
    assert "the model has no captured.json" in done.stderr
    assert "run `harness capture MODEL_DIR`" in done.stderr


def test_preprocess_is_run_as_in_every_environment(place: Place) -> None:
    model = place.copy("raw")
    (model / "custom_objects.py").write_text(HELPER)
    (model / "preprocess.py").write_text(PREPROCESS.replace("helper", "custom_objects"))
    pixels = np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8, 1) % 17
    np.savez(model / "raw.npz", pixels=pixels)
    done = place.capture(place.script(model), str(model))
    assert done.returncode == 0, done.stderr
    assert "written: what preprocess.py made of raw.npz" in done.stdout
    (inputs,) = arrays(model / "inputs.npz").items()
    np.testing.assert_array_equal(inputs[1], pixels.astype(np.float32) / 16)
    read = read_model(model)  # the inputs have the name that the model's own have
    assert read.raw == model / "raw.npz"


def test_a_model_that_cannot_be_loaded_leaves_nothing(place: Place) -> None:
    model = place.copy("broken")
    script = place.script(model)
    for path in (*model.rglob("*.data-*"), *model.rglob("*.h5")):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
    before = sorted(model.rglob("*"))
    done = place.capture(script, str(model))
    assert done.returncode == 1
    assert "note: the model's files here are not those this script was made from" in done.stdout
    assert "error: not captured, as it failed at load: " in done.stderr
    assert sorted(model.rglob("*")) == before


def test_the_script_lies_in_the_model_and_its_files_are_not_imported(place: Place) -> None:
    model = place.copy("inside")
    script = shutil.move(place.script(model), model / "capture.py")
    (model / "numpy.py").write_text("raise SystemExit('the model was imported as NumPy')\n")
    done = place.capture(Path(script))
    assert done.returncode == 0, done.stderr
    assert (model / "captured.json").is_file()
