"""Reading a lock: `requirements.txt` text to packages, and the digest that is its identity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["lock_digest", "locked_packages"]


def locked_packages(text: str) -> dict[str, str]:
    """Return the packages of a lock: normalised name (PEP 503) to exact version.

    Raises:
        ValueError: a line is no `name==version`.
    """
    packages: dict[str, str] = {}
    for requirement, _ in _entries(text):
        (specifier,) = requirement.specifier
        if specifier.operator != "==" or specifier.version.endswith("*"):
            raise ValueError(f"{requirement} is not exact")
        packages[canonicalize_name(requirement.name)] = specifier.version
    return packages


def lock_digest(text: str) -> str:
    """Return the sha256 (hex) of a lock's packages, versions and hashes.

    Comments, order and spelling of names do not count: equal digests install the same files.
    """
    lines = sorted(
        " ".join((canonicalize_name(requirement.name), str(requirement.specifier), *hashes))
        for requirement, hashes in _entries(text)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _entries(text: str) -> Iterator[tuple[Requirement, tuple[str, ...]]]:
    for line in text.replace("\\\n", " ").splitlines():
        content = line.partition(" #")[0].strip()
        if not content or content.startswith("#"):
            continue
        requirement, *hashes = content.split(" --hash=")
        yield Requirement(requirement.strip()), tuple(sorted(entry.strip() for entry in hashes))
