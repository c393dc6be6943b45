"""What an environment's image is made from, as text, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
import shlex
from typing import Literal

from packaging.utils import canonicalize_name

from harness.cell import Cell, Value
from harness.environments.docker import names
from harness.environments.docker.bases.cuda import CudaImage
from harness.environments.docker.building.image_folder import image_file
from harness.environments.engine import Lock
from harness.environments.resolver import date_options
from harness.observation import Base

__all__ = [
    "CUDA",
    "INSTALL",
    "LEFT_OUT",
    "TEMPLATES",
    "Builder",
    "Recipe",
    "dockerfile",
    "recipe",
    "wanted_file",
]

Builder = Literal["buildkit", "classic"]

TEMPLATES: dict[Builder, str] = {
    "buildkit": "buildkit.Dockerfile",
    "classic": "classic.Dockerfile",
}
INSTALL = "install.sh"
CUDA = "cuda.sh"
LEFT_OUT = "left-out.txt"


class Recipe(Value):
    """All that goes into an image. Two recipes with one identity make the same environment."""

    dockerfile: str
    install: str
    """Text of `install.sh`."""
    cuda: str = ""
    """Text of `cuda.sh`; empty where no CUDA is taken from an image."""
    left_out: tuple[str, ...]
    """What of the packages is not installed: places below the folder of packages."""
    lock: Lock
    base: Base
    options: tuple[str, ...] = ()
    """Options of `uv pip install`; with equal locks they only say how the lock came about."""
    cell: str = ""
    """Environment id of the cell that it was first made for."""

    @property
    def identity(self) -> str:
        """sha256 (hex) of what decides the image's content.

        The lock counts by its digest: its comments change nothing. The cell and the dates it was
        resolved with do not count.
        """
        left_out = "\n".join(self.left_out)
        parts = (
            *(self.dockerfile, self.install, self.cuda, left_out),
            *(self.lock.digest, self.base.digest, self.base.cuda),
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def tag(self) -> str:
        """The image's reference, such as `...:tf2.15.1-py3.11-cpu-0123456789ab`.

        It follows from the content, so that cells with one lock on one base share it.
        """
        version = self.lock.packages.get(canonicalize_name(self.lock.distribution), "")
        has_cuda = self.base.cuda is not None or any(
            name.startswith("nvidia-") for name in self.lock.packages
        )
        device = "cuda" if has_cuda else "cpu"
        name = f"tf{version}-py{self.lock.python}-{device}-{self.identity[:12]}"
        return f"{names.ENVIRONMENTS}:{name}"


def recipe(
    cell: Cell,
    lock: Lock,
    base: Base,
    *,
    installer: str,
    builder: Builder,
    cuda: CudaImage | None = None,
) -> Recipe:
    """Return the recipe of the image of `lock` on `base`, installed by the image `installer`.

    From the image `cuda`, where there is one, the libraries of CUDA and cuDNN are taken.
    """
    if cuda is not None:
        base = base.model_copy(update={"cuda": cuda.name})
    left_out = tuple(image_file(LEFT_OUT).split())
    labels = {
        names.ROLE: "environment",
        names.LOCK: lock.digest,
        f"{names.ENVIRONMENTS}.distribution": lock.distribution,
        f"{names.ENVIRONMENTS}.base": base.reference,
        f"{names.ENVIRONMENTS}.base-digest": base.digest or "",
        names.LEFT_OUT: " ".join(left_out),
    }
    if base.cuda is not None:
        labels[f"{names.ENVIRONMENTS}.cuda"] = base.cuda
    text = dockerfile(
        _template(builder, cuda), base=base.reference, installer=installer, labels=labels
    )
    return Recipe(
        dockerfile=text,
        install=image_file(INSTALL),
        cuda=image_file(CUDA) if cuda is not None else "",
        left_out=left_out,
        lock=lock,
        base=base,
        options=date_options(cell),
        cell=cell.environment_id,
    )


def _template(builder: Builder, cuda: CudaImage | None) -> str:
    """Return the Dockerfile to fill in, with the steps that take CUDA from an image or without."""
    steps = {"CUDA_STAGE": "", "CUDA": ""}
    if cuda is not None:
        stage = image_file("cuda.stage.Dockerfile") if builder == "classic" else ""
        steps = {"CUDA_STAGE": stage, "CUDA": image_file(f"cuda.{builder}.Dockerfile")}
        steps = {name: s.replace("@CUDA_IMAGE@", cuda.reference) for name, s in steps.items()}
    text = image_file(TEMPLATES[builder])
    for name, step in steps.items():
        text = text.replace(f"@{name}@", step)
    return text


def wanted_file(identity: str, options: tuple[str, ...], *, mounted: str = "") -> str:
    """Return the lines `NAME='value'` that `install.sh` reads.

    `mounted` is empty for an image; for a folder that is mounted, `plain`, or `compiled` with
    bytecode.
    """
    lines = {"identity": identity, "options": " ".join(options), "mounted": mounted}
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in lines.items())


def dockerfile(template: str, *, base: str, installer: str, labels: dict[str, str]) -> str:
    """Return the Dockerfile `template` filled in; the same arguments give the same text."""
    filled = {
        "BASE": base,
        "INSTALLER": installer,
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
