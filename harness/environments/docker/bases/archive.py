"""Tar archives that are the same bytes whenever their content is the same."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

__all__ = ["write_archive"]

_MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}


def write_archive(root: Path, archive: Path, *, mtime: int) -> str:
    """Write everything below `root` to `archive` and return its sha256.

    Names are sorted, all belongs to root, and permissions are reduced to "may be executed or
    not", so that neither the user's umask nor the order of a directory shows.
    """
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            tar.add(path, name, recursive=False, filter=lambda entry: _plain(entry, mtime))
    with archive.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _plain(entry: tarfile.TarInfo, mtime: int) -> tarfile.TarInfo:
    executable = entry.isdir() or bool(entry.mode & 0o100)
    entry.mode = _MODES.get(entry.name, 0o755 if executable else 0o644)
    entry.mtime = mtime
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
