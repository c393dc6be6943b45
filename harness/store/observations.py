"""One cell's files: written whole, read back, taken over from an earlier sweep."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from harness.files import write_atomically
from harness.observation import Ending, Observation
from harness.store.layout import CellFolder, writing
from harness.store.untrusted import take_untrusted
from harness.text import harmless_json, one_line, printable

__all__ = [
    "Arrays",
    "forget",
    "forget_further",
    "load_log",
    "load_observation",
    "read_observation",
    "rewrite",
    "save_observation",
    "take_over",
]

_OBSERVATION_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrays:
    """Files with arrays that an attempt wrote and that were found sound; they are moved away."""

    outputs: Path | None = None
    repeat: Path | None = None
    preprocessed: Path | None = None
    variations: Mapping[str, Path] = field(default_factory=dict)
    """By name; each one that the observation says is kept."""


_NO_ARRAYS = Arrays()


def save_observation(
    folder: CellFolder,
    observation: Observation,
    *,
    log: str,
    lock: str | None = None,
    arrays: Arrays = _NO_ARRAYS,
) -> None:
    """Write everything of one observation, itself last."""
    with writing(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.observation.unlink(missing_ok=True)
        write_atomically(folder.log, printable(log))
        if lock is not None:
            write_atomically(folder.lock, lock)
        for written, kept in (
            (arrays.outputs, folder.outputs),
            (arrays.repeat, folder.repeat),
            (arrays.preprocessed, folder.preprocessed),
        ):
            kept.unlink(missing_ok=True)
            if written is not None:
                take_untrusted(written, kept)
        _forget_variations(folder)
        for name, varied in arrays.variations.items():
            take_untrusted(varied, folder.variation(name))
        _write(folder, observation)


def _write(folder: CellFolder, observation: Observation) -> None:
    text = harmless_json(observation.model_dump_json(indent=1))
    write_atomically(folder.observation, f"{text}\n")


def take_over(source: CellFolder, observation: Observation, target: CellFolder) -> Observation:
    """Copy an earlier observation with its files into a sweep, marked as cached; return it."""
    cached = observation.model_copy(update={"cached": True})
    with writing(target.path):
        target.path.mkdir(parents=True, exist_ok=True)
        target.observation.unlink(missing_ok=True)
        for earlier, here in (
            (source.outputs, target.outputs),
            (source.repeat, target.repeat),
            (source.preprocessed, target.preprocessed),
            (source.log, target.log),
            (source.lock, target.lock),
        ):
            here.unlink(missing_ok=True)
            if earlier.is_file():
                _take(earlier, here)
        _forget_variations(target)
        for earlier, here in _variations(source, observation, target):
            if earlier.is_file():
                here.parent.mkdir(exist_ok=True)
                _take(earlier, here)
        _write(target, cached)
    return cached


def _variations(
    source: CellFolder, observation: Observation, target: CellFolder
) -> Iterator[tuple[Path, Path]]:
    for varied in observation.variations:
        if varied.kept:
            yield source.variation(varied.name), target.variation(varied.name)


def _forget_variations(folder: CellFolder) -> None:
    if folder.variations.exists():
        shutil.rmtree(folder.variations)


def rewrite(folder: CellFolder, observation: Observation) -> Observation:
    """Write an observation whose files are there and stay as they are; return it."""
    with writing(folder.path):
        _write(folder, observation)
    return observation


def forget(folder: CellFolder) -> None:
    """Remove what a folder holds, where it is there."""
    with writing(folder.path):
        # The observation first: without it the rest counts as nothing.
        folder.observation.unlink(missing_ok=True)
        if folder.path.exists():
            shutil.rmtree(folder.path)


def forget_further(folder: CellFolder) -> None:
    """Remove what a cell's folder holds beside the first loader's own files."""
    for below in (folder.equal_inputs, *folder.further()):
        forget(below)


def load_observation(folder: CellFolder) -> Observation | None:
    """Read an observation; None where there is none that is whole."""
    found = read_observation(folder)
    return found if isinstance(found, Observation) else None


def read_observation(folder: CellFolder) -> Observation | str | None:
    """Read an observation; None where there is none, and why where it cannot be used."""
    path = folder.observation
    try:
        if path.stat().st_size > _OBSERVATION_BYTES:
            return f"{path.name} has more than {_OBSERVATION_BYTES} bytes"
        observation = Observation.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})"
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        at = f" at {where}" if where else ""
        return one_line(f"{path.name} is none that this version reads ({first['msg']}{at})", 400)
    missing = _missing(folder, observation)
    if missing is not None:
        return f"{missing} is not there, without which it is not whole"
    return observation


def _missing(folder: CellFolder, observation: Observation) -> str | None:
    """Return the name of a file that an observation cannot be without; None where all are there."""
    if observation.ending is not Ending.COMPLETED:
        return None
    # What a model with random outputs gave again may be missing: it was not always kept.
    needed = [folder.outputs]
    if observation.preprocessed is not None:
        needed.append(folder.preprocessed)
    return next((path.name for path in needed if not path.is_file()), None)


def load_log(folder: CellFolder) -> str:
    """Read what was printed; empty where there is nothing."""
    try:
        return folder.log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _take(source: Path, target: Path) -> None:
    """Link or copy a file that is never changed in place."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)
