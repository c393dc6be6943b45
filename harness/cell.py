"""A cell: one combination of the matrix, and what must be built for it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Cell", "Device", "Distribution", "Flags", "Pins", "Platform", "Resolution", "Value"]


class Value(BaseModel):
    """Base of the records that pass between rooms: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Device(StrEnum):
    """What a cell computes on."""

    CPU = "cpu"
    CUDA = "cuda"


class Resolution(StrEnum):
    """As of when the dependencies are resolved."""

    AS_RELEASED = "as-released"
    TODAY = "today"


class Platform(Value):
    """The operating system and machine that environments are made for."""

    system: str = "linux"
    """`linux` or `macos`."""
    machine: str = "x86_64"
    """`x86_64` or `aarch64` on Linux, `x86_64` or `arm64` on macOS: as wheel tags spell it."""

    def accepts(self, platform_tag: str) -> bool:
        """Tell whether a wheel with this platform tag (PEP 425, PEP 600) can be installed."""
        if platform_tag == "any":
            return True
        if self.system == "macos":
            arch = (f"_{self.machine}", "_universal2")
            return platform_tag.startswith("macosx_") and platform_tag.endswith(arch)
        return platform_tag.startswith(("manylinux", "linux_")) and platform_tag.endswith(
            f"_{self.machine}"
        )


class Distribution(Value):
    """The package that brings TensorFlow into an environment."""

    name: str
    """`tensorflow-cpu`, `tensorflow`, `tensorflow-gpu`."""
    version: str
    extras: tuple[str, ...] = ()
    released: datetime
    """When the index received this version (UTC)."""

    @property
    def requirement(self) -> str:
        """The requirement a resolver is given (PEP 508)."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}=={self.version}"


class Pins(Value):
    """A named set of package versions that override what would be resolved."""

    name: str = "default"
    packages: dict[str, str] = Field(default_factory=dict)
    """Package to exact version."""
    constraints: bool = False
    """Whether they hold only for what would be installed anyway; else each is installed."""


class Flags(Value):
    """A named set of run-time settings; it never changes what is built."""

    name: str = "default"
    variables: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the probe's process."""
    intra_op_threads: int | None = None
    inter_op_threads: int | None = None


class Cell(Value):
    """One combination of the matrix. Its id is derived and never parsed."""

    tensorflow: str
    python: str
    """`X.Y`."""
    device: Device = Device.CPU
    resolution: Resolution = Resolution.AS_RELEASED
    pins: Pins = Pins()
    flags: Flags = Flags()
    distribution: Distribution | None = None
    """None where no wheel was ever published for this combination."""
    note: str | None = None
    """What a reader of the plan should know, such as why this is not the newest Python."""

    @property
    def environment_id(self) -> str:
        """The id without flags: cells that share it share one environment."""
        parts = [f"tf{self.tensorflow}", f"py{self.python}", self.device.value]
        if self.pins.name != "default":
            parts.append(self.pins.name)
        if self.resolution is not Resolution.AS_RELEASED:
            parts.append(self.resolution.value)
        return "-".join(parts)

    @property
    def id(self) -> str:
        """The cell id, such as `tf2.15.1-py3.11-cpu+onednn-off`."""
        if self.flags.name == "default":
            return self.environment_id
        return f"{self.environment_id}+{self.flags.name}"
