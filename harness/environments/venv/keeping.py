"""What the venv engine keeps: venvs, packages and interpreters, with sizes and uses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from harness.environments.folders import locked_at_once, remove_tree
from harness.environments.interpreters import managed_pythons
from harness.environments.keeping.budget import Stored
from harness.environments.keeping.kept import Inventory, Kept, Kind, Selection
from harness.environments.keeping.uses import Use, Uses, no_longer_used
from harness.environments.uv import uv_cache
from harness.environments.venv.build import environments_directory, is_whole
from harness.paths import cache_directory
from harness.sizes import shown_size

__all__ = ["VenvPlace", "clean_some", "venv_inventory"]

_SWEEPS = 5


class _Size(NamedTuple):
    """What is below a folder."""

    whole: int
    """Bytes of its files."""
    shared: int
    """Of these, bytes that have a name elsewhere too: uv links packages from its cache."""
    new: int
    """Of these, bytes that were in no folder measured before."""


class VenvPlace:
    """The folder of the venvs; see `harness.environments.keeping.room.Place`."""

    def describe(self) -> str:
        """Return where it is."""
        return f"where venvs are kept ({environments_directory()})"

    def free_bytes(self) -> int | None:
        """Return what the disk has left; None where it cannot be asked."""
        folder = environments_directory()
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            return None

    def has(self, name: str) -> bool:
        """Tell whether a venv is there, and whole."""
        return is_whole(Path(name))

    def stored(self) -> Sequence[Stored]:
        """Return nothing: venvs share their files with uv's cache, so none is dropped for room."""
        return ()

    def drop(self, name: str) -> str | None:
        """Refuse, for the same reason."""
        return f"{name} shares its files with uv's cache"


def venv_inventory(uses: Uses) -> Inventory:
    """Return everything the venv engine keeps in the harness's cache.

    A user's own uv cache is not the harness's: what venvs share with it is counted with them.
    """
    noted = uses.all()
    seen: set[tuple[int, int]] = set()
    venvs = [path for path in _folders(environments_directory()) if is_whole(path)]
    idle = no_longer_used(noted, map(str, venvs))
    items: list[Kept] = []
    total = 0
    for venv in venvs:
        size = _measured(venv, seen)
        total += size.new
        items.append(_venv(venv, size, noted.get(str(venv), ()), uses, unused=str(venv) in idle))
    known = {
        "last_used": max((item.since for item in items if item.since), default=None),
        "in_use": "another harness is at work" if uses.others_at_work() else None,
    }
    for kind, folder in _beside():
        size = _measured(folder, seen)
        total += size.new
        # Venvs stand on interpreters; packages are of use to those to come.
        unused = kind is Kind.INTERPRETER and all(item.unused for item in items)
        if size.whole:
            item = _kept(kind, folder, size).model_copy(update={**known, "unused": unused})
            items.append(item)
    return Inventory(
        engine="venv",
        place=str(cache_directory()),
        items=tuple(items),
        total_bytes=total,
        free_bytes=VenvPlace().free_bytes(),
    )


def clean_some(uses: Uses, which: Selection) -> Iterator[str]:
    """Remove what `which` takes; yield what it was and what had to stay, then what that freed."""
    before = venv_inventory(uses)
    now = datetime.now(UTC)
    chosen = [item for item in before.items if which.takes(item, now)]
    for item in chosen:
        size = "" if item.size_bytes is None else f" ({shown_size(item.size_bytes)})"
        if item.in_use is not None:
            yield f"left {item.name}: {item.in_use}"
        elif which.dry_run:
            yield f"would remove {item.name}{size}"
        else:
            refused = _remove(item, uses)
            yield (
                f"could not remove {item.name}: {refused}"
                if refused
                else (f"removed {item.name}{size}")
            )
    if chosen and not which.dry_run:
        yield f"freed {shown_size(max(0, before.total_bytes - venv_inventory(uses).total_bytes))}"


def _remove(item: Kept, uses: Uses) -> str | None:
    """Remove a folder unless it is in use; return why not, where it stays."""
    folder = Path(item.name)
    if item.kind is not Kind.ENVIRONMENT:
        remove_tree(folder)
        return "not all of it may be removed" if folder.exists() else None
    with locked_at_once(folder.with_name(f"{folder.name}.lock")) as held:
        if not held or uses.held_elsewhere(item.name):
            return "another harness uses it"
        remove_tree(folder)
    uses.forget(item.name)
    return "not all of it may be removed" if folder.exists() else None


def _folders(folder: Path) -> tuple[Path, ...]:
    with suppress(OSError):
        return tuple(sorted(path for path in folder.iterdir() if path.is_dir()))
    return ()


def _beside() -> Iterator[tuple[Kind, Path]]:
    """Yield the folders of what environments are made with, as far as they are the harness's."""
    yield Kind.INTERPRETER, managed_pythons()
    if uv_cache() == cache_directory() / "uv":
        yield Kind.WHEELS, uv_cache()


def _venv(folder: Path, size: _Size, uses: Sequence[Use], notes: Uses, *, unused: bool) -> Kept:
    busy = "another harness uses it" if notes.held_elsewhere(str(folder)) else None
    return _kept(Kind.ENVIRONMENT, folder, size).model_copy(
        update={
            "cell": uses[0].cell if uses else None,
            "last_used": uses[0].at if uses else None,
            "sweeps": tuple(f"{use.model}/{use.sweep}" for use in uses[:_SWEEPS]),
            "unused": unused,
            "in_use": busy,
        }
    )


def _kept(kind: Kind, folder: Path, size: _Size) -> Kept:
    return Kept(
        kind=kind,
        name=str(folder),
        size_bytes=size.whole,
        shared_bytes=size.shared,
        created=datetime.fromtimestamp(folder.stat().st_mtime, UTC),
    )


def _measured(folder: Path, seen: set[tuple[int, int]]) -> _Size:
    """Return what is below `folder`; `seen` are the files measured so far, by device and inode."""
    whole = shared = new = 0
    own: set[tuple[int, int]] = set()
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = Path(parent, name).lstat()
                key = (status.st_dev, status.st_ino)
                if key in own:
                    continue
                own.add(key)
                whole += status.st_size
                shared += status.st_size if status.st_nlink > 1 else 0
                new += status.st_size if key not in seen else 0
    seen |= own
    return _Size(whole, shared, new)
