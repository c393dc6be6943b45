"""Sizes of folders, folders that know whose they are, and locks on them."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.environments.owner import LABEL, is_orphan, owner

__all__ = [
    "abandoned_folders",
    "locked",
    "private_folder",
    "remove_folder",
    "remove_tree",
    "tree_bytes",
    "unlock",
]

_OWNER_FILE = "owner"
_PATIENCE_SECONDS = 0.2


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder only this user can read; removed afterwards.

    It lies in the system's folder for temporary files and has a short path, because sockets are
    made below it and their paths are limited to 107 bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{LABEL}-"))
    try:
        (folder / _OWNER_FILE).write_text(owner())
        yield folder
    finally:
        remove_tree(folder)


def abandoned_folders() -> tuple[Path, ...]:
    """Return the private folders of this user's harness processes that no longer live."""
    found = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{LABEL}-*")):
        with suppress(OSError):
            mine = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
            if mine and is_orphan((folder / _OWNER_FILE).read_text()):
                found.append(folder)
    return tuple(found)


@contextmanager
def locked(path: Path, give_up: threading.Event) -> Iterator[bool]:
    """Hold the lock file `path` against other threads and processes; it is left in place.

    Yields False, without the lock, once `give_up` is set. The system lets go of the lock of a
    process that was killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        while not give_up.is_set():
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                give_up.wait(_PATIENCE_SECONDS)
            else:
                yield True
                return
        yield False


def tree_bytes(folder: Path) -> int:
    """Return the bytes of the files below `folder`; links are neither followed nor counted twice.

    Files that vanish meanwhile count as nothing.
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = Path(parent, name).lstat()
                if status.st_nlink > 1 and (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                total += status.st_size
    return total


def unlock(path: Path) -> None:
    """Let this user list and change a folder that was locked by its modes; not what is below it.

    Nothing happens to files, links and what another user owns.
    """
    if path.is_dir() and not path.is_symlink():
        with suppress(OSError):
            path.chmod(path.stat().st_mode | stat.S_IRWXU)


def remove_tree(folder: Path) -> None:
    """Remove `folder` with all that a run may have made in it, as far as this user can."""
    for parent, names, _ in os.walk(folder):
        for name in names:
            unlock(Path(parent, name))
    shutil.rmtree(folder, ignore_errors=True)


def remove_folder(folder: Path) -> str | None:
    """Remove `folder` and say so; None where there is none."""
    if not folder.exists():
        return None
    size = tree_bytes(folder)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        return f"could not remove {folder}: {error.strerror}"
    return f"removed {folder} ({size:,} bytes)"
