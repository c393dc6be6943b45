"""Files that a run wrote, on their way into the results: moved where that is safe, else copied."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from harness.files import replacing
from harness.untrusted import open_regular

__all__ = ["copy_untrusted", "take_untrusted"]

_MODE = 0o644


def take_untrusted(source: Path, target: Path) -> None:
    """Move a file that a run wrote, so that outputs of gigabytes are not written twice.

    Nothing of the run is left by then, so the file at `source` stays the one that is looked at.
    It is copied where it cannot be moved or made our own: on another file system, under another
    user's name, or where it has a second name by which it could be changed later.

    Raises:
        UntrustedFileError: it is no regular file; a link in its place is never followed.
        OSError: the disk is full, or the place cannot be written.
    """
    with open_regular(source) as stream:
        if _made_ours(stream):
            with suppress(OSError):
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)
                return
        _copy(stream, target)


def copy_untrusted(source: Path, target: Path) -> None:
    """Copy a file that a run wrote.

    Raises:
        UntrustedFileError: it is no regular file; a link in its place is never followed.
        OSError: the disk is full, or the place cannot be written.
    """
    with open_regular(source) as stream:
        _copy(stream, target)


def _copy(stream: BinaryIO, target: Path) -> None:
    with replacing(target) as copy:
        shutil.copyfileobj(stream, copy)


def _made_ours(stream: BinaryIO) -> bool:
    """Give the open file this user's name, plain permissions and a place on the disk."""
    descriptor = stream.fileno()
    status = os.fstat(descriptor)
    if status.st_nlink != 1 or not stat.S_ISREG(status.st_mode):
        return False
    try:
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, os.geteuid(), os.getegid())
        os.fchmod(descriptor, _MODE)
        os.fsync(descriptor)
    except OSError:
        return False
    return True
