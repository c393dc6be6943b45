from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest

from harness.environments.folders import (
    abandoned_folders,
    locked,
    private_folder,
    remove_folder,
    remove_tree,
    tree_bytes,
    unlock,
)
from harness.environments.owner import LABEL, owner


def test_sizes_follow_no_link_and_count_no_file_twice(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a").write_bytes(bytes(100))
    os.link(inner / "a", tmp_path / "again")
    (tmp_path / "link").symlink_to("/usr")
    (tmp_path / "b").write_bytes(bytes(7))
    assert tree_bytes(tmp_path) == 107
    assert tree_bytes(tmp_path / "missing") == 0


def test_removing_says_what_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "venvs"
    folder.mkdir()
    (folder / "a").write_bytes(bytes(1234))
    assert remove_folder(folder) == f"removed {folder} (1.2 kB)"
    assert not folder.exists()
    assert remove_folder(folder) is None


def test_what_a_run_has_locked_is_removed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o500)
    folder = tmp_path / "folder"
    (folder / "inner" / "deep").mkdir(parents=True)
    (folder / "inner" / "deep" / "file").write_text("x")
    (folder / "link").symlink_to(elsewhere)
    for inner in (folder / "inner" / "deep", folder / "inner"):
        inner.chmod(0)
    remove_tree(folder)
    assert not folder.exists()
    assert elsewhere.stat().st_mode & 0o777 == 0o500


def test_only_folders_are_unlocked(tmp_path: Path) -> None:
    for name in ("folder", "file"):
        path = tmp_path / name
        path.mkdir() if name == "folder" else path.touch()
        path.chmod(0o040)
        (tmp_path / f"{name}-link").symlink_to(path)
        unlock(tmp_path / f"{name}-link")
        unlock(path)
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o740
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o040
    unlock(tmp_path / "nothing")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_private_folder_is_short_lived(temporary: Path) -> None:
    with private_folder() as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o777 == 0o700
        assert abandoned_folders() == ()
    assert not folder.exists()


def test_folders_of_the_dead_are_found(temporary: Path) -> None:
    host = owner().split(":")[0]
    labels = {
        "dead": f"{host}:{os.getpid()}:1.00",
        "alive": owner(),
        "elsewhere": "other-host:1:1.00",
        "foreign": "something else",
    }
    for name, label in labels.items():
        (temporary / f"{LABEL}-{name}").mkdir()
        (temporary / f"{LABEL}-{name}" / "owner").write_text(label)
    (temporary / f"{LABEL}-empty").mkdir()
    assert abandoned_folders() == (temporary / f"{LABEL}-dead",)


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    never, at_once = threading.Event(), threading.Event()
    at_once.set()
    with locked(path, never) as first:
        assert first
        entered = threading.Event()
        given_up = threading.Event()
        outcomes: list[bool] = []

        def wait() -> None:
            entered.set()
            with locked(path, given_up) as second:
                outcomes.append(second)

        thread = threading.Thread(target=wait)
        thread.start()
        entered.wait()
        assert outcomes == []
        given_up.set()
        thread.join()
        assert outcomes == [False]
    with locked(path, never) as third:
        assert third
    with locked(path, at_once) as fourth:
        assert not fourth
