"""Bases that are images of this machine already, by the name a registry would have them under."""

from __future__ import annotations

from harness.environments.docker import names
from harness.environments.docker.bases.pinned import PinnedBases, PinnedImage
from harness.environments.docker.daemon import Daemon, find_image
from harness.environments.engine import Progress
from harness.observation import Base

__all__ = ["LocalImageBases", "local_image"]


def local_image(daemon: Daemon, reference: str) -> str | None:
    """Return the id of an image of this machine; None where there is none, or it is ours."""
    image = find_image(daemon, reference)
    return None if image is None or names.ROLE in image.labels else image.id


class LocalImageBases:
    """`python:X.Y-slim-*` or `python:X.Y-slim` where somebody has put it on this machine."""

    name = "local-image"

    def __init__(self, daemon: Daemon, prefix: str, pinned: PinnedBases) -> None:
        self._daemon = daemon
        self._prefix = prefix
        self._pinned = pinned

    def describe(self) -> str:
        """Return a few words: what its bases are."""
        return f"bases {self._prefix}python:X.Y-slim of this machine"

    def preview(self, python: str) -> Base | str:
        """Return the image of `python` that is here, or that there is none."""
        short = PinnedImage(repository="python", tag=f"{python}-slim")
        wanted = dict.fromkeys(
            f"{self._prefix}{image.name}" for image in (self._pinned.of_python(python), short)
        )
        for reference in wanted:
            found = local_image(self._daemon, reference)
            if found is not None:
                return Base(kind="local-image", reference=reference, digest=found)
        return f"no local image {' or '.join(wanted)}"

    def get(self, python: str, _progress: Progress) -> Base:
        """Return the image of `python` that is here."""
        found = self.preview(python)
        assert isinstance(found, Base), "only what `preview` has is got"
        return found
