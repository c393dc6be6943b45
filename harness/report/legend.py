"""What the words and numbers of the table mean, as far as it shows them."""

from __future__ import annotations

from harness.report.table import CellRow, Table
from harness.report.words import UNSTABLE
from harness.verdict import Verdict

__all__ = ["legend"]


def legend(table: Table) -> tuple[str, ...]:
    """Return sentences on what a reader of the table meets, none on what it does not show."""
    lines = (_verdicts(table), _numbers(table), _unstable(table))
    return tuple(line for line in lines if line)


def _verdicts(table: Table) -> str:
    shown = {cell.verdict for cell in table.cells}
    said = []
    if Verdict.IDENTICAL in shown:
        said.append("identical: bit for bit")
    if Verdict.EQUIVALENT in shown:
        said.append(f"equivalent: within {_tolerance(table.cells)}")
    if Verdict.DIVERGED in shown:
        said.append(f"diverged: beyond {_tolerance(table.cells)}")
    if table.reference.cell is not None:
        said.append("(ref): the reference")
    return "; ".join(said)


def _tolerance(cells: tuple[CellRow, ...]) -> str:
    """Name the numbers where they are the same for every output that has any."""
    pairs = {
        (output.atol, output.rtol)
        for cell in cells
        if cell.divergence is not None
        for output in cell.divergence.outputs.values()
        if output.atol is not None and output.rtol is not None
    }
    if len(pairs) != 1:
        return "tolerance"
    ((atol, rtol),) = pairs
    return f"atol {atol:g}, rtol {rtol:g}"


def _numbers(table: Table) -> str:
    if not any(cell.divergence is not None for cell in table.cells):
        return ""
    return "max abs diff: the largest of any element; ULP: in units in the last place"


def _unstable(table: Table) -> str:
    if not any(cell.deterministic is False for cell in table.cells):
        return ""
    return f"{UNSTABLE} repeating the inference in the same process gave other bits"
