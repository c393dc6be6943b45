from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.environments.ended import Ended, outcome_of, read_ended
from harness.observation import Ending

SOUND = {"schema": 1, "status": 0, "signal": None, "seconds": 1.5, "oom_kills": 2}


def write(folder: Path, value: object) -> Path:
    path = folder / "ended.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_what_the_parent_writes_is_read(tmp_path: Path) -> None:
    ended = read_ended(write(tmp_path, SOUND | {"more": "of a later version"}))
    assert ended is not None
    assert (ended.status, ended.signal, ended.seconds, ended.oom_kills) == (0, None, 1.5, 2)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{",
        "[]",
        "\0" * 10,
        SOUND | {"schema": 2},
        SOUND | {"status": "0"},
        SOUND | {"status": 256},
        SOUND | {"status": True},
        SOUND | {"signal": "SEGV"},
        SOUND | {"signal": "SIG" + "X" * 100},
        SOUND | {"seconds": -1.0},
        SOUND | {"seconds": None},
        SOUND | {"oom_kills": -1},
        {"schema": 1},
        SOUND | {"padding": "x" * 4096},
        "[" * 4000,
    ],
)
def test_anything_else_is_nothing(tmp_path: Path, value: object) -> None:
    assert read_ended(write(tmp_path, value)) is None


def test_what_is_no_file_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ended.json"
    assert read_ended(path) is None
    path.mkdir()
    assert read_ended(path) is None
    path.rmdir()
    os.mkfifo(path)
    assert read_ended(path) is None
    path.unlink()
    (tmp_path / "real.json").write_text(json.dumps(SOUND))
    path.symlink_to(tmp_path / "real.json")
    assert read_ended(path) is None
    assert read_ended(tmp_path / "real.json" / "ended.json") is None


@pytest.mark.parametrize(
    ("status", "signal", "ending", "exit_status", "crashed"),
    [
        (0, None, Ending.COMPLETED, 0, False),
        (1, None, Ending.EXIT, 1, False),
        (3, None, Ending.EXIT, 3, True),
        (139, None, Ending.EXIT, 139, True),  # a status like a shell's, but no signal
        (None, "SIGSEGV", Ending.SIGNAL, 139, True),
        (None, "SIGKILL", Ending.INFRASTRUCTURE, 137, True),
        (None, "SIG40", Ending.INFRASTRUCTURE, None, True),
        (None, None, Ending.EXIT, None, True),
    ],
)
def test_how_an_attempt_ended(
    status: int | None,
    signal: str | None,
    ending: Ending,
    exit_status: int | None,
    crashed: bool,
) -> None:
    ended = Ended(schema=1, status=status, signal=signal, seconds=0.0)
    outcome = outcome_of(ended)
    assert (outcome.ending, outcome.exit_status, outcome.signal) == (ending, exit_status, signal)
    assert ended.crashed is crashed


def test_a_signal_without_a_name_is_explained() -> None:
    ended = Ended(schema=1, status=None, signal="SIG40", seconds=0.0)
    assert outcome_of(ended).message == "ended from outside by SIG40"
