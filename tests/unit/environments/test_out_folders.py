from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.environments.out_folders import OutFolders

ENDED = {"schema": 1, "status": 0, "signal": None, "seconds": 1.0}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir(mode=0o777)
    return made


@pytest.fixture
def folders(out: Path) -> OutFolders:
    made = OutFolders(out, foreign=False)
    for name in ("a", "b"):
        made.make(name)
    return made


@pytest.mark.parametrize(("foreign", "mode"), [(True, 0o777), (False, 0o700)])
def test_only_its_folder_is_open_to_an_attempt(out: Path, foreign: bool, mode: int) -> None:
    folders = OutFolders(out, foreign=foreign)
    folders.make("a")
    assert out.stat().st_mode & 0o777 == 0o755
    assert (out / "a").stat().st_mode & 0o777 == mode
    (aside,) = (path for path in out.parent.iterdir() if path != out)
    assert aside.stat().st_mode & 0o777 == 0o700


def test_what_was_written_comes_back_and_nothing_else(out: Path, folders: OutFolders) -> None:
    (out / "a" / "report.json").write_text("of a")
    (out / "junk").mkdir()
    (out / "file").write_text("junk")
    folders.take("a")
    assert not (out / "a").exists()
    folders.take("b")
    folders.put_back()
    assert sorted(path.name for path in out.rglob("*")) == ["a", "b", "report.json"]
    assert (out / "a" / "report.json").read_text() == "of a"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_attempt_begins_with_an_empty_folder(out: Path, folders: OutFolders) -> None:
    (out / "b" / "ended.json").write_text(json.dumps(ENDED))
    (out / "b" / "inner").mkdir(mode=0)
    assert folders.ended("b") is not None
    folders.make("b")
    assert folders.ended("b") is None
    assert list((out / "b").iterdir()) == []


def test_where_an_attempt_is(out: Path, folders: OutFolders) -> None:
    assert not folders.begun("a")
    (out / "a" / "probe.log").touch()
    assert folders.begun("a")
    assert folders.ended("a") is None
    (out / "a" / "ended.json").write_text(json.dumps(ENDED))
    ended = folders.ended("a")
    assert ended is not None
    assert ended.status == 0


@pytest.mark.parametrize("locked", [0o000, 0o500, 0o700])
def test_a_folder_that_was_locked_is_taken_all_the_same(
    out: Path, folders: OutFolders, locked: int
) -> None:
    (out / "a" / "report.json").write_text("of a")
    (out / "a").chmod(locked)
    folders.take("a")
    folders.take("b")
    folders.put_back()
    assert (out / "a" / "report.json").read_text() == "of a"


def test_what_stands_in_the_place_of_a_folder_is_not_taken_for_it(
    out: Path, folders: OutFolders, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "report.json").write_text("of the user")
    (secret / "probe.log").write_text("of the user")
    (out / "a").rename(out / "mine")
    (out / "a").symlink_to(secret)
    (out / "b").rename(out / "other")
    (out / "b").mkdir()
    (out / "b" / "report.json").write_text("another folder")
    assert folders.begun("a")
    for name in ("a", "b"):
        folders.take(name)
        assert folders.printed(name) == ""
    folders.put_back()
    assert sorted(path.name for path in out.rglob("*")) == ["a", "b"]
    assert not (out / "a").is_symlink()
    assert (secret / "report.json").read_text() == "of the user"


def test_a_folder_that_is_gone_is_an_empty_one(out: Path, folders: OutFolders) -> None:
    (out / "a").rmdir()
    folders.take("a")
    folders.take("a")
    folders.put_back()
    assert list((out / "a").iterdir()) == []


def test_reports_of_those_that_wait_are_not_the_attempts_output(
    out: Path, folders: OutFolders
) -> None:
    (out / "a" / "outputs.npz").write_bytes(bytes(1000))
    (out / "b" / "report.json").write_bytes(bytes(500))
    assert folders.written_bytes(["b"]) == 1000
    (out / "b" / "more").write_bytes(bytes(30))
    assert folders.written_bytes(["b"]) == 1030
    (out / "b" / "report.json").write_bytes(bytes(10**6))
    assert folders.written_bytes(["b"]) == 1030 + 10**6 - 128 * 1024


def test_what_was_printed_is_read_within_bounds(out: Path, folders: OutFolders) -> None:
    (out / "a" / "probe.log").write_bytes(b"first" + bytes(2 * 10**6) + b"last")
    os.mkfifo(out / "b" / "probe.log")
    for name in ("a", "b"):
        folders.take(name)
    printed = folders.printed("a")
    assert printed.startswith("first")
    assert printed.endswith("last")
    assert len(printed) < 10**6
    assert "bytes left out" in printed
    assert folders.printed("b") == ""
