"""Where an image that was not built here comes from, and whether it is what its name says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.cell import Value
from harness.environments.docker import names
from harness.environments.docker.building.recipe import Recipe
from harness.environments.docker.daemon import docker_directory
from harness.files import write_atomically
from harness.text import one_line

__all__ = ["difference", "note_pulled", "pulled_from"]

# Settings of an image that its containers obey and that no recipe has: they are the base's.
_SETTINGS = ("User", "Entrypoint", "Volumes", "OnBuild", "Healthcheck", "Shell", "StopSignal")


class _Noted(Value):
    """What is noted of an image that was pulled."""

    image: str
    reference: str


def difference(
    image: Mapping[str, Any], wanted: Recipe, base: Mapping[str, Any] | None
) -> str | None:
    """Return what in `image` is not what `wanted` says, in a few words; None where all is.

    `image` and `base`, the image it is built on, are as the daemon describes them; `base` is None
    where this machine does not have it.
    """
    return next(_differences(image, wanted, base), None)


def _differences(
    image: Mapping[str, Any], wanted: Recipe, base: Mapping[str, Any] | None
) -> Iterator[str]:
    config = image.get("Config") or {}
    labels = config.get("Labels") or {}
    for label, expected in (
        (names.ROLE, "environment"),
        (names.LOCK, wanted.lock.digest),
        (names.LEFT_OUT, " ".join(wanted.left_out)),
        (f"{names.ENVIRONMENTS}.base-digest", wanted.base.digest or ""),
        (f"{names.ENVIRONMENTS}.cuda", wanted.base.cuda),
    ):
        found = labels.get(label)
        if found != expected:
            yield f"its label {label} is {_shown(found)}, not {_shown(expected)}"
    if base is None:
        return
    layers, below = _layers(image), _layers(base)
    if layers[: len(below)] != below:
        yield f"it is not built on {wanted.base.reference}"
    own = base.get("Config") or {}
    for setting in _SETTINGS:
        if (config.get(setting) or None) != (own.get(setting) or None):
            yield f"its setting {setting} is {_shown(config.get(setting))}, unlike its base's"
    for variable in config.get("Env") or ():
        name = variable.partition("=")[0]
        if variable not in (own.get("Env") or ()) and f"{name}=" not in wanted.dockerfile:
            yield f"it sets the variable {_shown(name)}, which nothing it is made from does"


def _layers(image: Mapping[str, Any]) -> list[str]:
    return list((image.get("RootFS") or {}).get("Layers") or ())


def _shown(value: object) -> str:
    return "missing" if value is None else one_line(repr(value), 100)


def note_pulled(made: Recipe, image: str, reference: str) -> None:
    """Note that the image with the id `image` was pulled by `reference`."""
    with suppress(OSError):  # then a later run says of it that it was built here
        noted = _Noted(image=image, reference=reference)
        write_atomically(_note(made), noted.model_dump_json())


def pulled_from(made: Recipe, image: str) -> str | None:
    """Return the reference that `image` was pulled by; None where it was built on this machine."""
    try:
        noted = _Noted.model_validate_json(_note(made).read_bytes())
    except (OSError, ValidationError):
        return None
    return noted.reference if noted.image == image else None


def _note(made: Recipe) -> Path:
    return docker_directory() / "pulled" / f"{made.identity}.json"
