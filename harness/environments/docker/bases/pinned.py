"""`bases.yaml`: the images that bases come from, pinned by digest; reading and rewriting it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError

from harness.cell import Value
from harness.environments.docker.building.image_folder import image_path
from harness.errors import BasesError, Problem
from harness.plan.fields import PythonVersion, SchemaVersion, shown, wrong
from harness.plan.problems import pydantic_problems
from harness.plan.sections import Section
from harness.plan.yaml_positions import KeyPath, Positions, read_yaml

__all__ = ["CudaPair", "PinnedBases", "PinnedImage", "load_bases"]

VARIABLE: Final = "HARNESS_BASES"
"""Names the file to read instead of the harness's own."""

# https://github.com/distribution/reference: path-component, tag, digest.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"({_COMPONENT}(?:/{_COMPONENT})*):([A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})"
    r"(?:@(sha256:[0-9a-f]{64}))?"
)
_ALLOWED = "REPOSITORY:TAG, or REPOSITORY:TAG@sha256: and 64 hexadecimal digits"


class PinnedImage(Value):
    """An image as the file names it. Docker goes by the digest where there is one."""

    repository: str
    """Without a registry: `python`, `nvidia/cuda`."""
    tag: str
    """What it was called when it was pinned; what is asked for where it is not."""
    digest: str | None = None

    @property
    def name(self) -> str:
        """`python:3.11-slim-bookworm`."""
        return f"{self.repository}:{self.tag}"

    def __str__(self) -> str:
        return self.name if self.digest is None else f"{self.name}@{self.digest}"


def _image(value: object) -> PinnedImage:
    found = _IMAGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong(f"{shown(value)} is not an image", _ALLOWED)
    repository, tag, digest = found.groups()
    if "." in repository.partition("/")[0]:
        what = f"{repository!r} names a registry"
        raise wrong(what, _ALLOWED, "name a registry with HARNESS_BASE_REGISTRY")
    return PinnedImage(repository=repository, tag=tag, digest=digest)


def _version(value: object) -> object:
    if not (isinstance(value, str) and re.fullmatch(r"\d{1,2}\.\d{1,2}", value)):
        raise wrong(f"{shown(value)} is not a version", "versions X.Y such as 11.2")
    return value


Image = Annotated[PinnedImage, BeforeValidator(_image)]
Version = Annotated[str, BeforeValidator(_version)]


class CudaPair(Section):
    """The images that hold a CUDA and a cuDNN, the best first."""

    cuda: Version
    cudnn: Version
    images: Annotated[tuple[Image, ...], Field(min_length=1)]


class PinnedBases(Section):
    """The file: a base for each Python, and images for each pair of CUDA and cuDNN."""

    schema_: SchemaVersion = Field(alias="schema")
    python: Annotated[dict[PythonVersion, Image], Field(min_length=1)]
    cuda: tuple[CudaPair, ...] = ()

    _text: str = PrivateAttr(default="")
    _positions: Positions = PrivateAttr(default=Positions("bases.yaml"))

    def of_python(self, python: str) -> PinnedImage:
        """Return the image of `python` (`X.Y`); the official one's usual tag if it is not there."""
        usual = PinnedImage(repository="python", tag=f"{python}-slim")
        return self.python.get(python, usual)

    def of_cuda(self, cuda: str, cudnn: str) -> tuple[PinnedImage, ...]:
        """Return the images of a pair, the best first; empty where the file has none."""
        pairs = {(pair.cuda, pair.cudnn): pair.images for pair in self.cuda}
        return pairs.get((cuda, cudnn), ())

    @property
    def file(self) -> Path:
        """The file this was read from."""
        return Path(self._positions.name)

    @property
    def text(self) -> str:
        """The file, as it was read."""
        return self._text

    @property
    def images(self) -> tuple[PinnedImage, ...]:
        """Every image of the file, in its order, each once."""
        return tuple(dict.fromkeys(image for _, image in self._placed()))

    def with_digests(self, digests: Mapping[str, str]) -> str:
        """Return the file's text with the digests that `digests` has by name; all else stays.

        Raises:
            BasesError: an image is written in a way that hides where it stands.
        """
        lines = self._text.splitlines(keepends=True)
        problems = []
        for path, image in self._placed():
            line = self._positions.line(path) or 0
            digest = digests.get(image.name)
            if digest is None or digest == image.digest:
                continue
            old, new = str(image), str(image.model_copy(update={"digest": digest}))
            if line == 0 or old not in lines[line - 1]:
                what = f"{old} does not stand on the line of its key"
                where = self._positions.where(*path)
                problems.append(Problem(where=where, what=what, hint="write both on one line"))
            else:
                lines[line - 1] = lines[line - 1].replace(old, new, 1)
        if problems:
            raise BasesError(problems)
        return "".join(lines)

    def _placed(self) -> tuple[tuple[KeyPath, PinnedImage], ...]:
        return (
            *((("python", python), image) for python, image in self.python.items()),
            *(
                (("cuda", i, "images", j), image)
                for i, pair in enumerate(self.cuda)
                for j, image in enumerate(pair.images)
            ),
        )


def load_bases() -> PinnedBases:
    """Read the file that `HARNESS_BASES` names, else the harness's own.

    Raises:
        BasesError: everything that is wrong with it, each with its line.
    """
    chosen = os.environ.get(VARIABLE)
    path = Path(chosen).expanduser() if chosen else image_path("bases.yaml")
    text = _text(path)
    document = read_yaml(text, str(path))
    positions, value = document.positions, document.value
    problems = list(document.problems)
    if not isinstance(value, dict):
        if not problems:
            what = "is empty" if value is None else "is not a mapping of keys to values"
            problems = [Problem(where=str(path), what=what, allowed=", ".join(_keys(())))]
        raise BasesError(problems)
    problems += _repeated(value, positions)
    try:
        pinned = PinnedBases.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        told = {problem.where for problem in problems}
        found = pydantic_problems(error, positions, _keys)
        problems += [problem for problem in found if problem.where not in told]
    if problems:
        raise BasesError(problems)
    pinned._text, pinned._positions = text, positions
    return pinned


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = f"{VARIABLE} names it" if os.environ.get(VARIABLE) else None
        problem = Problem(where=str(path), what=f"cannot be read: {error.strerror}", hint=hint)
    except UnicodeDecodeError:
        problem = Problem(where=str(path), what="is not UTF-8 text")
    raise BasesError([problem])


def _repeated(value: Mapping[str, Any], positions: Positions) -> list[Problem]:
    """Return a problem for each pair of CUDA and cuDNN that is there already."""
    problems = []
    first: dict[tuple[object, object], int] = {}
    listed = value.get("cuda")
    for i, pair in enumerate(listed if isinstance(listed, list) else ()):
        names = (pair.get("cuda"), pair.get("cudnn")) if isinstance(pair, dict) else (None, None)
        if all(isinstance(name, str) for name in names) and first.setdefault(names, i) != i:
            what = f"CUDA {names[0]} with cuDNN {names[1]} is there already:"
            where = positions.where("cuda", i)
            what = f"{what} {positions.where('cuda', first[names])}"
            problems.append(Problem(where=where, what=what, hint="keep one of them"))
    return problems


def _keys(path: KeyPath) -> tuple[str, ...]:
    """Return the keys that are allowed where `path` ends."""
    model = CudaPair if path[:1] == ("cuda",) and len(path) > 1 else PinnedBases
    return tuple(field.alias or name for name, field in model.model_fields.items())
