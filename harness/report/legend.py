"""What the words and numbers of the table mean, as far as it shows them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.divergence import Decided, DecisionKind
from harness.judge.noise import Kind, kind_of
from harness.report.agreement import has_classes
from harness.report.columns import EQUAL_INPUTS, NOISE, PREPROCESS, RANKS, TIES, TOP_CHANGED
from harness.report.table import CellRow, Table
from harness.report.words import (
    NEAR_TIES,
    SENSITIVE,
    UNSTABLE,
    marks,
    near_ties_only,
    plural,
    varied,
)
from harness.text import one_line
from harness.verdict import Verdict

__all__ = ["legend"]

_OUTPUTS = 3
"""Outputs whose decisions are explained."""

_NEAR_TIE = "the reference's margin is within what counts as equal"


def legend(table: Table, left_out: Sequence[str] = ()) -> tuple[str, ...]:
    """Return sentences on what a reader of the table meets, none on what it does not show.

    `left_out` are headers of columns that there was no room for.
    """
    lines = (
        _verdicts(table),
        _classes(table),
        _numbers(table),
        _decisions(table),
        _ties(table),
        _order(table, left_out),
        _errors(table),
        _inputs(table, left_out),
        _unstable(table, left_out),
        _sensitive(table),
        _floor(table, left_out),
    )
    return tuple(line for line in lines if line)


def _verdicts(table: Table) -> str:
    shown = {cell.verdict for cell in table.cells}
    said = []
    if Verdict.IDENTICAL in shown:
        said.append("identical: bit for bit")
    if Verdict.EQUIVALENT in shown:
        said.append(f"equivalent: within {_tolerance(table.cells)}{_or_noise(table.cells)}")
    if Verdict.DIVERGED in shown:
        said.append(f"diverged: beyond {_tolerance(table.cells)}")
    if table.reference.cell is not None:
        said.append("(ref): the reference")
    return "; ".join(said)


def _or_noise(cells: Sequence[CellRow]) -> str:
    """Say what else makes a cell equivalent, where it took that for one of them."""
    explained = [cell for cell in cells if _by_noise(cell)]
    if not explained:
        return ""
    most = max(len(varied(cell)) for cell in cells)
    return f" or the noise of {plural(most, 'variation')}" if most else " or the noise of repeats"


def _by_noise(cell: CellRow) -> bool:
    """Tell whether it took noise to call an output of a cell equivalent."""
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


def _decisions(table: Table) -> str:
    """Say what the outputs decide, and what told that."""
    found: dict[str, Decided] = {}
    for cell in table.cells:
        for name, output in ({} if cell.divergence is None else cell.divergence.outputs).items():
            if output.decided is not None and output.decisions:
                found.setdefault(name, output.decided)
    said = [f"{_decides(one, name)} ({one.why})" for name, one in list(found.items())[:_OUTPUTS]]
    more = len(found) - _OUTPUTS
    return f"decisions: {'; '.join(said)}{f'; and {more} more' if more > 0 else ''}" if said else ""


def _decides(decided: Decided, name: str) -> str:
    output = f"'{one_line(name, 80)}'"
    match decided.kind:
        case DecisionKind.SIDE:
            return f"whether each value of {output} is above {decided.threshold:g}"
        case DecisionKind.NEIGHBOUR:
            return f"each sample's nearest other by {output}"
        case _:
            return f"the class of each row of {output}"


def _ties(table: Table) -> str:
    if not any(map(near_ties_only, table.cells)):
        return ""
    return f"{NEAR_TIES} on near ties only: {_NEAR_TIE}"


def _order(table: Table, left_out: Sequence[str]) -> str:
    decided = [
        output.decided
        for cell in table.cells
        if cell.divergence is not None
        for output in cell.divergence.outputs.values()
        if output.decided is not None
    ]
    ks = {one.k for one in decided} - {None}
    k = ks.pop() if len(ks) == 1 else "k"
    said = []
    if TIES not in left_out and any(one.near_ties and one.clear for one in decided):
        said.append(f"near ties: {_NEAR_TIE}")
    if TOP_CHANGED not in left_out and any(one.k for one in decided):
        said.append(f"top-k changed: rows with other classes among the {k} largest")
    if RANKS not in left_out and any(one.ranks for one in decided):
        said.append("rank corr.: Spearman's with the reference, the least of any row or column")
    return "; ".join(said)


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
    told = NOISE in left_out or any(map(varied, table.cells))
    how = "; noise: how far these are apart" if measured and not told else ""
    return (
        f"{UNSTABLE} nondeterministic: repeating the inference in the same process gave other "
        f"bits{how}"
    )


def _sensitive(table: Table) -> str:
    if not any(marks(cell) == SENSITIVE for cell in table.cells):
        return ""
    return f"{SENSITIVE} ill-conditioned: one ULP of the inputs moves outputs beyond tolerance"


def _floor(table: Table, left_out: Sequence[str]) -> str:
    """Say what the column of noise shows, where more than a repeat was done for it."""
    names = dict.fromkeys(name for cell in table.cells for name in varied(cell))
    said = dict.fromkeys(words for name in names if (words := _varies(name)))
    if not said or NOISE in left_out:
        return ""
    return f"noise: how far outputs move by {', '.join((_VARIES[Kind.REPEAT], *said))}"


def _varies(name: str) -> str | None:
    """Return in words what a variation does; None for one that is no noise."""
    kind = kind_of(name)
    return None if kind is None else _VARIES[kind]


_VARIES = {
    Kind.REPEAT: "a repeat",
    Kind.ULP: "one ULP in the inputs",
    Kind.BATCH: "a split batch",
    Kind.THREADS: "other thread counts",
}
