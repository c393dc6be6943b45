"""Sizes of folders, folders that know whose they are, and locks on them."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.environments.owner import LABEL, is_orphan, owner
from harness.sizes import shown_size

__all__ = [
    "abandoned_folders",
    "locked",
    "locked_at_once",
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


@contextmanager
def locked_at_once(path: Path) -> Iterator[bool]:
    """Hold the lock file `path`, as `locked` does, or yield False where somebody else has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


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
    """Remove `folder` with all that a run may have made in it, as far as this user can.

    However deep it is, no path gets longer and nothing is called more often: folders are moved to
    the top before they are looked into.
    """
    left = [folder]
    while left:
        inner = left.pop()
        unlock(inner)
        with suppress(OSError), os.scandir(inner) as entries:
            for entry in entries:
                with suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        Path(entry.path).unlink()
                    elif inner == folder:
                        left.append(Path(entry.path))
                    else:
                        left.append(_moved_to(folder, Path(entry.path)))
        if inner != folder:
            with suppress(OSError):
                inner.rmdir()
    with suppress(OSError):
        folder.rmdir()


def _moved_to(folder: Path, inner: Path) -> Path:
    unlock(inner)  # who may not write in a folder may not move it
    return inner.rename(folder / f".{uuid.uuid4().hex}")


def remove_folder(folder: Path) -> str | None:
    """Remove `folder` and say so; None where there is none."""
    if not folder.exists():
        return None
    size = tree_bytes(folder)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        return f"could not remove {folder}: {error.strerror}"
    return f"removed {folder} ({shown_size(size)})"
