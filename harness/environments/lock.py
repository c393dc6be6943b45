"""From a cell to its lock: asked of uv once, then kept.

What is resolved as of a date stays as it is and is kept for ever; what is resolved as of today is
kept for the day.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from harness.cell import Cell, Platform, Value
from harness.environments.engine import CellFailure, Lock, Progress
from harness.environments.interpreters import Interpreter
from harness.environments.lockfile import lock_digest, locked_packages
from harness.environments.resolver import Answer, cut_off, overrides, resolve_once, wanted
from harness.environments.uv import uv_version
from harness.files import write_atomically
from harness.observation import Ending, Stage
from harness.paths import cache_directory

__all__ = ["locks_directory", "resolve"]


class _Kept(Value):
    """A lock in the cache."""

    resolved: datetime
    lock: Lock


def locks_directory() -> Path:
    """Return the folder of the locks that were resolved here."""
    return cache_directory() / "locks"


def resolve(
    cell: Cell,
    requirements: tuple[str, ...],
    *,
    interpreter: Interpreter | None,
    platform: Platform,
    progress: Progress,
    refresh: bool = False,
) -> Lock | CellFailure:
    """Return the lock of `cell` and `requirements`, from the cache where it is there.

    `interpreter` is the one the lock is for; None where there is none on this machine, or where
    `platform` is not this machine's. With `refresh` the index is
    asked in any case. Where the index does not answer, the newest lock that is kept serves.

    Raises:
        ValueError: a requirement is not just a package with versions; no such text reaches uv.
    """
    lines = wanted(cell, requirements)
    stem = _key(cell, (*lines, *overrides(cell)), interpreter, platform)
    now = datetime.now(UTC)
    path = locks_directory() / _file_name(stem, cell, now)
    if not refresh and (kept := _read(path)) is not None:
        return kept.lock
    progress("resolving")
    try:
        answer = resolve_once(cell, lines, interpreter=interpreter, platform=platform)
        if isinstance(answer, CellFailure):
            earlier = _earlier(stem) if answer.type == "IndexUnavailable" else None
            return earlier or answer
        lock = _lock(cell, answer, platform, now)
        write_atomically(path, _Kept(resolved=now, lock=lock).model_dump_json(indent=1))
    except OSError as error:
        return CellFailure(
            stage=Stage.RESOLVE,
            ending=Ending.INFRASTRUCTURE,
            type="CannotWrite",
            message=f"the lock cannot be written: {error.strerror}: {error.filename or path}",
        )
    return lock


def _lock(cell: Cell, answer: Answer, platform: Platform, now: datetime) -> Lock:
    if cell.distribution is None:
        raise ValueError(f"{cell.id} has no distribution to resolve")
    header = (
        f"# {cell.environment_id}: {cell.distribution.requirement} for CPython {cell.python}"
        f" on {platform.system} {platform.machine}\n"
        f"# packages published until {cut_off(cell) or now:%Y-%m-%d}, resolved by {uv_version()}\n"
    )
    return Lock(
        text=header + answer.text,
        packages=locked_packages(answer.text),
        digest=lock_digest(answer.text),
        distribution=cell.distribution.name,
        installer=uv_version(),
        python=cell.python,
        note=answer.note,
    )


def _key(
    cell: Cell, lines: tuple[str, ...], interpreter: Interpreter | None, platform: Platform
) -> str:
    parts = (
        cell.environment_id,
        lines,
        str(cut_off(cell)),
        platform.model_dump(),
        interpreter is not None,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _file_name(stem: str, cell: Cell, now: datetime) -> str:
    end = cut_off(cell)
    # Until its cut-off has passed, a new release is resolved as of today in effect.
    settled = end is not None and end <= now
    return f"{stem}.json" if settled else f"{stem}.{now:%Y-%m-%d}.json"


def _earlier(stem: str) -> Lock | None:
    for path in sorted(locks_directory().glob(f"{stem}.*json"), reverse=True):
        kept = _read(path)
        if kept is not None:
            note = f"the package index does not answer; resolved on {kept.resolved:%Y-%m-%d}"
            return kept.lock.model_copy(update={"note": note})
    return None


def _read(path: Path) -> _Kept | None:
    try:
        return _Kept.model_validate_json(path.read_text())
    except (OSError, ValueError):
        return None
