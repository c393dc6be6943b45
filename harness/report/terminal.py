"""The table for a terminal: as many columns as its width has room for, reasons below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from harness.report.agreement import agreement_lines, has_classes
from harness.report.apart import Line, loader_lines, training_lines
from harness.report.arbiter import arbiter_lines, arbiter_title
from harness.report.columns import VERDICT, details, essentials, shared_values
from harness.report.findings import Finding, findings, notes, remarks
from harness.report.head import head
from harness.report.layout import Column, fit, with_values, wrapped
from harness.report.legend import legend
from harness.report.table import CellRow, Table
from harness.report.words import counts, deploy, disk, flat, moved, names, shared, why
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


def render_terminal(table: Table, *, width: int, color: bool, folder: str) -> str:
    """Return the table for a terminal of `width` characters; the last line says what to deploy.

    The last line and `folder`, where the sweep's files are, are never wrapped, so that they can be
    copied. `color` marks verdicts with escape sequences; without it there are none.
    """
    blocks = (
        _head(table, width, folder),
        _cells(table, width, color=color),
        _labelled(_in_lines(agreement_lines(table)), width),
        _lines("Further loaders (each verdict above is of the first):", loader_lines, table, width),
        _lines("Training state (no part of the verdicts):", training_lines, table, width),
        _list(arbiter_title(table), arbiter_lines(table), width),
        remark_block(
            "Excluded by the matrix:", ((row.id, row.reason) for row in table.excluded), width
        ),
        _list("Notes:", notes(table.cells), width),
        _findings(table.cells, width),
        _end(table, width),
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def remark_block(title: str, said: Iterable[tuple[str, str | None]], width: int) -> str:
    """Return pairs of cell id and text as a list by text; empty where nothing is said."""
    return _list(title, [f"{one.text} ({names(one.cells)})" for one in remarks(said)], width)


def _list(title: str, texts: Sequence[str], width: int) -> str:
    items = [wrapped(text, width, first="- ", rest="  ") for text in texts]
    return "\n".join((wrapped(title, width), *items)) if items else ""


def _lines(
    title: str, of: Callable[[Sequence[CellRow]], Sequence[Line]], table: Table, width: int
) -> str:
    items = []
    for line in of(table.cells):
        code = f" [{line.code}]" if line.code else ""
        items.append(wrapped(f"{line.title}: {line.said}{code}", width, first="- ", rest="  "))
        if line.remedy:
            items.append(wrapped(f"remedy: {line.remedy}", width, first="  ", rest="    "))
    return "\n".join((wrapped(title, width), *items)) if items else ""


def _head(table: Table, width: int, folder: str) -> str:
    return f"{_labelled(head(table), width)}\nResults    {flat(folder)}"


def _in_lines(labelled: Iterable[tuple[str, Sequence[str]]]) -> Iterator[tuple[str, str]]:
    """Give each text a line of its own, with the label before the first."""
    for label, texts in labelled:
        for number, text in enumerate(texts):
            yield "" if number else label, text


def _labelled(lines: Iterable[tuple[str, str]], width: int) -> str:
    return "\n".join(
        wrapped(text, width, first=f"{label:<11}", rest=" " * 11) for label, text in lines
    )


def _cells(table: Table, width: int, *, color: bool) -> str:
    cells = table.cells
    columns = with_values(essentials(table.reference.cell, classes=has_classes(table)), cells)
    if color:
        columns = tuple(_painted(c) if c.header == VERDICT else c for c in columns)
    known = with_values(details(cells), cells)
    same = shared_values(known, cells)
    apart = [column for column in known if column.header not in same]
    text, left_out = fit(columns, apart, cells, width)
    below = [*legend(table, left_out), *shared(same)]
    if left_out:
        headers = ", ".join(header.replace("\n", " ") for header in left_out)
        below.append(f"No room here for: {headers} (in table.json)")
    return "\n".join((text, *(wrapped(line, width) for line in below)))


def _painted(column: Column[CellRow]) -> Column[CellRow]:
    def value(cell: CellRow) -> str:
        return f"\x1b[{_COLORS[cell.verdict]}m{column.value(cell)}\x1b[0m"

    return replace(column, value=value)


def _findings(cells: Sequence[CellRow], width: int) -> str:
    items = [_finding(finding, width) for finding in findings(cells)]
    title = "Reasons (whole logs: cells/<cell>/probe.log in the results):"
    return "\n".join((wrapped(title, width), *items)) if items else ""


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
    said = (counts(table), *moved(table), *disk(table), *why(table))
    above = [wrapped(line, width) for line in said]
    return "\n".join((*above, deploy(table)))
