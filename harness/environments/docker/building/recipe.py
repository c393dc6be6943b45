"""What an environment's image is made from, as text, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
import shlex
from typing import Literal

from harness.cell import Cell, Value
from harness.environments.docker import names
from harness.environments.docker.building.image_folder import image_file
from harness.environments.engine import Lock
from harness.environments.resolver import date_options
from harness.observation import Base

__all__ = ["INSTALL", "TEMPLATES", "Builder", "Recipe", "dockerfile", "recipe"]

Builder = Literal["buildkit", "classic"]

TEMPLATES: dict[Builder, str] = {
    "buildkit": "buildkit.Dockerfile",
    "classic": "classic.Dockerfile",
}
INSTALL = "install.sh"


class Recipe(Value):
    """All that goes into an image. Two recipes with one identity make the same environment."""

    dockerfile: str
    install: str
    """Text of `install.sh`."""
    lock: Lock
    base: Base
    name: str
    """What a person reads in the tag, such as `tf2.15.1-py3.11-cpu`."""

    @property
    def identity(self) -> str:
        """sha256 (hex) of what decides the image's content.

        The lock counts by its digest: its comments change nothing. The name does not count.
        """
        parts = (self.dockerfile, self.install, self.lock.digest, self.base.digest)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def tag(self) -> str:
        """The image's reference. Cells that differ in nothing but words share it."""
        return f"{names.ENVIRONMENTS}:{self.name}-{self.identity[:12]}"


def recipe(cell: Cell, lock: Lock, base: Base, *, installer: str, builder: Builder) -> Recipe:
    """Return the recipe of the image of `lock` on `base`, installed by the image `installer`."""
    labels = {
        names.ROLE: "environment",
        names.LOCK: lock.digest,
        f"{names.ENVIRONMENTS}.distribution": lock.distribution,
        f"{names.ENVIRONMENTS}.base": base.reference,
        f"{names.ENVIRONMENTS}.base-digest": base.digest or "",
    }
    text = dockerfile(
        image_file(TEMPLATES[builder]),
        base=base.reference,
        installer=installer,
        options=date_options(cell),
        labels=labels,
    )
    return Recipe(
        dockerfile=text,
        install=image_file(INSTALL),
        lock=lock,
        base=base,
        name=f"tf{cell.tensorflow}-py{cell.python}-{cell.device}",
    )


def dockerfile(
    template: str, *, base: str, installer: str, options: tuple[str, ...], labels: dict[str, str]
) -> str:
    """Return the Dockerfile `template` filled in; the same arguments give the same text.

    `options` are passed on to `uv pip install`.
    """
    filled = {
        "BASE": base,
        "INSTALLER": installer,
        "OPTIONS": "".join(f" {shlex.quote(option)}" for option in options),
        "LABELS": " \\\n    ".join(f"{key}={json.dumps(value)}" for key, value in labels.items()),
        "FOLDER": names.FOLDER,
        "CACHE": names.CACHE,
        "ROLE": names.ROLE,
        "OWNER": names.OWNER,
        "BUILD": names.BUILD,
    }
    for name, value in filled.items():
        template = template.replace(f"@{name}@", value)
    return template
