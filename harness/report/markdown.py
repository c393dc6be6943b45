"""The table as GitHub-flavoured Markdown: `table.md` and the summaries of CI runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.report.columns import DETAILS, ESSENTIALS
from harness.report.findings import Finding, findings, remarks
from harness.report.head import head
from harness.report.layout import with_values
from harness.report.table import CellRow, Table
from harness.report.words import UNSTABLE, counts, deploy, flat, names

__all__ = ["render_markdown"]

# What CommonMark and GitHub (tables, strikethrough, formulas) could take for markup in a line.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~$&#])")


def render_markdown(table: Table) -> str:
    """Return the table as a Markdown page; it ends with what to deploy."""
    blocks = (
        f"# {_escaped(flat(table.model.name))}",
        _list(f"**{label}**: {_escaped(text)}" for label, text in head(table)),
        _cells(table.cells),
        _remarks("Excluded by the matrix", ((row.id, row.reason) for row in table.excluded)),
        _remarks("Notes", ((cell.id, cell.note) for cell in table.cells)),
        _findings(table.cells),
        _end(table),
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


def _cells(cells: Sequence[CellRow]) -> str:
    columns = with_values((*ESSENTIALS, *DETAILS), cells)
    rows = (
        [flat(column.header) for column in columns],
        ["---:" if column.align == "right" else "---" for column in columns],
        *([_escaped(column.value(cell)) for column in columns] for cell in cells),
    )
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if any(cell.deterministic is False for cell in cells):
        mark = _escaped(UNSTABLE)
        lines += ["", f"{mark} repeating the inference in the same process gave other bits"]
    return "\n".join(lines)


def _remarks(title: str, said: Iterable[tuple[str, str | None]]) -> str:
    items = [
        f"{_escaped(remark.text)} ({_escaped(names(remark.cells))})" for remark in remarks(said)
    ]
    return f"## {title}\n\n{_list(items)}" if items else ""


def _findings(cells: Iterable[CellRow]) -> str:
    items = [_finding(finding) for finding in findings(cells)]
    return f"## Reasons\n\n{_list(items)}" if items else ""


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


def _end(table: Table) -> str:
    chosen = table.recommendation
    why = "" if chosen.cell is None else f"\n\nTo deploy: {_escaped(flat(chosen.why))}"
    return f"{counts(table)}{why}\n\n**{_escaped(deploy(table))}**"
