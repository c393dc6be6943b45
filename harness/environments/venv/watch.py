"""The processes of a run on this machine: their memory, and that none of them is left behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import psutil

__all__ = ["ProcessTree"]

_POLL_SECONDS = 0.2
_ROUNDS = 50
"""How often survivors are looked for and killed: a run may start processes meanwhile."""


class ProcessTree:
    """A process in a session of its own and all that it started.

    What it started is known by descent, by session, and by a variable in its environment: a
    process that leaves the first two still has the third, unless it takes pains to lose it.
    """

    def __init__(self, process: subprocess.Popen[bytes], variable: str, value: str) -> None:
        self._process = process
        self._mark = (variable, value)
        self._seen: set[psutil.Process] = set()

    def look(self) -> None:
        """Take note of what is running now."""
        with suppress(psutil.Error):
            root = psutil.Process(self._process.pid)
            self._seen.update((root, *root.children(recursive=True)))
        self._seen = {process for process in self._seen if process.is_running()}

    def memory_bytes(self, more_than: int) -> int:
        """Return the resident memory of what was last seen.

        Where that sum is above `more_than`, pages that processes share count only once, if the
        system can tell.
        """
        resident = sum(_memory(process, "rss") for process in self._seen)
        if resident <= more_than or len(self._seen) == 1:
            return resident
        return sum(_memory(process, "pss") for process in self._seen)

    def kill(self) -> None:
        """Kill what is still running and wait until it is gone."""
        for _ in range(_ROUNDS):
            survivors = tuple(self._survivors())
            for process in survivors:
                with suppress(psutil.Error):
                    process.kill()
            self._process.wait()
            if not survivors:
                return
            psutil.wait_procs(survivors, timeout=_POLL_SECONDS)

    def _survivors(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError, PermissionError):
                if process.status() != psutil.STATUS_ZOMBIE and self._is_mine(process):
                    yield process

    def _is_mine(self, process: psutil.Process) -> bool:
        if process in self._seen or os.getsid(process.pid) == self._process.pid:
            return True
        variable, value = self._mark
        return process.environ().get(variable) == value


def _memory(process: psutil.Process, kind: str) -> int:
    try:
        if kind == "rss":
            return int(process.memory_info().rss)
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.Error:
        return 0
