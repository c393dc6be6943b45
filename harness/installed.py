"""What is installed in an environment against what its lock says."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import canonicalize_name

from harness.text import one_line
from harness.versions import same

__all__ = ["NOT_AS_LOCKED", "unlike_lock"]

NOT_AS_LOCKED = "NotAsLocked"
"""Type of the failure of an environment that was made and is not what its lock says."""


def unlike_lock(locked: Mapping[str, str], installed: Mapping[str, str]) -> tuple[str, ...]:
    """Return, a sentence each, in what `installed` is not what is `locked` (names to versions).

    Packages beside the lock (pip, setuptools) do not count: a base has its own.
    """
    there = {canonicalize_name(name): version for name, version in installed.items()}
    sentences = []
    for name, wanted in sorted(locked.items()):
        found = there.get(canonicalize_name(name))
        if found is None:
            sentences.append(f"{name} {wanted} is locked but not installed")
        elif not same(wanted, found):
            sentences.append(f"{name} {one_line(found, 80)} is installed, {wanted} is locked")
    return tuple(sentences)
