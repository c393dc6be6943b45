"""The columns of the table: which there are, and what each shows of a cell."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.layout import NONE, Column
from harness.report.table import CellRow
from harness.report.words import UNSTABLE, flat, number, verdict_words

__all__ = ["DETAILS", "VERDICT", "essentials", "shared_values"]

VERDICT = "verdict"
"""Header of the column that colours or bold type mark."""


def _text(value: str | None) -> str:
    return flat(value or "") or NONE


def _verdict(cell: CellRow, reference: str | None) -> str:
    unstable = UNSTABLE if cell.deterministic is False else ""
    itself = " (ref)" if cell.id == reference else ""
    return f"{verdict_words(cell.verdict, cell.stage)}{unstable}{itself}"


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


def essentials(reference: str | None) -> tuple[Column[CellRow], ...]:
    """Return the columns shown at every width; `reference` is the id of the reference cell."""
    return (
        Column("cell", lambda cell: cell.id),
        Column(VERDICT, lambda cell: _verdict(cell, reference)),
        Column("max abs\ndiff", _max_abs, "right"),
        Column("ULP", _ulp, "right"),
        Column("decisions\nchanged", _decisions, "right"),
        Column("accuracy", _accuracy, "right"),
    )


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


def shared_values(columns: Sequence[Column[CellRow]], cells: Sequence[CellRow]) -> dict[str, str]:
    """Return the columns, by header, whose one value need not be told cell by cell."""
    shared = {}
    for column in columns:
        values = {column.value(cell) for cell in cells} - {NONE}
        if column.shared and len(values) == 1:
            shared[column.header] = values.pop()
    return shared
