"""Who is closer to a float64 run of the same graph, in words."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.table import Table
from harness.report.words import flat, which
from harness.verdict import Arbiter, TruthDistance

__all__ = ["ARBITER", "arbiter_about", "arbiter_lines", "arbiter_title"]

ARBITER = "Closer to a float64 run"
"""What the block is called."""

_EXPECTED = "expected.npz"


def arbiter_title(table: Table) -> str:
    """Return the line above the block; empty where there is none."""
    return f"{ARBITER} of the same graph {arbiter_about(table)}:" if table.arbiter else ""


def arbiter_about(table: Table) -> str:
    """Return whose float64 run it is, and the unit of the distances."""
    arbiter = table.arbiter
    if arbiter is None or arbiter.cell is None:
        return "(no part of the verdicts)"
    return (
        f"({arbiter.cell}'s: {flat(arbiter.why)}; no part of the verdicts). RMS error, in float32"
        " ULPs of the largest output"
    )


def arbiter_lines(table: Table) -> tuple[str, ...]:
    """Return who is closer than the reference, who is farther, and who is neither.

    Cells of which the same is said are told together; nothing is said without a float64 run.
    """
    arbiter = table.arbiter
    if arbiter is None:
        return ()
    if arbiter.cell is None:
        return (flat(arbiter.why),)
    reference = next((d for d in arbiter.distances if d.cell == table.reference.cell), None)
    beside = None if reference is None else reference.rms_ulp
    groups: dict[str, list[TruthDistance]] = {}
    for distance in _ranked(arbiter):
        if distance is not reference:
            groups.setdefault(_said(distance, beside), []).append(distance)
    own = () if beside is None else (f"the reference: {_ulps(beside)}",)
    return (*own, *(f"{_who(found, table)}: {said}" for said, found in groups.items()))


def _ranked(arbiter: Arbiter) -> list[TruthDistance]:
    """Return the distances, the largest factors first, those that cannot be told last."""

    def rank(one: TruthDistance) -> tuple[bool, float]:
        return one.rms_ulp is None, -(one.factor or 1.0)

    return sorted(arbiter.distances, key=rank)


def _said(distance: TruthDistance, beside: float | None) -> str:
    if distance.rms_ulp is None:
        return f"cannot be told: {flat(distance.problem)}"
    error = _ulps(distance.rms_ulp)
    if beside is None:
        return error
    factor = distance.factor
    if factor is None:
        return "no meaningful difference from the reference"
    if factor > 1:
        return f"{_times(factor)}x farther than the reference ({error})"
    return f"{_times(1 / factor)}x closer than the reference ({error})"


def _ulps(error: float) -> str:
    return f"{error:.2g} ULP"


def _times(factor: float) -> str:
    return f"{factor:.1f}" if factor < 100 else f"{factor:.1e}"  # noqa: PLR2004


def _who(found: Sequence[TruthDistance], table: Table) -> str:
    ids = {one.cell for one in found if one.cell is not None}
    others = [] if len(ids) == len(found) else [_EXPECTED]
    told = {one.cell for one in (table.arbiter.distances if table.arbiter else ())}
    among = [cell for cell in table.cells if cell.id in told and cell.id != table.reference.cell]
    cells = [cell for cell in among if cell.id in ids]
    return " and ".join([*([which(cells, among)] if cells else []), *others])
