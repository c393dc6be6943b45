"""The folders that attempts write into: made, watched, taken away when an attempt has ended."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from harness.environments.ended import Ended, read_ended
from harness.environments.folders import remove_tree, unlock
from harness.environments.log import bounded_text
from harness.environments.written import FreeSpace, Written, measure
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["OutFolders"]

_REPORT_BYTES = 128 * 1024
"""Most bytes that the probe's parent writes for an attempt before that begins."""


class OutFolders:
    """Folders of attempts below `out`, of which only one is in use at a time.

    The folder of an attempt that has ended is kept beside `out`, where no run can reach it. What a
    run makes of the others is hostile: they are made anew before they are used, and what stands in
    the place of one (a link, another folder) is not taken for it.
    """

    def __init__(self, out: Path, *, foreign: bool) -> None:
        """Begin with the empty folder `out`; `foreign`: runs have another user id than this.

        Raises:
            OSError: folders cannot be made beside or below `out`.
        """
        self._out = out
        self._mode = 0o777 if foreign else 0o700
        self._made: dict[str, tuple[int, int]] = {}
        self._taken: set[str] = set()
        self._seen = Written()
        self._aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        out.chmod(0o755)  # a run that is another user makes nothing beside its folders

    def make(self, name: str) -> None:
        """Make the folder of an attempt; whatever is in its place is moved aside."""
        folder = self._out / name
        self._move_aside(folder)
        folder.mkdir()
        folder.chmod(self._mode)
        self._made[name] = _identity(folder)

    def refresh(self) -> None:
        """Do nothing: every answer is by a look of its own."""

    def begun(self, name: str) -> bool:
        """Tell whether the probe's parent has started the attempt: then there is a log.

        Where the folder is not the one that was made, the attempt has begun to meddle with it.
        """
        folder = self._out / name
        return os.path.lexists(folder / "probe.log") or not self._is_own(folder, name)

    def ended(self, name: str) -> Ended | None:
        """Return how the attempt ended; None: it has not."""
        path = f"{self._out}/{name}/ended.json"  # asked many times a second
        return read_ended(Path(path)) if os.path.lexists(path) else None

    def written_bytes(self, waiting: Collection[str]) -> int:
        """Return what the attempt in use has written.

        Everything counts but the reports that the parent has made for those that are `waiting`.
        """
        reports = (self._out / name / "report.json" for name in waiting)
        self._seen = measure(self._out)
        return self._seen.size - sum(min(_size(path), _REPORT_BYTES) for path in reports)

    def excess(self) -> str | None:
        """Return what there was too much of, beside bytes, when those were counted."""
        return self._seen.excess

    def space(self) -> FreeSpace:
        """Begin to watch what is free where runs write."""
        return FreeSpace(self._out)

    def take(self, name: str) -> None:
        """Move the folder of an attempt that has ended out of reach."""
        if name in self._taken:
            return
        self._taken.add(name)
        kept = self._aside / name
        unlock(self._out / name)
        with suppress(FileNotFoundError):
            (self._out / name).rename(kept)
        if not self._is_own(kept, name):
            self._move_aside(kept)
            kept.mkdir()

    def printed(self, name: str) -> str:
        """Return what an attempt printed whose folder was taken, the middle left out if long."""
        try:
            with open_regular(self._aside / name / "probe.log") as stream:
                return bounded_text(stream)
        except (OSError, UntrustedFileError):
            return ""

    def put_back(self) -> None:
        """Leave exactly the folders that were taken below `out`, as their attempts left them."""
        for entry in tuple(self._out.iterdir()):
            self._move_aside(entry)
        for name in self._taken:
            (self._aside / name).rename(self._out / name)
        remove_tree(self._aside)

    def _is_own(self, folder: Path, name: str) -> bool:
        try:
            return _identity(folder) == self._made.get(name)
        except FileNotFoundError:
            return False

    def _move_aside(self, path: Path) -> None:
        if os.path.lexists(path):
            unlock(path)
            path.rename(Path(tempfile.mkdtemp(prefix="old-", dir=self._aside)) / "it")


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.lstat()
    return (status.st_dev, status.st_ino)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
