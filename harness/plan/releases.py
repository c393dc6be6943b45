"""Releases and wheels, as the index lists them."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cached_property

from packaging.version import Version

from harness.cell import Platform, Value
from harness.plan.fields import OLDEST_PYTHON

__all__ = ["FetchError", "Release", "Wheel"]


class FetchError(Exception):
    """The index did not answer; the text is a word or two, without addresses."""


class Wheel(Value):
    """One wheel for one platform; a file whose name lists several stands here several times."""

    python_tag: str
    """`cp38` (PEP 425)."""
    abi_tag: str
    """`cp38`, or `cp37m`."""
    platform_tag: str
    uploaded: datetime
    """UTC."""
    yanked: bool = False

    @property
    def python(self) -> str | None:
        """The CPython it is for, as `X.Y`; None for anything else (Python 2, free-threaded)."""
        found = re.fullmatch(r"cp(3)(\d+)", self.python_tag)
        if found is None or self.abi_tag not in {self.python_tag, f"{self.python_tag}m"}:
            return None
        version = int(found[1]), int(found[2])
        return f"{version[0]}.{version[1]}" if version >= OLDEST_PYTHON else None


class Release(Value):
    """One version of one distribution."""

    distribution: str
    version: str
    wheels: tuple[Wheel, ...]
    """At least one."""

    @property
    def yanked(self) -> bool:
        """Whether all of it was withdrawn (PEP 592)."""
        return all(wheel.yanked for wheel in self.wheels)

    @property
    def prerelease(self) -> bool:
        """Whether it is a pre-release or a development release (PEP 440)."""
        return Version(self.version).is_prerelease

    @cached_property
    def released(self) -> datetime:
        """When its first wheel was uploaded (UTC)."""
        return min(wheel.uploaded for wheel in self.wheels)

    def pythons(self, platform: Platform | None) -> frozenset[str]:
        """Return the CPythons (`X.Y`) it has wheels for on `platform`; None: on any."""
        wheels = [wheel for wheel in self.wheels if not wheel.yanked] or self.wheels
        return frozenset(
            wheel.python
            for wheel in wheels
            if wheel.python and (platform is None or platform.accepts(wheel.platform_tag))
        )
