"""Sizes in bytes, as people write and read them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["parse_size", "shown_size"]

_READ: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SHOWN: Final = ("bytes", "kB", "MB", "GB", "TB")
_STEP: Final = 1000


def parse_size(text: str) -> int | None:
    """Return the bytes that `512m` or `1.5g` is (`k`, `m`, `g`: powers of 1024), or None."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,3})?)([kmg]?)", text.lower())
    return int(float(found[1]) * _READ[found[2]]) if found else None


def shown_size(count: int) -> str:
    """Return a number of bytes: `67 bytes`, `335 kB`, `1.2 GB` (powers of 1000)."""
    value, unit = float(count), 0
    # What would be rounded to 1000 is said in the next unit.
    while round(value) >= _STEP and unit + 1 < len(_SHOWN):
        value, unit = value / _STEP, unit + 1
    if unit == 0:
        return f"{count} byte{'' if count == 1 else 's'}"
    digits = 1 if value < 10 else 0  # noqa: PLR2004  (two digits that count)
    return f"{value:.{digits}f} {_SHOWN[unit]}"
