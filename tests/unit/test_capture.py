"""The capture script as the host writes it."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import harness.capture
from harness.capture import write_capture
from harness.errors import ModelError, ResultsError, UsageError
from harness.model.contents import model_digest, model_files
from harness.model.reading import read_model
from harness.plan.captured import VARIABLES
from tests.support.model_files import write_saved_model

PROBE = Path(harness.capture.__file__).parent / "probe"
NEWER_THAN_3_6 = {"dataclasses", "contextvars", "graphlib", "tomllib", "zoneinfo"}
NOT_ON_WINDOWS = {"fcntl", "grp", "pwd", "resource", "termios"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "task" / "model"
    write_saved_model(folder)
    np.savez(folder.parent / "inputs.npz", image=np.zeros((5, 8, 8, 1), np.float32))
    return folder


def script_of(given: Path, output: Path) -> str:
    write_capture(given, output)
    return output.read_text("utf-8")


def loaded(path: Path) -> ModuleType:
    """The script as a module: `main` is not run."""
    spec = importlib.util.spec_from_file_location("a_capture_script", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings_of(path: Path) -> Any:
    return json.loads(loaded(path).SETTINGS)


def test_the_script_holds_every_module_it_imports_as_it_is(model: Path, tmp_path: Path) -> None:
    script_of(model, tmp_path / "capture.py")
    sources = loaded(tmp_path / "capture.py").SOURCES
    assert {"capturing", "capturing.main", "probing", "probing.attempt"} <= set(sources)
    for name, text in sources.items():
        path = PROBE.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assert text == path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                ours = node.module.split(".")[0] in ("probing", "capturing")
                assert not ours or node.module in sources


def test_the_script_can_be_read(model: Path, tmp_path: Path) -> None:
    text = script_of(model, tmp_path / "capture.py")
    assert text.startswith('#!/usr/bin/env python3\n"""Records a model where it was made')
    assert "\ndef run_attempt(start, request, report):\n" in text
    assert "SOURCES['" in text
    assert text.count("= r'''") == 1 + len(loaded(tmp_path / "capture.py").SOURCES)


def test_the_script_needs_the_standard_library_of_3_6_to_start(model: Path, tmp_path: Path) -> None:
    tree = ast.parse(script_of(model, tmp_path / "capture.py"), feature_version=(3, 6))
    sources = loaded(tmp_path / "capture.py").SOURCES
    for part in (tree, *(ast.parse(text, feature_version=(3, 6)) for text in sources.values())):
        newer = (ast.NamedExpr, ast.Match, ast.TryStar)
        assert not [node for node in ast.walk(part) if isinstance(node, newer)]
        for node in part.body:
            if isinstance(node, ast.Import):
                names = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").split(".")[0]}
            else:
                continue
            known = sys.stdlib_module_names - NEWER_THAN_3_6 - NOT_ON_WINDOWS
            assert names <= known | {"probing", "capturing"}


def test_embedded_modules_are_imported_from_the_text(model: Path, tmp_path: Path) -> None:
    script_of(model, tmp_path / "capture.py")
    script = loaded(tmp_path / "capture.py")
    importer = script.Embedded()
    assert importer.find_spec("numpy") is None
    spec = importer.find_spec("probing.tensors")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.Tensor._fields == ("name", "dtype", "array")
    assert importer.is_package("probing")
    assert not importer.is_package("probing.tensors")
    assert importer.get_source("probing.tensors") == script.SOURCES["probing.tensors"]
    code = importer.get_code("probing.tensors")
    assert code.co_filename == "capture.py:probing.tensors"


def test_what_the_script_is_told(model: Path, tmp_path: Path) -> None:
    script_of(model, tmp_path / "capture.py")
    settings = settings_of(tmp_path / "capture.py")
    read = read_model(model)
    assert settings["model"] == {
        "name": "task-model",
        "path": ".",
        "digest": model_digest(model_files(read.path, read.format), ()),
        "files": {name: name for name in model_files(read.path, read.format)},
    }
    assert settings["root"] == ".."
    assert settings["files"] == {"inputs.npz": "../inputs.npz"}
    assert settings["variables"] == list(VARIABLES)
    requests = [(each["since"], each["request"]["loader"]) for each in settings["requests"]]
    assert requests == [([1, 0], "session"), ([2, 0], "saved_model.load")]
    for each in settings["requests"]:
        request = each["request"]
        assert request["model"] == "{model}"
        assert request["inputs"] == "{files}/inputs.npz"
        assert request["intra_op_threads"] is request["inter_op_threads"] is None


def test_nothing_of_this_machine_is_in_the_script(model: Path, tmp_path: Path) -> None:
    text = script_of(model, tmp_path / "capture.py")
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text or Path.home() == Path("/")


def test_a_model_file_is_named_by_its_place_in_the_folder(model: Path, tmp_path: Path) -> None:
    script_of(model / "saved_model.pb", tmp_path / "capture.py")
    settings = settings_of(tmp_path / "capture.py")
    assert settings["model"]["path"] == "."
    assert "saved_model.pb" in settings["model"]["files"].values()


def test_what_the_user_is_told(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.py"
    assert write_capture(model, output) == (
        f"{output}: records task-model where it was made. There, with the Python that made it:\n"
        "  python x.py MODEL_DIR\n"
        "Bring what it writes beside the model (expected.npz, captured.json, ...) back here, and\n"
        "add `include: [{captured: true}]` to matrix.yaml to have that environment among the rest."
    )
    assert output.stat().st_mode & 0o777 == 0o755


def test_only_a_capture_script_is_replaced(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "capture.py"
    first = script_of(model, output)
    assert script_of(model, output) == first
    output.write_text("print('mine')\n")
    with pytest.raises(UsageError, match="is there already, and is no capture script"):
        write_capture(model, output)
    assert output.read_text() == "print('mine')\n"
    with pytest.raises(UsageError, match="is no capture script"):
        write_capture(model, tmp_path)


def test_a_place_that_cannot_be_written(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match=r"capture\.py: cannot be written: "):
        write_capture(model, tmp_path / "file" / "capture.py")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        write_capture(tmp_path, tmp_path / "capture.py")
    assert not (tmp_path / "capture.py").exists()
