"""Version numbers that may not be ones: what an environment or a model's file says."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version

__all__ = ["same", "same_minor", "version"]


def version(text: str | None) -> Version | None:
    """Return the version (PEP 440) `text` says, None where it says none."""
    if text is None:
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None


def same(one: str | None, other: str | None) -> bool:
    """Tell whether both are known and name one version; a local label (`+x`) makes another."""
    if one is None or other is None:
        return False
    a, b = version(one), version(other)
    return one == other if a is None or b is None else a == b


def same_minor(one: str | None, other: str | None) -> bool:
    """Tell whether both are known and agree in major and minor number."""
    a, b = version(one), version(other)
    return a is not None and b is not None and (a.major, a.minor) == (b.major, b.minor)
