"""The sweeps of a model: begun, found again, looked through for what was observed before."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from harness.environments.folders import locked
from harness.errors import ResultsError
from harness.files import replacing, write_atomically
from harness.observation import Observation
from harness.store.layout import CellFolder, SweepFolder, reading, writing
from harness.store.observations import load_observation
from harness.store.record import SweepRecord
from harness.store.untrusted import copy_untrusted

__all__ = [
    "Results",
    "keep",
    "keep_inputs",
    "load_record",
    "save_record",
]

_SEARCHED_SWEEPS = 50
"""How many earlier sweeps are looked through for an observation to take over."""


class Results:
    """The sweeps of one model: `results/<model name>/`."""

    def __init__(self, root: Path, model_name: str) -> None:
        self.path = root / model_name

    def sweeps(self) -> tuple[SweepFolder, ...]:
        """Return the model's sweeps, newest first.

        Raises:
            ResultsError: the folder cannot be read.
        """
        with reading(self.path):
            if not self.path.is_dir():
                return ()
            folders = [
                folder
                for folder in self.path.iterdir()
                if folder.is_dir() and not folder.is_symlink() and (folder / "sweep.json").is_file()
            ]
        return tuple(SweepFolder(folder) for folder in sorted(folders, reverse=True))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one harness at a time choose its sweep, so that no two resume the same."""
        with writing(self.path), locked(self.path / ".lock", threading.Event()):
            yield

    def unfinished(self, key: str, is_at_work: Callable[[str], bool]) -> SweepFolder | None:
        """Return the newest sweep with this key if it was stopped before its end.

        A sweep whose owner `is_at_work` is left to it.
        """
        for folder in self.sweeps():
            with suppress(ResultsError):
                record = load_record(folder)
                if record.key == key:
                    stopped = record.finished is None and not is_at_work(record.owner)
                    return folder if stopped else None
        return None

    def begin(self, record: SweepRecord) -> SweepFolder:
        """Make the folder of a sweep."""
        folder = SweepFolder(self.path / record.id)
        save_record(folder, record)
        return folder

    def earlier(
        self,
        place: Callable[[SweepFolder], CellFolder],
        wanted: Callable[[Observation], bool],
    ) -> tuple[CellFolder, Observation] | None:
        """Return the newest observation at a place in a sweep that is `wanted`, and where it is."""
        for sweep in self.sweeps()[:_SEARCHED_SWEEPS]:
            folder = place(sweep)
            observation = load_observation(folder)
            if observation is not None and wanted(observation):
                return folder, observation
        return None

    def point_latest(self, folder: SweepFolder) -> None:
        """Let `latest` name this sweep."""
        link = self.path / "latest"
        temporary = self.path / f".latest.{os.getpid()}"
        with writing(link):
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(folder.id)
            temporary.replace(link)


def save_record(folder: SweepFolder, record: SweepRecord) -> None:
    """Write `sweep.json`."""
    with writing(folder.record):
        write_atomically(folder.record, record.model_dump_json(indent=1) + "\n")


def load_record(folder: SweepFolder) -> SweepRecord:
    """Read `sweep.json`.

    Raises:
        ResultsError: it is not there, cannot be read, or has another schema.
    """
    try:
        return SweepRecord.model_validate_json(folder.record.read_bytes())
    except OSError as error:
        raise ResultsError(
            f"{folder.record}: cannot be read ({error.strerror})\n"
            "  A sweep is a folder that `harness matrix` made, such as results/<model>/latest."
        ) from error
    except ValidationError as error:
        raise ResultsError(
            f"{folder.record}: not a record this version can read"
            f" ({error.errors()[0]['msg']} at {'.'.join(map(str, error.errors()[0]['loc']))})\n"
            "  Run the sweep again, or use the version of the harness that wrote it."
        ) from error


def keep(source: Path | None, target: Path) -> None:
    """Let a sweep have a copy of one of the user's files, such as `expected.npz`, or none."""
    with writing(target):
        if source is None:
            target.unlink(missing_ok=True)
            return
        with source.open("rb") as stream, replacing(target) as copy:
            shutil.copyfileobj(stream, copy)


def keep_inputs(folder: SweepFolder, source: Path) -> None:
    """Copy the inputs a probe generated into the sweep, unless they are there."""
    with writing(folder.path):
        if not folder.inputs.exists():
            copy_untrusted(source, folder.inputs)
