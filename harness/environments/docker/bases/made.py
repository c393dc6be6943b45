"""Bases that are made on this machine: imported once, found again by what they were made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from harness.environments.docker import names
from harness.environments.docker.daemon import (
    Daemon,
    docker_directory,
    find_image,
    import_archive,
)
from harness.environments.folders import private_folder
from harness.files import write_atomically
from harness.observation import Base

__all__ = ["MadeBases"]

Make = Callable[[Path], tuple[Path, str]]
"""Makes a tar archive in a folder; returns its path and its `sha256:` digest."""


class MadeBases:
    """Those of one kind. An image's tag ends with the digest of the archive it was imported from.

    A fingerprint says what goes into a base without making it: one that is noted with the digest of
    an image that is there is not made again.
    """

    def __init__(
        self,
        daemon: Daemon,
        *,
        kind: Literal["host-slice", "debian"],
        changes: tuple[str, ...],
        flavour: str = "",
    ) -> None:
        self._daemon = daemon
        self._kind = kind
        self._changes = changes
        self._flavour = flavour
        """Part of the tag, before the digest."""

    def find(self, fingerprint: str, python: str) -> Base | None:
        """Return the base that was made with `fingerprint`, if it is there."""
        note = self._note(fingerprint)
        if not note.exists():
            return None
        base = self._base(python, note.read_text(encoding="ascii"))
        return base if find_image(self._daemon, base.reference) is not None else None

    def add(self, fingerprint: str, python: str, make: Make, labels: tuple[str, ...] = ()) -> Base:
        """Make and import a base; `labels` are `name=value`.

        Raises:
            Those of `DOCKER_ERRORS`, and what `make` raises.
        """
        with private_folder() as folder:
            archive, digest = make(folder)
            base = self._base(python, digest)
            labels = (f"{names.ROLE}=base", *labels)
            import_archive(
                self._daemon,
                archive,
                repository=names.BASES,
                tag=base.reference.rpartition(":")[2],
                changes=(*self._changes, *(f"LABEL {label}" for label in labels)),
            )
        write_atomically(self._note(fingerprint), digest)
        return base

    def _base(self, python: str, digest: str) -> Base:
        short = digest.removeprefix("sha256:")[:12]
        tag = "-".join(filter(None, (f"py{python}", self._flavour, short)))
        return Base(kind=self._kind, reference=f"{names.BASES}:{tag}", digest=digest)

    def _note(self, fingerprint: str) -> Path:
        return docker_directory() / "bases" / fingerprint
