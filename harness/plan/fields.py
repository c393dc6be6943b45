"""The scalars of `matrix.yaml`: each type reads a text and says what is allowed instead."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Final

from packaging.utils import canonicalize_name, is_normalized_name
from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from harness.cell import Device, Resolution
from harness.errors import nearest
from harness.plan.versions import is_exact, normalised
from harness.sizes import parse_size

__all__ = [
    "CAPTURED",
    "OLDEST_PYTHON",
    "SET_NAME",
    "TENSORFLOW_PACKAGES",
    "AnyDevice",
    "AnyResolution",
    "Bytes",
    "Count",
    "FlagsName",
    "Package",
    "PackageVersion",
    "PinsName",
    "PythonVersion",
    "PythonWanted",
    "SchemaVersion",
    "Seconds",
    "SetName",
    "Setting",
    "TensorFlowWanted",
    "Text",
    "Threads",
    "Truth",
    "shown",
    "wrong",
]

OLDEST_PYTHON: Final = (3, 6)
"""The oldest CPython the probe's syntax is held to."""

TENSORFLOW_PACKAGES: Final = ("tensorflow", "tensorflow-cpu", "tensorflow-gpu")
"""The distributions that bring TensorFlow, as the index names them."""

THREAD_SETTINGS: Final = ("intra_op_threads", "inter_op_threads")

SET_NAME: Final = "^[a-z0-9][a-z0-9.-]*$"

CAPTURED: Final = "captured"
"""Name of the pins and flags of the environment that a model was captured in."""

_LEAST_BYTES: Final = 6 * 1024**2  # what Docker accepts for a container at the least


def wrong(what: str, allowed: str = "", hint: str | None = None) -> PydanticCustomError:
    """Return the error that `harness.plan.problems` turns into a `Problem`."""
    return PydanticCustomError(
        "wrong", "{what}", {"what": what, "allowed": allowed, "hint": hint or ""}
    )


def _text(text: str) -> str:
    if not text.strip():
        raise wrong("is empty", "some text")
    return text


def _schema_version(value: object) -> object:
    if str(value) != "1":
        raise wrong(f"this harness does not know schema {shown(value)}", "1")
    return 1


def _tensorflow(text: str) -> str:
    allowed = 'an exact version such as "2.15.1", or a specifier such as ">=2.4" or "2.4.*"'
    try:
        wanted = normalised(text)
    except ValueError:
        raise wrong(f"{text!r} is neither a version nor a specifier", allowed) from None
    if re.fullmatch(r"\d+(\.\d+)?", wanted):
        hint = f'write "{wanted}.*" for its newest patch'
        raise wrong(f"{text!r} is not a whole version", allowed, hint)
    return wanted


def _python(text: str) -> str:
    found = re.fullmatch(r"3\.(\d{1,2})", text)
    if found is None or (3, int(found[1])) < OLDEST_PYTHON:
        hint = "write python: auto, outside a list" if text == "auto" else None
        raise wrong(f"{text!r} is not a Python version", "versions X.Y from 3.6, or auto", hint)
    return text


def _python_wanted(text: str) -> str:
    try:
        wanted = normalised(text)
    except ValueError:
        wanted = ""
    if not wanted or (is_exact(wanted) and re.fullmatch(r"3\.\d{1,2}", wanted) is None):
        allowed = 'a version X.Y such as "3.9", or a specifier such as "<3.9"'
        raise wrong(f"{text!r} is neither a Python version nor a specifier", allowed)
    return wanted


def _choice(kind: type[StrEnum]) -> Callable[[object], object]:
    def check(value: object) -> object:
        names = [member.value for member in kind]
        if isinstance(value, str) and value not in names:
            raise wrong(f"{value!r} is not known", ", ".join(names), nearest(value, names))
        return value

    return check


def _set_name(text: str) -> str:
    if re.fullmatch(SET_NAME, text) is None:
        raise wrong(f"{text!r} cannot be part of a cell id", "a-z, 0-9, dots and dashes")
    if text == Resolution.TODAY or text.endswith(f"-{Resolution.TODAY}"):
        what = f"{text!r} reads like the resolution in a cell id"
        raise wrong(what, f"names that do not end with {Resolution.TODAY.value}")
    if text == CAPTURED:
        what = f"{text!r} is the name of what `include: [{{captured: true}}]` brings"
        raise wrong(what, "any other name")
    return text


def _known(section: str) -> Callable[[str, ValidationInfo], str]:
    def check(name: str, info: ValidationInfo) -> str:
        known: Mapping[str, tuple[str, ...]] = info.context or {}
        names = known.get(section, (name,))
        if name not in names:
            what = f"{section} has no {name!r}"
            raise wrong(what, ", ".join(names), nearest(name, names))
        return name

    return check


def _package(text: str) -> str:
    name = canonicalize_name(text)
    if not is_normalized_name(name):
        raise wrong(f"{text!r} is not a package name", "names such as numpy")
    if name in TENSORFLOW_PACKAGES:
        raise wrong(f"{text!r} cannot be pinned", "any package but TensorFlow", "it is an axis")
    return name


def _package_version(text: str) -> str:
    if not is_exact(text):
        raise wrong(f"{text!r} is not an exact version", 'versions such as "1.26.4"')
    return text


def _truth(value: object) -> bool:
    if str(value).lower() not in {"true", "false"}:
        raise wrong(f"{shown(value)} is neither true nor false", "true, false")
    return str(value).lower() == "true"


def _setting(text: str) -> str:
    if re.fullmatch(r"[A-Z_][A-Z0-9_]*", text) or text in THREAD_SETTINGS:
        return text
    allowed = f"environment variables in CAPITALS, {', '.join(THREAD_SETTINGS)}"
    raise wrong("unknown setting", allowed, nearest(text, THREAD_SETTINGS))


def _threads(value: object) -> object:
    if re.fullmatch(r"[1-9]\d{0,3}", str(value)) is None:
        raise wrong(f"{shown(value)} is not a number of threads", "whole numbers from 1 to 9999")
    return value


def _positive(unit: str, allowed: str) -> Callable[[object], float]:
    def check(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not (0 < number < math.inf):
            raise wrong(f"{shown(value)} is not {unit}", allowed)
        return number

    return check


def _bytes(value: object) -> int:
    size = parse_size(str(value))
    if size is None or size < _LEAST_BYTES:
        allowed = "sizes from 6m, such as 512m or 4g (k, m and g are powers of 1024)"
        raise wrong(f"{shown(value)} is not a usable size", allowed)
    return size


def shown(value: object) -> str:
    """Return how an error names a value of the file."""
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return "nothing" if value is None else repr(value)


_VERSION = {"type": ["string", "number"]}

Text = Annotated[str, AfterValidator(_text), WithJsonSchema({"type": "string", "minLength": 1})]
SchemaVersion = Annotated[int, BeforeValidator(_schema_version), WithJsonSchema({"const": 1})]
TensorFlowWanted = Annotated[
    str,
    AfterValidator(_tensorflow),
    WithJsonSchema({**_VERSION, "examples": ["2.15.1", ">=2.4", "2.4.*"]}),
]
"""An exact version, or a specifier: the newest patch of each minor it admits."""
PythonVersion = Annotated[
    str, AfterValidator(_python), WithJsonSchema({**_VERSION, "examples": ["3.11"]})
]
"""`X.Y`."""
PythonWanted = Annotated[
    str, AfterValidator(_python_wanted), WithJsonSchema({**_VERSION, "examples": ["3.9", "<3.9"]})
]
"""`X.Y`, or a specifier."""
AnyDevice = Annotated[Device, BeforeValidator(_choice(Device))]
AnyResolution = Annotated[Resolution, BeforeValidator(_choice(Resolution))]
SetName = Annotated[str, AfterValidator(_set_name)]
"""Name of a set of pins or flags."""
PinsName = Annotated[str, AfterValidator(_known("pins"))]
"""Name of a set of pins that the file has."""
FlagsName = Annotated[str, AfterValidator(_known("flags"))]
"""Name of a set of flags that the file has."""
Package = Annotated[str, AfterValidator(_package)]
"""Normalised package name (PEP 503)."""
PackageVersion = Annotated[str, AfterValidator(_package_version), WithJsonSchema({**_VERSION})]
Setting = Annotated[str, AfterValidator(_setting)]
Threads = Annotated[
    int, BeforeValidator(_threads), WithJsonSchema({"type": "integer", "minimum": 1})
]
Truth = Annotated[bool, BeforeValidator(_truth), WithJsonSchema({"type": "boolean"})]
Count = Annotated[
    float,
    BeforeValidator(_positive("a number of CPUs", "numbers above 0, such as 2 or 0.5")),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
Seconds = Annotated[
    float,
    BeforeValidator(_positive("a time limit", "seconds above 0, such as 300")),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
Bytes = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["512m", "4g"]}),
]
"""A size; `k`, `m` and `g` are powers of 1024."""
