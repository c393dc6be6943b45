"""Bases from a registry, by digest: the one `bases.yaml` pins, else what the tag is now."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from docker.errors import APIError, NotFound

from harness.cell import Value
from harness.environments.docker.bases.pinned import PinnedBases, PinnedImage
from harness.environments.docker.daemon import (
    DOCKER_ERRORS,
    Daemon,
    docker_directory,
    explain,
    find_image,
)
from harness.environments.engine import Progress
from harness.files import write_atomically
from harness.observation import Base

__all__ = ["Answer", "Found", "Registry", "RegistryBases"]

_REFUSALS = (401, 403)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What registries call a machine (https://github.com/opencontainers/image-spec, `image-index`)."""
_SHOWN = len("sha256:") + 12


class Answer(NamedTuple):
    """What a registry says of a reference."""

    digest: str | None
    why: str = ""
    """Why there is none."""
    gone: bool = False
    """Whether the registry said that it has no such image for this machine."""
    elsewhere: bool = False
    """Whether it has it for other machines."""


class Found(Value):
    """An image that a registry has, or that was pulled from it before."""

    image: PinnedImage
    reference: str
    """With the registry, the tag and the digest."""
    digest: str
    note: str | None = None
    """What a reader must know: that it is not the one that was pinned."""


class Registry:
    """A registry, asked for each image once in the life of the harness.

    One that did not answer is not asked again, so that a sweep does not wait for it with every
    cell; what it answered in earlier runs holds then, where that image was pulled.
    """

    def __init__(self, daemon: Daemon, prefix: str) -> None:
        self._daemon = daemon
        self._prefix = prefix
        self._found: dict[str, Found | str] = {}
        self._lock = threading.RLock()
        self.silence: str | None = None
        """Why it does not answer; None while it does, or was not asked."""

    def reference(self, image: PinnedImage) -> str:
        """Return what `image` is called there, by its tag."""
        return f"{self._prefix}{image.name}"

    def find(self, image: PinnedImage) -> Found | str:
        """Return `image` by digest, or why it cannot be had."""
        with self._lock:
            if image.name not in self._found:
                self._found[image.name] = self._find(image)
            return self._found[image.name]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the images found so far."""
        with self._lock:
            found = [each for each in self._found.values() if isinstance(each, Found)]
        return tuple(each.note for each in found if each.note is not None)

    def ask(self, reference: str) -> Answer:
        """Ask for the digest of `reference`. May be called from any thread."""
        if self._daemon.podman:
            self.silence = "Podman does not say by which digest a registry has an image"
        if self.silence is not None:
            return Answer(None, self.silence)
        try:
            data = self._daemon.hasty.images.get_registry_data(reference)
        except NotFound:
            return Answer(None, f"the registry has no {reference}", gone=True)
        except DOCKER_ERRORS as error:
            said = explain(error)[1]
            if isinstance(error, APIError) and error.status_code in _REFUSALS:
                return Answer(None, f"the registry refuses {reference} ({said})")
            self.silence = f"no registry answers ({said})"
            return Answer(None, self.silence)
        # A digest may be one platform's image, not the index of all.
        offered = [platform.get("architecture") for platform in data.attrs.get("Platforms") or ()]
        wanted = _ARCHITECTURES.get(self._daemon.machine, self._daemon.machine)
        if offered and wanted not in offered:
            return Answer(None, f"{reference} is not for {wanted}", gone=True, elsewhere=True)
        return Answer(str(data.id))

    def pull(self, found: Found, progress: Progress) -> None:
        """Download the image if it is not there.

        Raises:
            Those of `DOCKER_ERRORS`: the registry or the daemon failed.
        """
        if found.note is not None:
            progress(found.note)
        if find_image(self._daemon, found.reference) is None:
            progress(f"downloading {self.reference(found.image)}")
            by_digest = f"{self._prefix}{found.image.repository}@{found.digest}"
            self._daemon.client.images.pull(by_digest)

    def _find(self, image: PinnedImage) -> Found | str:
        reference = self.reference(image)
        pinned_is = Answer(None)
        if image.digest is not None:
            pinned = self._by_digest(image, image.digest)
            if find_image(self._daemon, pinned.reference) is not None:
                return pinned
            answer = self.ask(pinned.reference)
            if answer.digest is not None:
                return pinned
            pinned_is = answer
        answer = self.ask(reference)
        digest = answer.digest or self._pulled_before(image)
        if digest is None:
            return answer.why
        if answer.digest is not None:
            with suppress(OSError):  # a cache that cannot be written serves no later run: no more
                write_atomically(self._note(image), digest)
        found = self._by_digest(image, digest)
        if not pinned_is.gone:
            return found
        note = _moved(image, digest, elsewhere=pinned_is.elsewhere)
        return found.model_copy(update={"note": note})

    def _by_digest(self, image: PinnedImage, digest: str) -> Found:
        reference = f"{self.reference(image)}@{digest}"
        return Found(image=image, reference=reference, digest=digest)

    def _pulled_before(self, image: PinnedImage) -> str | None:
        """Return the digest of an earlier run where no registry answers and its image is here."""
        if self.silence is None:
            return None
        with suppress(*DOCKER_ERRORS):
            digest = self._note(image).read_text(encoding="ascii")
            if find_image(self._daemon, f"{self.reference(image)}@{digest}") is not None:
                return digest
        return None

    def _note(self, image: PinnedImage) -> Path:
        return docker_directory() / "digests" / quote(self.reference(image), safe="")


class RegistryBases:
    """`python:X.Y-slim-*` from a registry."""

    name = "registry"

    def __init__(self, registry: Registry, pinned: PinnedBases) -> None:
        self._registry = registry
        self._pinned = pinned

    def describe(self) -> str:
        """Return a few words: what its bases are."""
        any_of_them = self._pinned.of_python("X.Y")
        return f"bases {self._registry.reference(any_of_them)} from a registry, by digest"

    def preview(self, python: str) -> Base | str:
        """Return the base `python` would get, by digest, or why the registry has none."""
        found = self._registry.find(self._pinned.of_python(python))
        return found if isinstance(found, str) else _base(found)

    def get(self, python: str, progress: Progress) -> Base:
        """Return the base of `python`, pulled if it is not there."""
        found = self._registry.find(self._pinned.of_python(python))
        assert isinstance(found, Found), "only what `preview` has is got"
        self._registry.pull(found, progress)
        return _base(found)


def _base(found: Found) -> Base:
    return Base(kind="registry", reference=found.reference, digest=found.digest, note=found.note)


def _moved(image: PinnedImage, digest: str, *, elsewhere: bool) -> str:
    has = "has for other machines only" if elsewhere else "no longer has"
    pinned = (image.digest or "")[:_SHOWN]
    return (
        f"the registry {has} {image.name} as it is pinned ({pinned});"
        f" taken as it is now ({digest[:_SHOWN]})"
    )
