"""From the matrix and what the index has to cells in order, with what cannot run and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from packaging.version import Version

from harness.cell import Cell, Device, Platform, Resolution
from harness.errors import MatrixError, NothingSelectedError, Problem
from harness.plan.captured import Captured
from harness.plan.choice import candidates, planned
from harness.plan.combinations import combinations
from harness.plan.drafts import Draft
from harness.plan.index import Index
from harness.plan.matrix import Matrix
from harness.plan.plan import Plan, PlannedCell
from harness.plan.sections import DEFAULT, Exclusion
from harness.plan.select import nothing_left, selection
from harness.plan.versions import admits

__all__ = ["plan_cells"]

Unobtainable = Callable[[frozenset[str]], Mapping[str, str]]
"""Returns those of some CPythons (`X.Y`) that cannot be got here, each with the reason."""

_Placed = tuple[str, PlannedCell]
"""A cell with the place in the matrix it comes from."""

_Excluded = tuple[Cell, int]
"""A cell with the number of the exclusion that took it out."""


def plan_cells(
    matrix: Matrix,
    index: Index,
    *,
    platform: Platform,
    unobtainable: Unobtainable,
    only: Sequence[str] = (),
    captured: Captured | None = None,
    for_model: bool = True,
) -> Plan:
    """Resolve the matrix to cells. `unobtainable` is asked once, about every CPython in question.

    `captured` is where the model was made, for an inclusion that asks for it. Without a model
    (`for_model`), such an inclusion is left out, with a note.

    Raises:
        MatrixError: releases that do not exist, impossible inclusions, cells that are there twice,
            an inclusion of what was captured where nothing was.
        NothingSelectedError: `exclude` or `only` leaves no cell.
        UsageError: an expression of `only` is none.
    """
    picked = selection(only)
    drafts, included, notes = combinations(matrix, index, platform, captured, for_model=for_model)
    missing = unobtainable(candidates(index, platform, (*drafts, *included)))

    def place(draft: Draft) -> _Placed:
        return draft.where, planned(index, platform, missing, draft)

    kept, excluded = _split(matrix, map(place, drafts))
    cells = sorted(_joined(kept, map(place, included)), key=_order)
    if not cells:
        raise _all_excluded(matrix, excluded)
    left = tuple(entry for entry in cells if picked(entry.cell))
    if not left:
        raise nothing_left(only, [entry.cell for entry in cells])
    return Plan(
        cells=left,
        excluded=tuple((cell, matrix.exclude[i].reason) for cell, i in excluded if picked(cell)),
        index=index.state,
        notes=(*notes, *_idle(matrix, excluded)),
    )


def _split(matrix: Matrix, placed: Iterable[_Placed]) -> tuple[list[_Placed], list[_Excluded]]:
    kept: list[_Placed] = []
    excluded: list[_Excluded] = []
    for where, entry in placed:
        cell = entry.cell
        number = next((i for i, out in enumerate(matrix.exclude) if _matches(out, cell)), None)
        if number is None:
            kept.append((where, entry))
        else:
            excluded.append((cell, number))
    return kept, excluded


def _matches(exclusion: Exclusion, cell: Cell) -> bool:
    return (
        (exclusion.tensorflow is None or admits(exclusion.tensorflow, cell.tensorflow))
        and (exclusion.python is None or admits(exclusion.python, cell.python))
        and exclusion.device in {None, cell.device}
        and exclusion.resolution in {None, cell.resolution}
        and exclusion.pins in {None, cell.pins.name}
        and exclusion.flags in {None, cell.flags.name}
    )


def _joined(kept: Iterable[_Placed], included: Iterable[_Placed]) -> list[PlannedCell]:
    """Return all cells.

    Raises:
        MatrixError: a cell is included that is there already.
    """
    first: dict[str, str] = {}
    cells, problems = [], []
    for where, entry in (*kept, *included):
        cell = entry.cell.id
        if cell in first:
            what = f"{cell} is there already: {first[cell]}"
            problems.append(Problem(where=where, what=what, hint="remove one of them"))
        first.setdefault(cell, where)
        cells.append(entry)
    if problems:
        raise MatrixError(problems)
    return cells


def _order(entry: PlannedCell) -> tuple[object, ...]:
    cell = entry.cell
    return (
        Version(cell.tensorflow),
        Version(cell.python),
        list(Device).index(cell.device),
        cell.pins.name != DEFAULT,
        cell.pins.name,
        list(Resolution).index(cell.resolution),
        cell.flags.name != DEFAULT,
        cell.flags.name,
    )


def _all_excluded(matrix: Matrix, excluded: Sequence[_Excluded]) -> NothingSelectedError:
    counts = Counter(number for _, number in excluded)
    lines = [
        f"  {matrix.where('exclude', i)} takes out {count}: {matrix.exclude[i].reason}"
        for i, count in sorted(counts.items())
    ]
    head = f"{matrix.file}: nothing is left to run, exclude takes out all {len(excluded)} cells"
    return NothingSelectedError("\n".join([head, *lines]))


def _idle(matrix: Matrix, excluded: Sequence[_Excluded]) -> list[str]:
    """Return a note for each exclusion that takes nothing out: a typing error, often."""
    active = {number for _, number in excluded}
    return [
        f"{matrix.where('exclude', i)} takes out no cell"
        for i in range(len(matrix.exclude))
        if i not in active
    ]
