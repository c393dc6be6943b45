"""Numbers, sizes and shapes as `harness inspect` words them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TypeVar

__all__ = ["beginning", "number", "shape", "size", "some"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_STEP = 1000

_T = TypeVar("_T")


def number(value: int) -> str:
    """Return a whole number with its thousands apart: `235,039`."""
    return f"{value:,}"


def size(count: int) -> str:
    """Return a number of bytes: `67 bytes`, `335 kB`, `1.2 GB`."""
    value, unit = float(count), 0
    # What would be rounded to 1000 is said in the next unit.
    while round(value) >= _STEP and unit + 1 < len(_UNITS):
        value, unit = value / _STEP, unit + 1
    if unit == 0:
        return f"{count} byte{'' if count == 1 else 's'}"
    digits = 1 if value < 10 else 0  # noqa: PLR2004  (two digits that count)
    return f"{value:.{digits}f} {_UNITS[unit]}"


def shape(sizes: tuple[int | None, ...] | None) -> str:
    """Return `[?, 28, 28]`; for an unknown rank that it may be any."""
    if sizes is None:
        return "of any shape"
    return f"[{', '.join('?' if length is None else str(length) for length in sizes)}]"


def some(items: Iterable[str], most: int) -> str:
    """Return the first items in a row, and that there are more where there are."""
    iterator = iter(items)
    shown = list(islice(iterator, most))
    more = sum(1 for _ in iterator)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def beginning(items: Sequence[_T], most: int) -> tuple[Sequence[_T], int]:
    """Return the first items, and how many more there are."""
    return items[:most], max(0, len(items) - most)
