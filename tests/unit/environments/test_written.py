from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.environments import written
from harness.environments.folders import remove_tree
from harness.environments.written import MOST_DEPTH, MOST_ENTRIES, FreeSpace, Written, measure

GIBIBYTE = 2**30


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is removed at once: pytest itself cannot remove what is very deep."""
    made = tmp_path / "out"
    made.mkdir()
    yield made
    remove_tree(made)


def dig(folder: Path, depth: int) -> None:
    """Make folders one below the other, however long the path gets."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_what_is_there_is_measured(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(bytes(100))
    os.link(tmp_path / "a", tmp_path / "inner" / "again")
    (tmp_path / "inner" / "b").write_bytes(bytes(20))
    (tmp_path / "link").symlink_to("/usr")
    os.mkfifo(tmp_path / "pipe")
    found = measure(tmp_path)
    assert found == Written(size=100 + 20 + len("/usr"), entries=6)
    assert found.excess is None
    assert measure(tmp_path / "missing") == Written()


def test_holes_count_as_bytes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(2**40)
    assert measure(tmp_path).size == 2**40


def test_what_is_reserved_counts_as_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = SimpleNamespace(st_mode=0o100644, st_dev=1, st_ino=1, st_size=10, st_blocks=2**20)
    monkeypatch.setattr(written, "_entries", lambda folder: [("file", status)])
    assert measure(tmp_path).size == 2**29
    status.st_blocks = 8
    assert measure(tmp_path).size == 10


def test_many_files_are_not_all_looked_at(tmp_path: Path) -> None:
    for number in range(MOST_ENTRIES + 5):
        os.close(os.open(tmp_path / str(number), os.O_CREAT | os.O_WRONLY))
    found = measure(tmp_path)
    assert found.entries == MOST_ENTRIES + 1
    assert found.excess == "wrote more than 10,000 files and folders"


def test_deep_folders_are_not_followed_down(folder: Path) -> None:
    dig(folder, MOST_DEPTH - 1)
    assert measure(folder).excess is None
    remove_tree(folder / "d")
    dig(folder, 5000)
    assert measure(folder).excess == "wrote folders 32 deep, or hidden ones"


def test_deep_and_locked_folders_are_removed(folder: Path) -> None:
    dig(folder, 5000)
    locked = folder / "a" / "b"
    locked.mkdir(parents=True)
    (locked / "file").write_text("x")
    locked.chmod(0)
    locked.parent.chmod(0)
    remove_tree(folder)
    assert not folder.exists()


class Disk:
    """A disk of 100 GiB, free as the test says at each look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *free: float) -> None:
        self.free = [int(each * GIBIBYTE) for each in free]
        monkeypatch.setattr(written, "_LOOK_SECONDS", 0)
        monkeypatch.setattr(written, "_LOOKS", 3)
        monkeypatch.setattr(FreeSpace, "_usage", lambda space: self.usage())

    def usage(self) -> SimpleNamespace:
        free = self.free.pop(0) if len(self.free) > 1 else self.free[0]
        return SimpleNamespace(total=100 * GIBIBYTE, free=free)


def test_a_disk_that_is_taken_and_comes_back_was_taken_by_what_ran(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Disk(monkeypatch, 40, 20, 0.5, 0.6, 39)
    space = FreeSpace(Path())
    assert not space.is_scarce()
    assert space.is_scarce()
    assert space.taken() == "42,412,802,048 bytes of 42,949,672,960 that were free"
    assert space.came_back()


def test_a_disk_that_stays_full_was_taken_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    Disk(monkeypatch, 40, 0.5)
    space = FreeSpace(Path())
    assert space.is_scarce()
    assert not space.came_back()


def test_a_disk_that_was_nearly_full_before_is_no_hindrance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Disk(monkeypatch, 0.5, 0.4, 0.2)
    space = FreeSpace(Path())
    assert not space.is_scarce()
    assert space.is_scarce()
