"""Where along each axis of the matrix outputs change, cells being equal in the other axes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from harness.judge.lines import AXES, ORDERED, Axis, Line, lines, value
from harness.plan.plan import PlannedCell
from harness.verdict import AgreementClass, Border, Verdict

__all__ = ["borders"]

_Kind = Literal["diverged", "bits"]

_NAMED = 4
"""Most places that words name."""


@dataclass(slots=True)
class _Found:
    """One border, with the lines that have it."""

    axis: Axis
    kind: _Kind
    near: tuple[str, ...]
    far: tuple[str, ...]
    lines: list[Line] = field(default_factory=list)
    between: dict[str, Verdict | None] = field(default_factory=dict)
    along: tuple[str, str] | None = None
    """The Pythons on both sides, where they differ along with the TensorFlow."""


@dataclass(frozen=True, slots=True)
class _Classed:
    """Class and group of identical cells, by cell id."""

    places: Mapping[str, tuple[str, int]]
    verdicts: Mapping[str, Verdict]

    def kind(self, one: str, other: str) -> _Kind | None:
        """Return what lies between two cells; None where they are identical."""
        (letter, group), (its, own) = self.places[one], self.places[other]
        if letter != its:
            return "diverged"
        return "bits" if group != own else None


def borders(
    cells: Sequence[PlannedCell],
    classes: Sequence[AgreementClass],
    verdicts: Mapping[str, Verdict],
) -> tuple[Border, ...]:
    """Return the borders on every axis, those between classes first, then by axis and value.

    Cells are compared that are equal in all other axes (see `harness.judge.lines`). Along versions,
    neighbours are; those between them that have no class are told. Along other axes each setting
    is told that is apart from the rest. A border that is found wherever both sides have a class is
    told once; else with where it was found.
    """
    classed = _Classed(
        places={
            name: (one.name, number)
            for one in classes
            for number, group in enumerate(one.identical)
            for name in group
        },
        verdicts=verdicts,
    )
    found = []
    for axis in AXES:
        along = tuple(lines(axis, [planned.cell for planned in cells if _exists(planned)]))
        merged: dict[object, _Found] = {}
        for line in along:
            cuts = _ordered(line, classed) if axis in ORDERED else _unordered(line, classed)
            for cut in cuts:
                _merge(merged, cut, line)
        found += [_border(one, along, classed) for one in merged.values()]
    kinds = get_args(_Kind)
    return tuple(sorted(found, key=lambda border: kinds.index(border.kind)))


def _exists(planned: PlannedCell) -> bool:
    return planned.unavailable is None


def _ordered(line: Line, classed: _Classed) -> Iterator[_Found]:
    known = [place for place, cell in enumerate(line.cells) if cell.id in classed.places]
    for here, there in pairwise(known):
        one, other = line.cells[here], line.cells[there]
        if not line.counts(one, other):
            continue
        kind = classed.kind(one.id, other.id)
        if kind is None:
            continue
        yield _Found(
            line.axis,
            kind,
            (value(line.axis, one),),
            (value(line.axis, other),),
            between={
                value(line.axis, cell): classed.verdicts.get(cell.id)
                for cell in line.cells[here + 1 : there]
            },
            along=(one.python, other.python)
            if line.axis == "tensorflow" and one.python != other.python
            else None,
        )


def _unordered(line: Line, classed: _Classed) -> Iterator[_Found]:
    settings = {
        value(line.axis, cell): classed.places[cell.id]
        for cell in line.cells
        if cell.id in classed.places
    }
    by_letter: dict[str, list[str]] = {}
    for name, (letter, _) in settings.items():
        by_letter.setdefault(letter, []).append(name)
    yield from _apart(line.axis, "diverged", by_letter.values())
    for names in by_letter.values():
        by_bits: dict[int, list[str]] = {}
        for name in names:
            by_bits.setdefault(settings[name][1], []).append(name)
        yield from _apart(line.axis, "bits", by_bits.values())


def _apart(axis: Axis, kind: _Kind, parts: Iterable[Sequence[str]]) -> Iterator[_Found]:
    """Give every part but that with the first setting, which is the default where that ran."""
    sides = [tuple(part) for part in parts]
    for far in sides[1:]:
        yield _Found(axis, kind, sides[0], far)


def _merge(merged: dict[object, _Found], cut: _Found, line: Line) -> None:
    one = merged.setdefault((cut.kind, cut.near[0], cut.far), cut)
    one.near = tuple(dict.fromkeys((*one.near, *cut.near)))
    one.between |= cut.between
    one.lines.append(line)


def _border(one: _Found, along: Sequence[Line], classed: _Classed) -> Border:
    within = _within(one, along, classed)
    between = tuple(one.between)
    if one.axis in ORDERED:
        text = f"from {one.near[0]} to {one.far[0]}"
    else:
        text = f"{_listed(one.far)} apart from {_listed(one.near)}"
    besides = [
        *([f"and python from {one.along[0]} to {one.along[1]}"] if one.along else ()),
        *([f"{_listed(between)} between them {_came_to(one)}"] if between else ()),
        *([f"only with {_listed(within)}"] if within else ()),
    ]
    return Border(
        axis=one.axis,
        kind=one.kind,
        near=one.near,
        far=one.far,
        between=between,
        within=within,
        text=f"{text} ({'; '.join(besides)})" if besides else text,
    )


def _came_to(one: _Found) -> str:
    verdicts = set(one.between.values())
    return "failed" if verdicts == {Verdict.FAILED} else "gave nothing to compare"


def _within(one: _Found, along: Sequence[Line], classed: _Classed) -> tuple[str, ...]:
    """Return the lines that have a border; none where all have it in which it could be."""
    if sum(_could_have(line, one, classed) for line in along) <= len(one.lines):
        return ()
    varying = {
        axis
        for line in along
        for axis, setting in line.group.items()
        if setting != along[0].group.get(axis)
    }
    return tuple(dict.fromkeys(filter(None, (line.words(varying) for line in one.lines))))


def _could_have(line: Line, one: _Found, classed: _Classed) -> bool:
    """Tell whether both sides of a border have a class in a line, and are compared there."""
    there = {value(line.axis, cell): cell for cell in line.cells if cell.id in classed.places}
    near, *far = (there.get(name) for name in (one.near[0], *one.far))
    if near is None or None in far:
        return False
    return all(line.counts(near, cell) for cell in far if cell is not None)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
