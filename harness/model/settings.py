"""`model.yaml`: what a user may say about a model, read with the place of everything wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, ValidationError

from harness.cell import Value
from harness.errors import ModelError, Problem, nearest
from harness.model.graph import tensor_ref
from harness.model.loaders import LOADERS
from harness.model.model import Format, TaskKind
from harness.plan.fields import TENSORFLOW_PACKAGES, shown, wrong
from harness.plan.problems import pydantic_problems, repeated
from harness.plan.yaml_positions import KeyPath, Positions, read_yaml
from harness.untrusted import UntrustedFileError, open_regular

__all__ = [
    "SETTINGS_FILE",
    "InputSettings",
    "OutputSettings",
    "Settings",
    "ToleranceSettings",
    "load_settings",
]

SETTINGS_FILE: Final = "model.yaml"

_MAX_BYTES = 1024**2
_MAX_DIMENSION = 2**31 - 1
_MAX_SEED = 2**32 - 1  # what numpy.random.RandomState takes
_MAX_TAG = 200
_PAIR = 2


def _whole(least: int, most: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if re.fullmatch(r"\d{1,10}", str(value)) is None or not least <= int(str(value)) <= most:
            raise wrong(f"{shown(value)} is out of range", f"whole numbers from {least} to {most}")
        return int(str(value))

    return check


def _number(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise wrong(f"{shown(value)} is not a number", "finite numbers such as 0.5 or 1e-5")
    return number


def _size(value: object) -> float:
    number = _number(value)
    if number < 0:
        raise wrong(f"{shown(value)} is below 0", "numbers from 0, such as 1e-5")
    return number


def _format(value: object) -> object:
    names = [member.value for member in Format]
    if isinstance(value, str) and value not in names:
        raise wrong(f"{value!r} is not a format", ", ".join(names), nearest(value, names))
    return value


def _task(value: object) -> object:
    names = [member.value for member in TaskKind]
    if value not in names:
        hint = _TASK_HINTS.get(str(value).lower()) or nearest(str(value), names)
        raise wrong(f"{shown(value)} is not a task", ", ".join(names), hint)
    return value


_TASK_HINTS = {
    "binary": "a binary classifier is 'classification'",
    "sigmoid": "did you mean 'multilabel'?",
    "softmax": "did you mean 'classification'?",
}


def _relative(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise wrong(f"{text!r} is not below model.yaml", "paths relative to model.yaml's folder")
    return text


def _name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text) is None:
        raise wrong(f"{text!r} cannot name a folder", "A-Z, a-z, 0-9, dots, dashes, underscores")
    return text


def _range(value: object) -> object:
    if isinstance(value, list) and len(value) == _PAIR and _number(value[0]) < _number(value[1]):
        return value
    raise wrong(f"{shown(value)} is not a range", "[low, high] with low below high")


def _requirement(text: str) -> str:
    allowed = 'a package with or without versions (PEP 508), such as "tensorflow-text" or "x>=2"'
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise wrong(f"{text!r} is not a requirement", allowed) from None
    if requirement.url is not None:
        raise wrong(f"{text!r} names an address", allowed, "packages come from the index only")
    if canonicalize_name(requirement.name) in TENSORFLOW_PACKAGES:
        raise wrong(f"{text!r} cannot be required", allowed, "the matrix says which TensorFlow")
    return text


def _tensor(text: str) -> str:
    if tensor_ref(text) is None:
        raise wrong(f"{text!r} names no tensor", "NODE:INDEX such as dense/Softmax:0, or NODE")
    return text


def _loader(text: str) -> str:
    if text not in LOADERS:
        raise wrong(f"{text!r} is not a loader", ", ".join(LOADERS), nearest(text, LOADERS))
    return text


def _tag(text: str) -> str:
    if not text.strip() or len(text) > _MAX_TAG:
        raise wrong(f"{text!r} is not a tag", "texts such as serve")
    return text


_Dimension = Annotated[int, BeforeValidator(_whole(1, _MAX_DIMENSION))]
_Number = Annotated[float, BeforeValidator(_number)]
_Size = Annotated[float, BeforeValidator(_size)]
_Tensor = Annotated[str, AfterValidator(_tensor)]
_Tag = Annotated[str, AfterValidator(_tag)]
_Loader = Annotated[str, AfterValidator(_loader)]
_Task = Annotated[TaskKind, BeforeValidator(_task)]


class InputSettings(Value):
    """How one input is generated, and which tensor of a bare graph it is."""

    tensor: _Tensor | None = None
    """`NODE:0`; it makes this name an input."""
    shape: tuple[_Dimension, ...] | None = None
    """The full shape, batch included."""
    range: Annotated[tuple[_Number, _Number], BeforeValidator(_range)] | None = None
    """[low, high)."""


def _says_something(value: object) -> object:
    if value == {}:
        raise wrong("says nothing", f"at least one of {', '.join(OutputSettings.model_fields)}")
    return value


class OutputSettings(Value):
    """What one output is for, and which tensor of a bare graph it is."""

    tensor: _Tensor | None = None
    """`NODE:0`; it makes this name an output."""
    task: _Task | None = None
    threshold: _Number | None = None
    """In units of the output."""


class ToleranceSettings(Value):
    """Tolerances of one output."""

    atol: _Size | None = None
    rtol: _Size | None = None


class Settings(Value):
    """What `model.yaml` says; everything is optional."""

    format: Annotated[Format, BeforeValidator(_format)] | None = None
    path: Annotated[str, AfterValidator(_relative)] | None = None
    """The model, relative to the file's folder."""
    name: Annotated[str, AfterValidator(_name)] | None = None
    signature: str | None = None
    tags: Annotated[tuple[_Tag, ...], Field(min_length=1)] | None = None
    """Of the SavedModel's graph to load."""
    loaders: tuple[_Loader, ...] = Field(default=(), min_length=1)
    """The loaders to use, the one whose outcome is the verdict first."""
    seed: Annotated[int, BeforeValidator(_whole(0, _MAX_SEED))] = 0
    batch_size: Annotated[int, BeforeValidator(_whole(1, _MAX_DIMENSION))] = 8
    inputs: dict[str, InputSettings] = Field(default_factory=dict)
    task: _Task | None = None
    """Of the outputs that have none of their own."""
    threshold: _Number | None = None
    outputs: dict[str, Annotated[OutputSettings, BeforeValidator(_says_something)]] = Field(
        default_factory=dict
    )
    tolerances: dict[str, ToleranceSettings] = Field(default_factory=dict)
    """By output; `*` stands for all others."""
    requirements: tuple[Annotated[str, AfterValidator(_requirement)], ...] = ()

    _positions: Positions = PrivateAttr(default=Positions(SETTINGS_FILE))

    def where(self, *path: str | int) -> str:
        """Return the place of a key: `model.yaml:3 inputs.x.shape`."""
        return self._positions.where(*path)


def load_settings(path: Path) -> Settings:
    """Read `model.yaml`; an empty file says nothing.

    Raises:
        ModelError: everything that is wrong with it, each with its line.
    """
    document = read_yaml(_text(path), str(path))
    problems = list(document.problems)
    if document.value is None and not problems:
        return Settings()
    if not isinstance(document.value, dict):
        what = "is not a mapping of keys to values"
        raise ModelError(problems or [Problem(where=str(path), what=what, allowed=_KEYS)])
    problems += repeated(document.value, ("loaders", "tags"), document.positions)
    try:
        settings = Settings.model_validate(document.value)
    except ValidationError as error:
        told = {problem.where for problem in problems}
        found = pydantic_problems(error, document.positions, _keys)
        problems += [problem for problem in found if problem.where not in told]
    if problems:
        raise ModelError(problems)
    settings._positions = document.positions
    return settings


_KEYS = ", ".join(Settings.model_fields)


def _keys(path: KeyPath) -> tuple[str, ...]:
    """Return the keys that are allowed where `path` ends."""
    inner: dict[str | int, type[Value]] = {
        "inputs": InputSettings,
        "outputs": OutputSettings,
        "tolerances": ToleranceSettings,
    }
    model = inner.get(path[0], Settings) if len(path) > 1 else Settings
    return tuple(model.model_fields)


def _text(path: Path) -> str:
    try:
        with open_regular(path) as stream:
            data = stream.read(_MAX_BYTES + 1)
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error))]) from None
    if len(data) > _MAX_BYTES:
        raise ModelError([Problem(where=str(path), what=f"is larger than {_MAX_BYTES} bytes")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ModelError([Problem(where=str(path), what="is not UTF-8 text")]) from None
