"""The table as GitHub-flavoured Markdown: `table.md` and the summaries of CI runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.report.agreement import agreement_lines, has_classes
from harness.report.apart import Line, loader_lines, training_lines
from harness.report.arbiter import ARBITER, arbiter_about, arbiter_lines
from harness.report.columns import (
    RANKS,
    TOP_CHANGED,
    VERDICT,
    details,
    essentials,
    shared_values,
)
from harness.report.findings import Finding, findings, notes, remarks
from harness.report.head import head
from harness.report.layout import Column, with_values
from harness.report.legend import legend
from harness.report.table import CellRow, Table
from harness.report.words import counts, deploy, disk, flat, moved, names, shared, why
from harness.verdict import Verdict

__all__ = ["render_markdown"]

# What CommonMark and GitHub (tables, strikethrough, formulas) could take for markup in a line.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~$&#])")

# A page is about 950 pixels wide: with more columns ids are broken over lines. They have the
# Python, but for its last number.
_LEFT_OUT = (TOP_CHANGED, RANKS, "python", "run s", "build s", "max rel", "reused")

_ALARMING = (Verdict.DIVERGED, Verdict.FAILED, Verdict.MISLABELLED)


def render_markdown(table: Table) -> str:
    """Return the table as a Markdown page; it begins with what to deploy."""
    blocks = (
        f"# {_escaped(flat(table.model.name))}",
        f"**{_escaped(deploy(table))}**",
        *(_escaped(line) for line in why(table)),
        "  \n".join(map(_escaped, (counts(table), *moved(table), *disk(table)))),
        _list(f"**{label}**: {_escaped(text)}" for label, text in head(table)),
        _cells(table),
        _agreement(table),
        _lines("Further loaders", loader_lines(table.cells)),
        _lines("Training state", training_lines(table.cells)),
        _arbiter(table),
        _remarks("Excluded by the matrix", ((row.id, row.reason) for row in table.excluded)),
        _section("Notes", map(_escaped, notes(table.cells))),
        _findings(table.cells),
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)


def _code(text: str) -> str:
    """Return a code span, fenced by more backticks than `text` has in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _agreement(table: Table) -> str:
    lines = ((label, "; ".join(texts)) for label, texts in agreement_lines(table))
    return _section("Agreement", (f"**{label}**: {_escaped(text)}" for label, text in lines))


def _cells(table: Table) -> str:
    cells = table.cells
    known = [column for column in details(cells) if column.header not in _LEFT_OUT]
    first = essentials(table.reference.cell, classes=has_classes(table))
    columns = with_values((*first, *known), cells)
    same = shared_values(columns, cells)
    columns = tuple(column for column in columns if column.header not in same)
    rows = (
        [column.header.replace("\n", "<br>") for column in columns],
        ["---:" if column.align == "right" else "---" for column in columns],
        *([_value(column, cell) for column in columns] for cell in cells),
    )
    lines = [f"| {' | '.join(row)} |" for row in rows]
    below = [*legend(table, _LEFT_OUT), *shared(same)]
    return "\n".join((*lines, "", _list(map(_escaped, below)))) if below else "\n".join(lines)


def _value(column: Column[CellRow], cell: CellRow) -> str:
    text = _escaped(column.value(cell))
    return f"**{text}**" if column.header == VERDICT and cell.verdict in _ALARMING else text


def _remarks(title: str, said: Iterable[tuple[str, str | None]]) -> str:
    return _section(title, (_escaped(f"{one.text} ({names(one.cells)})") for one in remarks(said)))


def _arbiter(table: Table) -> str:
    lines = arbiter_lines(table)
    about = _escaped(arbiter_about(table))
    return f"## {ARBITER}\n\n{about}\n\n{_list(map(_escaped, lines))}" if lines else ""


def _section(title: str, items: Iterable[str]) -> str:
    text = _list(items)
    return f"## {title}\n\n{text}" if text else ""


def _lines(title: str, lines: Iterable[Line]) -> str:
    return _section(title, map(_line, lines))


def _line(line: Line) -> str:
    code = f" ({_code(line.code)})" if line.code else ""
    remedy = f"\n  - remedy: {_escaped(line.remedy)}" if line.remedy else ""
    return f"**{_escaped(line.title)}**: {_escaped(line.said)}{code}{remedy}"


def _findings(cells: Iterable[CellRow]) -> str:
    items = [_finding(finding) for finding in findings(cells)]
    logs = "Whole logs: `cells/<cell>/probe.log` in the results."
    return f"## Reasons\n\n{_list(items)}\n\n{logs}" if items else ""


def _finding(finding: Finding) -> str:
    title = f"**{finding.title}**: {_escaped(finding.message)} ({_code(finding.code)})"
    lines = [title, f"  - {_escaped(names(finding.cells))}"]
    if finding.evidence:
        seen_in = f" in {_escaped(finding.evidence_of)}" if finding.evidence_of else ""
        evidence = "<br>".join(_code(line) for line in finding.evidence)
        lines.append(f"  - seen{seen_in}: {evidence}")
    if finding.remedy:
        lines.append(f"  - remedy: {_escaped(finding.remedy)}")
    return "\n".join(lines)
