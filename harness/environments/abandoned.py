"""What harness processes that were killed left on this machine: programs, runs, folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress

import psutil

from harness.environments.folders import abandoned_folders
from harness.environments.owner import VARIABLE, is_orphan

__all__ = ["remove_abandoned"]


def remove_abandoned() -> tuple[str, ...]:
    """Kill the processes and remove the private folders of dead harnesses; say what it was.

    Processes first: they may still write into the folders.
    """
    removed = []
    for process, label in _labelled_processes():
        if is_orphan(label):
            with suppress(psutil.Error):
                said = f"killed process {process.pid} ({process.name()})"
                process.kill()
                removed.append(said)
    for folder in abandoned_folders():
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(f"removed {folder}")
    return tuple(removed)


def _labelled_processes() -> Iterator[tuple[psutil.Process, str]]:
    """Yield the processes that say whose they are, and the label of that harness."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            label = process.environ().get(VARIABLE)
            if label is not None and process.status() != psutil.STATUS_ZOMBIE:
                yield process, label
