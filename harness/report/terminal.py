"""The table for a terminal: as many columns as its width has room for, reasons below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.report.columns import DETAILS, ESSENTIALS, VERDICT
from harness.report.findings import Finding, findings, remarks
from harness.report.head import head
from harness.report.layout import NONE, Column, fit, with_values, wrapped
from harness.report.table import CellRow, Table
from harness.report.words import UNSTABLE, counts, deploy, flat, names
from harness.verdict import Verdict

__all__ = ["remark_block", "render_terminal"]

# SGR parameters (ECMA-48). Colours only repeat what the word says.
_COLORS = {
    Verdict.IDENTICAL: "32",
    Verdict.EQUIVALENT: "36",
    Verdict.DIVERGED: "33",
    Verdict.FAILED: "31",
    Verdict.MISLABELLED: "31",
    Verdict.UNAVAILABLE: "2",
    Verdict.SKIPPED: "2",
    Verdict.UNKNOWN: "35",
}


def render_terminal(table: Table, *, width: int, color: bool) -> str:
    """Return the table for a terminal of `width` characters; the last line says what to deploy.

    The last line is never wrapped, so that an image's name can be copied. `color` marks verdicts
    with escape sequences; without it there are none.
    """
    blocks = (
        _head(table, width),
        _cells(table.cells, width, color=color),
        remark_block(
            "Excluded by the matrix:", ((row.id, row.reason) for row in table.excluded), width
        ),
        remark_block("Notes:", ((cell.id, cell.note) for cell in table.cells), width),
        _findings(table.cells, width),
        _end(table, width),
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def remark_block(title: str, said: Iterable[tuple[str, str | None]], width: int) -> str:
    """Return pairs of cell id and text as a list by text; empty where nothing is said."""
    items = [
        wrapped(f"{remark.text} ({names(remark.cells)})", width, first="- ", rest="  ")
        for remark in remarks(said)
    ]
    return "\n".join((title, *items)) if items else ""


def _head(table: Table, width: int) -> str:
    return "\n".join(
        wrapped(text, width, first=f"{label:<11}", rest=" " * 11) for label, text in head(table)
    )


def _cells(cells: Sequence[CellRow], width: int, *, color: bool) -> str:
    essentials = with_values(ESSENTIALS, cells)
    if color:
        painted = replace(VERDICT, value=_painted)
        essentials = tuple(painted if column is VERDICT else column for column in essentials)
    details = with_values(DETAILS, cells)
    same = {column.header: value for column in details if (value := _same(column, cells))}
    apart = [column for column in details if column.header not in same]
    text, left_out = fit(essentials, apart, cells, width)
    below = []
    if any(cell.deterministic is False for cell in cells):
        below.append(f"{UNSTABLE} repeating the inference in the same process gave other bits")
    if same:
        shared = ", ".join(f"{header} {value}" for header, value in same.items())
        below.append(f"The same wherever it is known: {shared}")
    if left_out:
        below.append(f"No room here for: {', '.join(left_out)} (all in table.json)")
    return "\n".join((text, *(wrapped(line, width) for line in below)))


def _same(column: Column[CellRow], cells: Sequence[CellRow]) -> str | None:
    """Return the one value of a column that need not be told cell by cell."""
    values = {column.value(cell) for cell in cells} - {NONE}
    return values.pop() if column.shared and len(values) == 1 else None


def _painted(cell: CellRow) -> str:
    return f"\x1b[{_COLORS[cell.verdict]}m{VERDICT.value(cell)}\x1b[0m"


def _findings(cells: Sequence[CellRow], width: int) -> str:
    items = [_finding(finding, width) for finding in findings(cells)]
    return "\n".join(("Reasons:", *items)) if items else ""


def _finding(finding: Finding, width: int) -> str:
    title = f"{finding.title}: {finding.message} [{finding.code}] ({names(finding.cells)})"
    seen_in = f" in {finding.evidence_of}" if finding.evidence_of else ""
    lines = [wrapped(title, width, first="- ", rest="  ")]
    if finding.evidence:
        first, *others = finding.evidence
        lines.append(wrapped(f"seen{seen_in}: {first}", width, first="  ", rest="    "))
        lines += [wrapped(other, width, first="    ") for other in others]
    if finding.remedy:
        lines.append(wrapped(f"remedy: {finding.remedy}", width, first="  ", rest="    "))
    return "\n".join(lines)


def _end(table: Table, width: int) -> str:
    lines = [wrapped(counts(table), width)]
    if table.recommendation.cell is not None:
        lines.append(wrapped(f"To deploy: {flat(table.recommendation.why)}", width))
    return "\n".join((*lines, deploy(table)))
