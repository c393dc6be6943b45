"""The columns of the table: which there are, and what each shows of a cell."""

from __future__ import annotations

from harness.report.layout import NONE, Column
from harness.report.table import CellRow
from harness.report.words import UNSTABLE, flat, number, verdict_words

__all__ = ["DETAILS", "ESSENTIALS", "VERDICT"]


def _text(value: str | None) -> str:
    return flat(value or "") or NONE


def _verdict(cell: CellRow) -> str:
    mark = UNSTABLE if cell.deterministic is False else ""
    return f"{verdict_words(cell.verdict, cell.stage)}{mark}"


def _max_abs(cell: CellRow) -> str:
    return NONE if cell.divergence is None else number(cell.divergence.max_abs)


def _max_rel(cell: CellRow) -> str:
    return NONE if cell.divergence is None else number(cell.divergence.max_rel)


def _ulp(cell: CellRow) -> str:
    return NONE if cell.divergence is None else number(cell.divergence.max_ulp)


def _decisions(cell: CellRow) -> str:
    """Show how many decisions changed, of how many, in the output where most did."""
    if cell.divergence is None or cell.divergence.decisions_changed is None:
        return NONE
    changed = cell.divergence.decisions_changed
    asked = [
        output.decisions
        for output in cell.divergence.outputs.values()
        if output.decisions_changed == changed and output.decisions is not None
    ]
    return f"{changed}/{max(asked)}" if asked else str(changed)


def _accuracy(cell: CellRow) -> str:
    return NONE if cell.accuracy is None else f"{cell.accuracy:.2%}"


def _seconds(*values: float | None) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known):.1f}" if known else NONE


def _run_seconds(cell: CellRow) -> str:
    return _seconds(cell.seconds.import_, cell.seconds.load, cell.seconds.infer)


VERDICT = Column("verdict", _verdict)

ESSENTIALS: tuple[Column[CellRow], ...] = (
    Column("cell", lambda cell: cell.id),
    VERDICT,
    Column("max abs", _max_abs, "right"),
    Column("ULP", _ulp, "right"),
    Column("decisions\nchanged", _decisions, "right"),
    Column("accuracy", _accuracy, "right"),
)
"""Shown at every width."""

DETAILS: tuple[Column[CellRow], ...] = (
    Column("distribution", lambda cell: _text(cell.actual.distribution), shared=True),
    Column("python", lambda cell: _text(cell.actual.python)),
    Column("numpy", lambda cell: _text(cell.actual.numpy)),
    Column("keras", lambda cell: _text(cell.actual.keras)),
    Column("cuda", lambda cell: _text(cell.actual.cuda)),
    Column("cudnn", lambda cell: _text(cell.actual.cudnn)),
    Column("run s", _run_seconds, "right"),
    Column("build s", lambda cell: _seconds(cell.seconds.build), "right"),
    Column("max rel", _max_rel, "right"),
    Column("loader", lambda cell: _text(cell.loader), shared=True),
    Column("reused", lambda cell: "yes" if cell.cached else NONE),
)
"""Shown where there is room."""
