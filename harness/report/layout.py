"""Text laid out for a width: paragraphs, and tables with the columns that fit."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from tabulate import tabulate

__all__ = ["NONE", "Column", "fit", "reflowed", "with_values", "wrapped"]

NONE = "-"
"""Stands where there is no value."""

_NARROWEST = 40
"""Text is not wrapped to less than this many characters."""

_NARROWEST_ID = 16
"""Ids are not broken into less than this many characters."""

_COLOR = re.compile(r"\x1b\[[0-9;]*m")

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column of a table, and what it shows of a row."""

    header: str
    value: Callable[[Row], str]
    align: Literal["left", "right"] = "left"
    shared: bool = False
    """Said once below the table where all rows that have a value have the same."""


def with_values(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> tuple[Column[Row], ...]:
    """Return the columns that have a value in at least one row."""
    return tuple(column for column in columns if any(column.value(row) != NONE for row in rows))


def fit(
    essentials: Sequence[Column[Row]],
    details: Sequence[Column[Row]],
    rows: Sequence[Row],
    width: int,
) -> tuple[str, tuple[str, ...]]:
    """Return a table, and the headers of the details that `width` does not allow.

    Details are added as long as there is room, the first ones first. Where not even `essentials`
    fit, the ids in the first column go over several lines.
    """
    shown = list(essentials)
    left_out = []
    table = _table(shown, rows)
    for column in details:
        wider = _table([*shown, column], rows)
        if _length(wider) <= width:
            shown, table = [*shown, column], wider
        else:
            left_out.append(column.header)
    excess = _length(table) - width
    if excess > 0:
        table = _table(_with_broken_ids(shown, rows, excess), rows)
    return table, tuple(left_out)


def wrapped(text: str, width: int, *, first: str = "", rest: str | None = None) -> str:
    """Wrap `text` to `width`; its first line starts with `first`, further ones with `rest`.

    Words are kept whole, so that ids can be copied, unless a line cannot hold one.
    """
    return textwrap.fill(
        text,
        max(width, _NARROWEST),
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
    )


def reflowed(text: str, width: int) -> str:
    """Wrap the lines of `text` that are too long, each under its own beginning."""
    return "\n".join(
        line
        if len(line) <= width
        else wrapped(line.strip(), width, first=indent, rest=indent + "  ")
        for line in text.split("\n")
        for indent in [line[: len(line) - len(line.lstrip())]]
    )


def _table(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> str:
    # As a row of its own the header takes no padding, which tabulate gives to its headers.
    cells = [[column.header, *map(column.value, rows)] for column in columns]
    ruled = [
        [header, "-" * _length("\n".join((header, *values))), *values] for header, *values in cells
    ]
    text = tabulate(
        list(zip(*ruled, strict=True)),
        colalign=[column.align for column in columns],
        tablefmt="plain",
        disable_numparse=True,
    )
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _length(text: str) -> int:
    """Return the length of the longest line as it is seen."""
    return max(len(line) for line in _COLOR.sub("", text).split("\n"))


def _with_broken_ids(
    columns: Sequence[Column[Row]], rows: Sequence[Row], excess: int
) -> tuple[Column[Row], ...]:
    ids, *others = columns
    longest = max(len(ids.value(row)) for row in rows)
    limit = max(_NARROWEST_ID, longest - excess)
    return (Column(ids.header, lambda row: _broken(ids.value(row), limit)), *others)


def _broken(name: str, limit: int) -> str:
    """Break an id before a `-` or `+`; a part that is longer than a line stays whole."""
    lines = [""]
    for part in re.split(r"(?=[-+])", name):
        if lines[-1] and len(lines[-1]) + len(part) > limit:
            lines.append(" ")
        lines[-1] += part
    return "\n".join(lines)
