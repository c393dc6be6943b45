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
from harness.text import harmless_json, printable

__all__ = [
    "Arrays",
    "forget",
    "forget_further",
    "load_log",
    "load_observation",
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
    try:
        if folder.observation.stat().st_size > _OBSERVATION_BYTES:
            return None
        observation = Observation.model_validate_json(folder.observation.read_bytes())
    except (OSError, ValidationError):
        return None
    return observation if _is_whole(folder, observation) else None


def _is_whole(folder: CellFolder, observation: Observation) -> bool:
    if observation.ending is not Ending.COMPLETED:
        return True
    # What a model with random outputs gave again may be missing: it was not always kept.
    needed = [folder.outputs]
    if observation.preprocessed is not None:
        needed.append(folder.preprocessed)
    return all(path.is_file() for path in needed)


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
