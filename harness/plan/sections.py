"""The parts of `matrix.yaml`: settings of a run, exclusions, inclusions, limits."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from harness.cell import Device, Flags, Resolution, Value
from harness.plan.fields import (
    AnyDevice,
    AnyResolution,
    Bytes,
    Count,
    FlagsName,
    PinsName,
    PythonVersion,
    PythonWanted,
    Seconds,
    Setting,
    TensorFlowWanted,
    Text,
    Threads,
    Truth,
    wrong,
)

__all__ = ["DEFAULT", "Exclusion", "FlagSettings", "Inclusion", "RunLimits", "Section"]

DEFAULT: Final = "default"
"""Name of the set of pins or flags that cell ids leave out."""


class Section(Value):
    """Base of what stands in the file: editors show attribute docstrings, by way of `schema`."""

    model_config = ConfigDict(populate_by_name=True)


class FlagSettings(Section):
    """A set of run-time settings: environment variables in CAPITALS, and settings of the probe."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "patternProperties": {"^[A-Z_][A-Z0-9_]*$": {"type": ["string", "number", "boolean"]}},
            "additionalProperties": False,
        },
    )
    __pydantic_extra__: dict[Setting, str] = Field(init=False)

    intra_op_threads: Threads | None = None
    """Threads TensorFlow may use inside one operation."""
    inter_op_threads: Threads | None = None
    """Threads TensorFlow may use to run operations side by side."""

    def named(self, name: str) -> Flags:
        """Return the flags of a cell."""
        return Flags(
            name=name,
            variables=dict(self.__pydantic_extra__),
            intra_op_threads=self.intra_op_threads,
            inter_op_threads=self.inter_op_threads,
        )


class Exclusion(Section):
    """Cells to leave out: those that match every axis it names."""

    tensorflow: TensorFlowWanted | None = None
    """An exact version or a specifier."""
    python: PythonWanted | None = None
    """A version X.Y or a specifier."""
    device: AnyDevice | None = None
    resolution: AnyResolution | None = None
    pins: PinsName | None = None
    """Name of a set of pins."""
    flags: FlagsName | None = None
    """Name of a set of flags."""
    reason: Text
    """Why; shown with every cell it leaves out."""

    @model_validator(mode="after")
    def _names_an_axis(self) -> Exclusion:
        if not self.model_fields_set - {"reason"}:
            axes = [name for name in type(self).model_fields if name != "reason"]
            raise wrong("names no axis, so it would leave out everything", ", ".join(axes))
        return self


def _none_if_auto(value: object) -> object:
    return None if value == "auto" else value


class Inclusion(Section):
    """Cells to add after `exclude`: one for each release that `tensorflow` means.

    Or, with `captured`, the environment the model was made in.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["tensorflow"]}, {"required": ["captured"]}]}
    )

    captured: Truth = False
    """The environment that `captured.json` beside the model tells of."""
    tensorflow: Annotated[TensorFlowWanted | None, Field(validate_default=True)] = None
    """An exact version, or a specifier: the newest patch of each minor it admits."""
    python: Annotated[PythonVersion | None, BeforeValidator(_none_if_auto)] = None
    """A version X.Y, or auto (here: None): the newest CPython that can be got."""
    device: AnyDevice | None = Field(default=None, json_schema_extra={"default": Device.CPU.value})
    """Where it is left out: cpu; of what was captured, the device it was captured on."""
    resolution: AnyResolution = Resolution.AS_RELEASED
    pins: PinsName = DEFAULT
    """Name of a set of pins."""
    flags: FlagsName | None = Field(default=None, json_schema_extra={"default": DEFAULT})
    """Name of a set. Where it is left out: default; of what was captured, the variables there."""

    @field_validator("tensorflow")
    @classmethod
    def _is_told(cls, tensorflow: str | None, info: ValidationInfo) -> str | None:
        if tensorflow is None and not info.data.get("captured"):
            raise PydanticKnownError("missing")
        return tensorflow

    @model_validator(mode="after")
    def _told_once(self) -> Inclusion:
        fields = type(self).model_fields
        told = [
            name
            for name in ("tensorflow", "python", "resolution", "pins")
            if self.captured and getattr(self, name) != fields[name].default
        ]
        if told:
            what = f"{', '.join(told)} beside captured: it is told by captured.json"
            raise wrong(what, "captured with device and flags")
        return self


class RunLimits(Section):
    """What one run may use."""

    timeout_seconds: Seconds = Field(default=300, alias="timeout")
    """Seconds from the start of a run to its end."""
    memory_bytes: Bytes = Field(
        default=4 * 1024**3, alias="memory", json_schema_extra={"default": "4g"}
    )
    """Memory; k, m and g are powers of 1024."""
    cpus: Count = 2
    """Processors."""
    output_bytes: Bytes = Field(
        default=2 * 1024**3, alias="output", json_schema_extra={"default": "2g"}
    )
    """What a run may write; k, m and g are powers of 1024."""
