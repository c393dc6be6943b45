"""What a model is, and the script that records it where it was made: no engine, no index."""

from __future__ import annotations

import json
import shutil

import pytest

from harness import planning
from tests.support.model_files import HDF5
from tests.support.shell import Shell


@pytest.fixture(autouse=True)
def nothing_else(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_names: object) -> None:
        raise AssertionError

    monkeypatch.setattr("harness.environments.choose.choose_engine", refuse)
    monkeypatch.setattr(planning, "read_index", refuse)
    (shell.folder / "matrix.yaml").unlink()


@pytest.fixture
def whole(shell: Shell) -> Shell:
    shutil.copy(HDF5 / "whole.h5", shell.folder / "digits.h5")
    return shell


def test_a_model_is_told_as_text(whole: Shell) -> None:
    assert whole("inspect", "digits.h5") == 0
    assert whole.out.startswith("Model\n  name    digits.h5\n")
    assert "keras.load_model" in whole.out
    assert max(map(len, whole.out.splitlines())) <= 120


def test_a_model_is_told_as_json(whole: Shell) -> None:
    assert whole("inspect", "digits.h5", "--format", "json") == 0
    told = json.loads(whole.out)
    assert (told["name"], told["format"]) == ("digits.h5", "hdf5")


@pytest.mark.parametrize("command", ["inspect", "capture"])
def test_what_is_no_model_is_exit_2(shell: Shell, command: str) -> None:
    assert shell(command, "nowhere") == 2
    assert shell.err.startswith("error: nowhere: does not exist\n")


def test_a_capture_script_is_written(shell: Shell) -> None:
    assert shell("capture", "tiny", "--output", "record.py") == 0
    text = (shell.folder / "record.py").read_text()
    compile(text, "record.py", "exec")
    assert shell.out.startswith("record.py: records tiny where it was made.")
    assert shell("capture", "tiny", "--output", "record.py") == 0
    assert shell("capture", "tiny") == 0
    assert (shell.folder / "capture.py").read_text() == text


def test_a_capture_script_replaces_nothing_else(shell: Shell) -> None:
    (shell.folder / "capture.py").write_text("# mine\n")
    assert shell("capture", "tiny") == 2
    assert (shell.folder / "capture.py").read_text() == "# mine\n"
