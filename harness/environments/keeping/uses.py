"""Notes on environments: which sweeps used them, which are in use, what they took on disk.

They lie in the harness's cache, a small file for each fact, so that writing one never spoils
another. They are a help, not a truth: what is missing or damaged is as if never written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from harness.cell import Cell, Device, Value
from harness.environments.owner import is_orphan, owner
from harness.files import write_atomically
from harness.paths import cache_directory

__all__ = ["EXPECTED_BYTES", "Use", "Uses", "no_longer_used"]

EngineName = Literal["docker", "venv"]

EXPECTED_BYTES: Mapping[Device, int] = {Device.CPU: 1_100_000_000, Device.CUDA: 4_700_000_000}
"""What environments take as a rule, measured on Linux x86_64 in November 2026: CPU environments of
TensorFlow 2.4.4 to 2.21.0 take 0.65 to 1.45 GB; `tensorflow[and-cuda]` 2.16.2 takes 4.7 GB."""

_KEPT = 20
"""Uses that are kept of one environment, the newest."""
_LARGEST_BYTES = 64_000
_SWEEP = ".sweep.json"
_HELD = "held-"

_Noted = TypeVar("_Noted", bound=Value)


class Use(Value):
    """A sweep that used an environment."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    place: str
    """The environment's `location`: image tag, or path of the venv."""
    cell: str
    """Id of the cell without flags."""
    model: str
    sweep: str
    at: datetime
    """When last (UTC)."""


class _Size(Value):
    """What an environment took on disk when it was made."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    tensorflow: str
    device: Device
    size_bytes: int = Field(ge=0, le=2**50)


class Uses:
    """The notes of one engine. Nothing here raises because of the file system."""

    def __init__(self, engine: EngineName) -> None:
        self._engine = engine

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return cache_directory() / f"uses-{self._engine}"

    def note(self, use: Use) -> None:
        """Note that a sweep used an environment."""
        folder = self._of(use.place)
        with suppress(OSError):
            text = use.model_dump_json(by_alias=True)
            write_atomically(folder / f"{_word(use.sweep, use.model)}{_SWEEP}", text)
            for path in _newest_first(folder)[_KEPT:]:
                path.unlink(missing_ok=True)

    def all(self) -> dict[str, tuple[Use, ...]]:
        """Return the uses of every environment by its place, the newest first."""
        found: dict[str, list[Use]] = {}
        for path in _listed(self.folder, f"*/*{_SWEEP}"):
            use = _read(path, Use)
            if use is not None:
                found.setdefault(use.place, []).append(use)
        return {
            place: tuple(sorted(uses, key=lambda use: use.at, reverse=True))
            for place, uses in found.items()
        }

    def forget(self, place: str) -> None:
        """Drop the notes on an environment that is no more."""
        folder = self._of(place)
        for path in _listed(folder, f"*{_SWEEP}"):
            with suppress(OSError):
                path.unlink()
        with suppress(OSError):
            folder.rmdir()

    def hold(self, place: str) -> None:
        """Say to other harness processes that this one uses an environment."""
        with suppress(OSError):
            write_atomically(self._of(place) / f"{_HELD}{_word(owner())}", owner())

    def let_go(self, place: str) -> None:
        """Say that it is used no more."""
        with suppress(OSError):
            (self._of(place) / f"{_HELD}{_word(owner())}").unlink()

    def held_elsewhere(self, place: str) -> bool:
        """Tell whether another harness process that lives uses an environment."""
        return any(_others(self._of(place), _HELD))

    def others_at_work(self) -> bool:
        """Tell whether another harness process that lives uses any environment."""
        return any(_others(self.folder, f"*/{_HELD}"))

    def note_size(self, cell: Cell, size_bytes: int | None) -> None:
        """Note what the environment of `cell` took on disk, where that is known."""
        if size_bytes is None:
            return
        size = _Size(tensorflow=cell.tensorflow, device=cell.device, size_bytes=size_bytes)
        with suppress(OSError):
            write_atomically(self._size_file(cell), size.model_dump_json(by_alias=True))

    def expected_bytes(self, cell: Cell) -> int:
        """Return what the environment of `cell` will take: as the last of its kind did."""
        size = _read(self._size_file(cell), _Size)
        matches = size is not None and (size.tensorflow, size.device) == (
            cell.tensorflow,
            cell.device,
        )
        return size.size_bytes if size is not None and matches else EXPECTED_BYTES[cell.device]

    def _of(self, place: str) -> Path:
        return self.folder / _word(place)

    def _size_file(self, cell: Cell) -> Path:
        name = f"{_word(cell.tensorflow, cell.device)}.json"
        return self.folder / "sizes" / name


def no_longer_used(uses: Mapping[str, Iterable[Use]], places: Iterable[str]) -> frozenset[str]:
    """Return those of `places` that the last sweep of no model used, as far as is noted."""
    last: dict[str, Use] = {}
    for use in (use for each in uses.values() for use in each):
        if use.model not in last or last[use.model].at < use.at:
            last[use.model] = use
    current = {(use.model, use.sweep) for use in last.values()}
    return frozenset(
        place
        for place in places
        if not any((use.model, use.sweep) in current for use in uses.get(place, ()))
    )


def _word(*parts: str) -> str:
    """Return a short file name that stands for `parts`."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _listed(folder: Path, pattern: str) -> tuple[Path, ...]:
    try:
        return tuple(sorted(folder.glob(pattern)))
    except OSError:
        return ()


def _newest_first(folder: Path) -> list[Path]:
    return sorted(
        _listed(folder, f"*{_SWEEP}"), key=lambda path: path.stat().st_mtime_ns, reverse=True
    )


def _others(folder: Path, prefix: str) -> Iterator[Path]:
    """Yield the files by which other processes that live hold something; remove dead ones'."""
    for path in _listed(folder, f"{prefix}*"):
        with suppress(OSError, UnicodeDecodeError):
            label = path.read_text(encoding="utf-8")
            if is_orphan(label):
                path.unlink()
            elif label != owner():
                yield path


def _read(path: Path, kind: type[_Noted]) -> _Noted | None:
    """Return what a note says; None where it is not there, or damaged."""
    try:
        with path.open("rb") as stream:
            return kind.model_validate_json(stream.read(_LARGEST_BYTES))
    except (OSError, ValidationError):
        return None
