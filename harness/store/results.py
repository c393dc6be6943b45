"""Saving and loading sweeps: atomic writes, whole observations only, history by key."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from harness.environments.folders import locked
from harness.errors import ResultsError
from harness.files import replacing, write_atomically
from harness.npz import read_npz
from harness.observation import Ending, Observation
from harness.store.layout import CellFolder, SweepFolder, reading, writing
from harness.store.record import SweepRecord
from harness.tensor import Tensor, decode_outputs
from harness.untrusted import open_regular

__all__ = [
    "Results",
    "keep",
    "keep_inputs",
    "load_log",
    "load_observation",
    "load_observations",
    "load_outputs",
    "load_record",
    "save_observation",
    "save_record",
    "take_over",
]

_SEARCHED_SWEEPS = 50
"""How many earlier sweeps are looked through for an observation to take over."""

_OBSERVATION_BYTES = 64 * 1024**2


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
        self, cell_id: str, wanted: Callable[[Observation], bool]
    ) -> tuple[CellFolder, Observation] | None:
        """Return the newest observation of this cell that is `wanted`, and where it is."""
        for sweep in self.sweeps()[:_SEARCHED_SWEEPS]:
            folder = sweep.cell(cell_id)
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


def save_observation(
    folder: CellFolder,
    observation: Observation,
    *,
    log: str,
    lock: str | None = None,
    outputs: Path | None = None,
) -> None:
    """Write everything of one cell, the observation last."""
    with writing(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.observation.unlink(missing_ok=True)
        folder.outputs.unlink(missing_ok=True)
        write_atomically(folder.log, log)
        if lock is not None:
            write_atomically(folder.lock, lock)
        if outputs is not None:
            _copy_untrusted(outputs, folder.outputs)
        write_atomically(folder.observation, observation.model_dump_json(indent=1) + "\n")


def take_over(source: CellFolder, observation: Observation, target: CellFolder) -> Observation:
    """Copy an earlier observation with its files into a sweep, marked as cached; return it."""
    cached = observation.model_copy(update={"cached": True})
    with writing(target.path):
        target.path.mkdir(parents=True, exist_ok=True)
        for earlier, here in (
            (source.outputs, target.outputs),
            (source.log, target.log),
            (source.lock, target.lock),
        ):
            if earlier.is_file():
                _take(earlier, here)
        write_atomically(target.observation, cached.model_dump_json(indent=1) + "\n")
    return cached


def load_observation(folder: CellFolder) -> Observation | None:
    """Read the observation of a cell; None where there is none that is whole."""
    try:
        if folder.observation.stat().st_size > _OBSERVATION_BYTES:
            return None
        observation = Observation.model_validate_json(folder.observation.read_bytes())
    except (OSError, ValidationError):
        return None
    whole = observation.ending is not Ending.COMPLETED or folder.outputs.is_file()
    return observation if whole else None


def load_observations(folder: SweepFolder, cell_ids: Iterable[str]) -> Mapping[str, Observation]:
    """Read the observations of a sweep, by cell id."""
    pairs = ((cell_id, load_observation(folder.cell(cell_id))) for cell_id in cell_ids)
    return {cell_id: observation for cell_id, observation in pairs if observation is not None}


def load_log(folder: CellFolder) -> str:
    """Read what a cell printed; empty where there is nothing."""
    try:
        return folder.log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def load_outputs(
    folder: SweepFolder, observation: Observation, max_bytes: int
) -> dict[str, Tensor]:
    """Read and decode the outputs of one cell.

    Raises:
        ValueError: the arrays are not what the observation says, or cannot be read.
    """
    path = folder.cell(observation.cell).outputs
    arrays = read_npz(path, max_bytes=max_bytes, what="outputs.npz")
    return decode_outputs(observation.outputs, arrays)


def keep(source: Path, target: Path) -> None:
    """Copy one of the user's files, such as `expected.npz`, into a sweep."""
    with writing(target), source.open("rb") as stream, replacing(target) as copy:
        shutil.copyfileobj(stream, copy)


def keep_inputs(folder: SweepFolder, source: Path) -> None:
    """Copy the inputs a probe generated into the sweep, unless they are there."""
    with writing(folder.path):
        if not folder.inputs.exists():
            _copy_untrusted(source, folder.inputs)


def _copy_untrusted(source: Path, target: Path) -> None:
    """Copy a file that a probe wrote; a link in its place is never followed.

    Raises:
        UntrustedFileError: it is no regular file.
    """
    with open_regular(source) as stream, replacing(target) as copy:
        shutil.copyfileobj(stream, copy)


def _take(source: Path, target: Path) -> None:
    """Link or copy a file that is never changed in place."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)
