"""Lines through the matrix: cells that differ in one axis and are equal in the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from packaging.version import Version

from harness.cell import Cell, Device, Resolution
from harness.plan.fields import CAPTURED

__all__ = ["AXES", "ORDERED", "Axis", "Line", "lines", "value"]

Axis = Literal["tensorflow", "python", "device", "resolution", "pins", "flags"]

AXES: tuple[Axis, ...] = get_args(Axis)

ORDERED: tuple[Axis, ...] = ("tensorflow", "python")
"""Axes with an order, that of versions; the settings of others have none."""

_DEFAULT = "default"

_FIRST = (_DEFAULT, Device.CPU, Resolution.AS_RELEASED)
"""Settings that the others of their axis are held against."""


@dataclass(frozen=True, slots=True)
class Line:
    """Cells along one axis, in the order of its values; of each value one cell."""

    axis: Axis
    group: Mapping[Axis, str]
    """What the other axes are, as far as they are the same."""
    cells: tuple[Cell, ...]
    joins: frozenset[tuple[str, str]] | None = None
    """Pairs of neighbouring cells that are compared, by id; None: all."""

    def counts(self, one: Cell, other: Cell) -> bool:
        """Tell whether two cells of the line are compared."""
        return self.joins is None or (one.id, other.id) in self.joins

    def words(self, axes: Collection[Axis]) -> str:
        """Name the settings of `axes`, as far as they are the same along the line."""
        return ", ".join(
            _word(axis, setting) for axis, setting in self.group.items() if axis in axes
        )


def value(axis: Axis, cell: Cell) -> str:
    """Return where a cell is on an axis."""
    match axis:
        case "pins":
            return cell.pins.name
        case "flags":
            # The variables that were set where a model was captured belong to its pins.
            return _DEFAULT if cell.flags.name == CAPTURED else cell.flags.name
        case _:
            return str(getattr(cell, axis))


def lines(axis: Axis, cells: Sequence[Cell]) -> Iterator[Line]:
    """Yield the lines of two or more cells along an axis.

    Python is an axis only where it stands for itself: where each value of `axis` has one Python,
    as `python: auto` gives them, cells are compared although their Pythons differ, since there are
    no others. Where some have several, those with the same Python are compared, and beyond that
    neighbours that have none in common, by their newest.
    """
    others = [each for each in AXES if each not in (axis, "python")]
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(tuple(value(each, cell) for each in others), []).append(cell)
    for settings, found in groups.items():
        group = dict(zip(others, settings, strict=True))
        for line in _lines(axis, group, found):
            if len(line.cells) > 1:
                yield line


def _lines(axis: Axis, group: dict[Axis, str], cells: Sequence[Cell]) -> Iterator[Line]:
    if axis == "python":
        yield _line(axis, group, cells)
        return
    newest = {value(axis, cell): cell for cell in sorted(cells, key=lambda c: Version(c.python))}
    if len(newest) == len(cells):
        yield _line(axis, group, cells)
        return
    by_python: dict[str, list[Cell]] = {}
    for cell in cells:
        by_python.setdefault(cell.python, []).append(cell)
    for python, found in by_python.items():
        yield _line(axis, {**group, "python": python}, found)
    yield _joining(axis, group, tuple(newest.values()), cells)


def _joining(
    axis: Axis, group: dict[Axis, str], newest: Sequence[Cell], cells: Sequence[Cell]
) -> Line:
    """Return the line through the newest Pythons, without what has a Python in common."""
    pythons: dict[str, set[str]] = {}
    for cell in cells:
        pythons.setdefault(value(axis, cell), set()).add(cell.python)

    def strangers(one: Cell, other: Cell) -> bool:
        return pythons[value(axis, one)].isdisjoint(pythons[value(axis, other)])

    line = _line(axis, group, newest)
    if axis in ORDERED:
        pairs = pairwise(line.cells)
        joins = frozenset((one.id, other.id) for one, other in pairs if strangers(one, other))
        return Line(axis, group, line.cells, joins)
    first, *others = line.cells
    return Line(axis, group, (first, *(cell for cell in others if strangers(first, cell))))


def _line(axis: Axis, group: Mapping[Axis, str], cells: Sequence[Cell]) -> Line:
    if axis in ORDERED:
        ranked = sorted(cells, key=lambda cell: Version(value(axis, cell)))
    else:
        ranked = sorted(cells, key=lambda cell: value(axis, cell) not in _FIRST)
    return Line(axis, group, tuple(ranked))


def _word(axis: Axis, setting: str) -> str:
    """Name a setting so that it is told which axis it is of."""
    if axis in ORDERED:
        return f"{axis} {setting}"
    return f"{setting} {axis}" if setting == _DEFAULT else setting
