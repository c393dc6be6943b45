"""What the words and numbers of the table mean, as far as it shows them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.agreement import has_classes
from harness.report.columns import EQUAL_INPUTS, NOISE, PREPROCESS
from harness.report.table import CellRow, Table
from harness.report.words import UNSTABLE
from harness.verdict import Verdict

__all__ = ["legend"]


def legend(table: Table, left_out: Sequence[str] = ()) -> tuple[str, ...]:
    """Return sentences on what a reader of the table meets, none on what it does not show.

    `left_out` are headers of columns that there was no room for.
    """
    lines = (
        _verdicts(table),
        _classes(table),
        _numbers(table),
        _errors(table),
        _inputs(table, left_out),
        _unstable(table, left_out),
    )
    return tuple(line for line in lines if line)


def _verdicts(table: Table) -> str:
    shown = {cell.verdict for cell in table.cells}
    said = []
    if Verdict.IDENTICAL in shown:
        said.append("identical: bit for bit")
    if Verdict.EQUIVALENT in shown:
        noise = " or the noise of repeats" if any(map(_by_noise, table.cells)) else ""
        said.append(f"equivalent: within {_tolerance(table.cells)}{noise}")
    if Verdict.DIVERGED in shown:
        said.append(f"diverged: beyond {_tolerance(table.cells)}")
    if table.reference.cell is not None:
        said.append("(ref): the reference")
    return "; ".join(said)


def _by_noise(cell: CellRow) -> bool:
    """Tell whether it took the noise of repeats to call an output of a cell equivalent."""
    outputs = () if cell.divergence is None else cell.divergence.outputs.values()
    return any(output.status == "equivalent" and output.mismatched for output in outputs)


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


def _classes(table: Table) -> str:
    if not has_classes(table):
        return ""
    reference = "; A has the reference" if table.classes[0].reference else ""
    return f"class: cells of one letter all agree with each other{reference}"


def _numbers(table: Table) -> str:
    if not any(cell.divergence is not None for cell in table.cells):
        return ""
    return "max abs diff: the largest of any element; ULP: in units in the last place"


def _errors(table: Table) -> str:
    scored = [cell.scores for cell in table.cells if cell.scores is not None]
    if not any(scores.mae is not None for scores in scored):
        return ""
    return "MAE, RMSE: mean absolute and root mean squared error against labels.npz"


def _inputs(table: Table, left_out: Sequence[str]) -> str:
    if not any(cell.preprocess is not None for cell in table.cells):
        return ""
    explained = {
        PREPROCESS: "preprocess diff: of what preprocess.py made here from the reference's",
        EQUAL_INPUTS: "on equal inputs: max abs diff of the model when fed the reference's",
    }
    return "; ".join(text for header, text in explained.items() if header not in left_out)


def _unstable(table: Table, left_out: Sequence[str]) -> str:
    unstable = [cell for cell in table.cells if cell.deterministic is False]
    if not unstable:
        return ""
    measured = any(cell.noise_floor is not None for cell in unstable)
    how = "; noise: how far these are apart" if measured and NOISE not in left_out else ""
    return (
        f"{UNSTABLE} nondeterministic: repeating the inference in the same process gave other "
        f"bits{how}"
    )
