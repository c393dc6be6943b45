"""Bases made from interpreters of this machine (see `host_slice`)."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

from harness.environments.docker.bases.archive import write_archive
from harness.environments.docker.bases.host_slice import (
    CHANGES,
    EPOCH,
    SliceError,
    fingerprint,
    make_root,
    obstacle,
)
from harness.environments.docker.bases.made import MadeBases
from harness.environments.docker.daemon import Daemon, daemon_failure
from harness.environments.engine import CellFailure, Progress
from harness.environments.interpreters import (
    Interpreter,
    Places,
    inspect_interpreter,
    provide_interpreter,
    search,
)
from harness.observation import Base

__all__ = ["HostSliceBases", "movable_interpreter"]

_SYSTEM_FOLDERS = (Path("/usr/bin"), Path("/bin"))


class HostSliceBases:
    """A CPython of this machine, moved into an image with the libraries it and TensorFlow load."""

    name = "host-slice"

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._made = MadeBases(daemon, kind="host-slice", changes=CHANGES)
        self._fingerprint = functools.cache(fingerprint)  # looks at a thousand files and more

    def describe(self) -> str:
        """Return a few words: what its bases are."""
        return "bases made from this machine's interpreters"

    def preview(self, python: str) -> Base | str:
        """Return the base of `python`, without digest before it is made, or why there is none."""
        interpreter = _provide(python, self._daemon.machine)
        if isinstance(interpreter, str):
            return interpreter
        made = self._made.find(self._fingerprint(interpreter), python)
        return made or Base(kind="host-slice", reference=str(interpreter))

    def get(self, python: str, progress: Progress) -> Base | CellFailure:
        """Return the base of `python`, made anew only where something in it changed."""
        interpreter = _provide(python, self._daemon.machine)
        assert isinstance(interpreter, Interpreter), "only what `preview` has is got"
        made = self._fingerprint(interpreter)

        def make(folder: Path) -> tuple[Path, str]:
            progress(f"making a base from {interpreter}")
            root, archive = folder / "root", folder / "base.tar"
            root.mkdir()
            make_root(interpreter, root)
            return archive, f"sha256:{write_archive(root, archive, mtime=EPOCH)}"

        try:
            return self._made.find(made, python) or self._made.add(made, python, make)
        except SliceError as error:
            return daemon_failure(error)


def movable_interpreter(python: str) -> Interpreter | None:
    """Return the newest CPython `python` of this machine that can be moved into an image.

    The system's own cannot, even where it is newer: it is spread over `/usr`.
    """
    places = Places.of_this_machine()
    path = tuple(folder for folder in places.path if folder not in _SYSTEM_FOLDERS)
    return search(python, replace(places, path=path), inspect_interpreter)


def _provide(python: str, machine: str) -> Interpreter | str:
    """Return a CPython `python` to make a base for `machine` from, or why there is none."""
    found = movable_interpreter(python) or provide_interpreter(python)
    return found if isinstance(found, str) else obstacle(found, machine) or found
