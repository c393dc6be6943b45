"""Which classes and functions Keras has by itself, so that a config need not bring them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from packaging.version import InvalidVersion, Version

__all__ = ["is_keras_name"]

_NAMES = Path(__file__).with_name("keras_names.txt")


def is_keras_name(name: str, keras: str | None) -> bool:
    """Tell whether the Keras of version `keras` finds a class or function of this name.

    Only some releases were looked at: what the next one after `keras` has counts as known, for
    `keras` may have had it. Without a version, what any has.
    """
    first = _names().get(name)
    if first is None:
        return False
    releases = sorted(set(_names().values()))
    later = [release for release in releases if release >= _release(keras)]
    return not later or first <= later[0]


def _release(keras: str | None) -> Version:
    """Return X.Y of `2.2.4-tf` or `3.15.0`; beyond them all where there is no such thing."""
    try:
        return Version(".".join((keras or "").split("-")[0].split(".")[:2]))
    except InvalidVersion:
        return Version("1000")


@cache
def _names() -> dict[str, Version]:
    lines = _NAMES.read_text(encoding="utf-8").splitlines()
    pairs = [line.split() for line in lines if line and not line.startswith("#")]
    return {name: Version(first) for name, first in pairs}
