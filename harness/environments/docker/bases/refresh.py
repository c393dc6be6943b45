"""Asking a registry for the digest every tag of `bases.yaml` has now, and writing it there."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from harness.cell import Value
from harness.environments.docker.bases.pinned import PinnedBases, PinnedImage
from harness.environments.docker.bases.registry import Answer, Registry
from harness.errors import BasesError, NoEngineError, Problem
from harness.files import write_atomically

__all__ = ["Refreshed", "refresh_bases"]

_AT_ONCE = 8


class Refreshed(Value):
    """What became of one image."""

    name: str
    """`python:3.11-slim-bookworm`."""
    old: str | None
    """The digest it was pinned by; None: it was not pinned."""
    new: str | None
    """The digest its tag has; None: the registry has no such tag, and the old digest stays."""
    why: str = ""
    """Why there is no new one."""


def refresh_bases(registry: Registry, pinned: PinnedBases) -> tuple[Refreshed, ...]:
    """Pin every image of the file to what its tag is now; return what became of each.

    Raises:
        NoEngineError: no registry answers, or it has none of them. Nothing was written.
        BasesError: the file cannot be rewritten.
    """
    first, *others = pinned.images
    answers = {first: registry.ask(registry.reference(first))}
    if registry.silence is None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            asked = pool.map(lambda image: registry.ask(registry.reference(image)), others)
            answers.update(zip(others, asked, strict=True))
    digests = {image.name: answer.digest for image, answer in answers.items() if answer.digest}
    why = registry.silence or (None if digests else "the registry has none of the images")
    if why is not None:
        raise NoEngineError(
            f"bases: {why}\n"
            f"  Nothing was written to {pinned.file}. Name a registry that has the images with\n"
            "  HARNESS_BASE_REGISTRY, such as mirror.example/library/, or try again later."
        )
    _write(pinned, digests)
    return tuple(_refreshed(image, answer) for image, answer in answers.items())


def _write(pinned: PinnedBases, digests: Mapping[str, str]) -> None:
    text = pinned.with_digests(digests)
    if text == pinned.text:
        return
    try:
        write_atomically(pinned.file, text)
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        hint = "copy it, and name the copy with HARNESS_BASES"
        problem = Problem(where=str(pinned.file), what=what, hint=hint)
        raise BasesError([problem]) from error


def _refreshed(image: PinnedImage, answer: Answer) -> Refreshed:
    return Refreshed(name=image.name, old=image.digest, new=answer.digest, why=answer.why)
