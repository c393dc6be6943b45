"""Numbers, sizes and shapes as `harness inspect` words them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TypeVar

__all__ = ["beginning", "number", "shape", "some"]

_T = TypeVar("_T")


def number(value: int) -> str:
    """Return a whole number with its thousands apart: `235,039`."""
    return f"{value:,}"


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
