"""Versions as the matrix writes them: exact, or a specifier that admits some (PEP 440)."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

__all__ = ["admits", "is_exact", "minor", "normalised"]


def normalised(text: str) -> str:
    """Return `text` with the short form `2.4.*` written out as `==2.4.*`.

    Raises:
        ValueError: it is neither a version nor a specifier.
    """
    text = text.strip()
    written = f"=={text}" if re.fullmatch(r"\d+(\.\d+)*\.\*", text) else text
    if not written:
        raise ValueError("empty")
    if not is_exact(written):
        try:
            SpecifierSet(written)
        except InvalidSpecifier as error:
            raise ValueError(str(error)) from error
    return written


def is_exact(text: str) -> bool:
    """Tell whether `text` names one version, not a specifier."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def admits(wanted: str, version: str) -> bool:
    """Tell whether `version` is what `wanted`, exact or a specifier, asks for.

    Pre-releases are compared by their order like any other version: whether they are wanted at
    all is the caller's to say.
    """
    if is_exact(wanted):
        return Version(wanted) == Version(version)
    return SpecifierSet(wanted).contains(version, prereleases=True)


def minor(version: str) -> tuple[int, int]:
    """Return the minor release a version belongs to: `(2, 4)` of `2.4.1`."""
    parsed = Version(version)
    return parsed.major, parsed.minor
