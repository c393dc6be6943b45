"""`matrix.yaml`: what it may say, and reading it with the place of everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    ValidationError,
)
from pydantic.json_schema import WithJsonSchema

from harness.cell import Device, Flags, Pins, Resolution, Value
from harness.errors import MatrixError, Problem
from harness.plan.fields import (
    SET_NAME,
    AnyDevice,
    AnyResolution,
    Package,
    PackageVersion,
    PythonVersion,
    SchemaVersion,
    SetName,
    TensorFlowWanted,
    Text,
    wrong,
)
from harness.plan.problems import pydantic_problems, repeated
from harness.plan.sections import (
    DEFAULT,
    Exclusion,
    FlagSettings,
    Inclusion,
    RunLimits,
    Section,
)
from harness.plan.yaml_positions import KeyPath, Positions, read_yaml

__all__ = ["Matrix", "load_matrix"]


def _auto(value: object) -> object:
    if value == []:
        raise wrong("is empty", "auto, or at least one version")
    return () if value == "auto" else value


_PYTHONS_SCHEMA = {
    "anyOf": [
        {"const": "auto"},
        {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}},
    ]
}


class Matrix(Section):
    """The grid of environments, as the user wrote it.

    Where `pins` or `flags` list sets, only those are multiplied out: `default` has to be listed
    to be among them. `include` may name `default` in any case.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    schema_: SchemaVersion = Field(alias="schema")
    """Version of this file's format."""
    tensorflow: Annotated[tuple[TensorFlowWanted, ...], Field(min_length=1)] = (">=2.4",)
    """Exact versions and specifiers; a specifier means the newest patch of each minor it admits."""
    python: Annotated[
        tuple[PythonVersion, ...],
        BeforeValidator(_auto),
        PlainSerializer(lambda pythons: pythons or "auto"),
        WithJsonSchema(_PYTHONS_SCHEMA),
    ] = Field(default=(), json_schema_extra={"default": "auto"})
    """auto (here: empty): the newest CPython each release has wheels for and that can be got."""
    device: Annotated[tuple[AnyDevice, ...], Field(min_length=1)] = (Device.CPU,)
    """What to compute on."""
    resolution: Annotated[tuple[AnyResolution, ...], Field(min_length=1)] = (
        Resolution.AS_RELEASED,
    )
    """as-released: dependencies as they stood shortly after the release; today: as they are now."""
    pins: Annotated[dict[SetName, dict[Package, PackageVersion]], Field(min_length=1)] = Field(
        default={DEFAULT: {}}, json_schema_extra={"propertyNames": {"pattern": SET_NAME}}
    )
    """Named sets of exact package versions that override what would be installed."""
    flags: Annotated[dict[SetName, FlagSettings], Field(min_length=1)] = Field(
        default={DEFAULT: FlagSettings()},
        json_schema_extra={"default": {DEFAULT: {}}, "propertyNames": {"pattern": SET_NAME}},
    )
    """Named sets of run-time settings: environment variables, numbers of threads."""
    exclude: tuple[Exclusion, ...] = ()
    """Cells to leave out, each with the reason."""
    include: tuple[Inclusion, ...] = ()
    """Cells to add after exclude."""
    reference: Text = "auto"
    """What outputs are compared with: auto, expected or a cell id."""
    limits: RunLimits = Field(default=RunLimits(), json_schema_extra={"default": {}})
    """What one run may use."""

    _positions: Positions = PrivateAttr(default=Positions("matrix.yaml"))

    def where(self, *path: str | int) -> str:
        """Return the place of a key or item: `matrix.yaml:7 python[2]`."""
        return self._positions.where(*path)

    @property
    def file(self) -> str:
        """The file as the user named it."""
        return self._positions.name

    def pins_named(self, name: str) -> Pins:
        """Return a set of pins; `default` is empty where the file does not say otherwise."""
        return Pins(name=name, packages=self.pins.get(name, {}))

    def flags_named(self, name: str) -> Flags:
        """Return a set of flags; `default` is empty where the file does not say otherwise."""
        return self.flags.get(name, FlagSettings()).named(name)


def load_matrix(path: Path) -> Matrix:
    """Read `matrix.yaml`.

    Raises:
        MatrixError: everything that is wrong with it, each with its line.
    """
    document = read_yaml(_text(path), str(path))
    positions = document.positions
    problems = list(document.problems)
    value = document.value
    if not isinstance(value, dict):
        if not problems:
            what = "is empty" if value is None else "is not a mapping of keys to values"
            problems = [Problem(where=str(path), what=what, allowed=", ".join(_keys(())))]
        raise MatrixError(problems)
    problems += repeated(value, ("tensorflow", "python", "device", "resolution"), positions)
    known = {section: _names(value.get(section)) for section in ("pins", "flags")}
    try:
        matrix = Matrix.model_validate(value, context=known, by_alias=True, by_name=False)
    except ValidationError as error:
        told = {problem.where for problem in problems}
        found = pydantic_problems(error, positions, _keys)
        problems += [problem for problem in found if problem.where not in told]
    if problems:
        raise MatrixError(problems)
    matrix._positions = positions
    return matrix


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        problem = Problem(
            where=str(path), what="there is no such file", hint="name another with --matrix"
        )
    except IsADirectoryError:
        problem = Problem(where=str(path), what="is a folder, not a file")
    except OSError as error:
        problem = Problem(where=str(path), what=f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        problem = Problem(where=f"{path}:{line}", what=f"is not UTF-8 text: byte 0x{byte:02x}")
    raise MatrixError([problem])


def _names(section: Any) -> tuple[str, ...]:
    listed = tuple(section) if isinstance(section, Mapping) else ()
    return listed if DEFAULT in listed else (DEFAULT, *listed)


_SECTIONS: Final[Mapping[str | int, type[Value]]] = {
    "exclude": Exclusion,
    "include": Inclusion,
    "limits": RunLimits,
}


def _keys(path: KeyPath) -> tuple[str, ...]:
    """Return the keys that are allowed where `path` ends."""
    model = _SECTIONS.get(path[0], Matrix) if len(path) > 1 else Matrix
    return tuple(field.alias or name for name, field in model.model_fields.items())
