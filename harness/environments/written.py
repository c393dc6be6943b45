"""What a run has written, measured without trusting it: how much, how many and how deep."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.environments.folders import unlock

__all__ = ["MOST_DEPTH", "MOST_ENTRIES", "FreeSpace", "Written", "measure"]

MOST_ENTRIES = 10_000
"""Files and folders that a run may make; a probe makes ten."""
MOST_DEPTH = 32
"""Folders below one another that a run may make; a probe makes none."""

_BLOCK_BYTES = 512
"""Unit of `st_blocks`, whatever the file system's own is (stat(2))."""
_AHEAD_BYTES = 2**20
_LOOKS = 20
_LOOK_SECONDS = 0.1
_ROOM_BYTES = 2**30
"""With less than this free, other programs of this machine may come to harm."""


@dataclass(frozen=True, slots=True)
class Written:
    """What lies below a folder; where there is too much of it, what was seen until then."""

    size: int = 0
    """Bytes, those that are reserved for a file beyond its end among them."""
    entries: int = 0
    hidden: bool = False
    """Whether folders lie deeper than is looked, or cannot be looked into."""

    @property
    def excess(self) -> str | None:
        """What there is too much of, beside bytes."""
        if self.entries > MOST_ENTRIES:
            return f"wrote more than {MOST_ENTRIES:,} files and folders"
        return f"wrote folders {MOST_DEPTH} deep, or hidden ones" if self.hidden else None


def measure(folder: Path) -> Written:
    """Return what lies below `folder`, in bounded time; no link is followed or counted twice.

    What vanishes meanwhile counts as nothing.
    """
    size = entries = 0
    seen: set[tuple[int, int]] = set()
    folders = [(folder, 0)]
    while folders:
        inner, depth = folders.pop()
        if depth == MOST_DEPTH:
            return Written(size, entries, hidden=True)
        unlock(inner)
        try:
            for name, status in _entries(inner):
                entries += 1
                if entries > MOST_ENTRIES:
                    return Written(size, entries)
                if stat.S_ISDIR(status.st_mode):
                    folders.append((inner / name, depth + 1))
                elif (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    size += _size(status)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # a path too long, or a right taken away again
            return Written(size, entries, hidden=True)
    return Written(size, entries)


def _entries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as found:
        for entry in found:
            with suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False)


def _size(status: os.stat_result) -> int:
    """Return a file's bytes, holes among them; what is reserved where that is far more.

    Some file systems reserve up to as much again for a file that grows.
    """
    reserved = status.st_blocks * _BLOCK_BYTES
    return reserved if reserved > 2 * status.st_size + _AHEAD_BYTES else status.st_size


class FreeSpace:
    """The space that is free where runs write: it also shows what they wrote and have deleted.

    A file that is deleted takes its space for as long as a process has it open, and no look at
    folders finds it.
    """

    def __init__(self, place: Path) -> None:
        """Begin to watch the file system of `place`."""
        self._place = place
        usage = self._usage()
        self._before = usage.free
        self._floor = min(_ROOM_BYTES, usage.total // 10, usage.free // 2)
        self._lowest = usage.free

    def is_scarce(self) -> bool:
        """Tell whether so little is left that what runs has to end."""
        self._lowest = self._usage().free
        return self._lowest < self._floor

    def taken(self) -> str:
        """Return how much was taken until it was scarce, in words."""
        return f"{self._before - self._lowest:,} bytes of {self._before:,} that were free"

    def came_back(self) -> bool:
        """Tell whether, what ran having ended, most of what had been taken is free again."""
        for _ in range(_LOOKS):  # a system takes its time to free what was deleted
            if self._usage().free - self._lowest > (self._before - self._lowest) // 2:
                return True
            time.sleep(_LOOK_SECONDS)
        return False

    def _usage(self) -> shutil._ntuple_diskusage:
        return shutil.disk_usage(self._place)
