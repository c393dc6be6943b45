"""What has to be said of cells in words: each thing once, with all the cells it is true of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.report.table import CellRow
from harness.report.words import flat, lines, plural, verdict_words
from harness.verdict import Verdict

__all__ = ["Finding", "Remark", "findings", "remarks"]

_WORST_FIRST = (
    Verdict.FAILED,
    Verdict.MISLABELLED,
    Verdict.DIVERGED,
    Verdict.UNKNOWN,
    Verdict.SKIPPED,
    Verdict.UNAVAILABLE,
    Verdict.EQUIVALENT,
    Verdict.IDENTICAL,
)


_EVIDENCE_LINES = 6
"""Lines of what was seen that are shown; the most telling come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why one or more cells have their verdict."""

    title: str
    """The verdict in words: `failed at import`."""
    code: str
    cells: tuple[str, ...]
    message: str
    evidence: tuple[str, ...]
    """Lines."""
    evidence_of: str
    """The cell the evidence is from; empty where all cells have the same."""
    remedy: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something the plan says of one or more cells."""

    text: str
    cells: tuple[str, ...]


def findings(cells: Iterable[CellRow]) -> tuple[Finding, ...]:
    """Return why cells have their verdicts, the worst verdicts first.

    Cells with the same verdict, stage, code, message and remedy share a finding. Evidence is not
    compared: it differs in paths and addresses; the first cell's is shown.
    """
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for cell in sorted(cells, key=lambda cell: _WORST_FIRST.index(cell.verdict)):
        finding = _finding(cell)
        if finding is not None:
            key = (finding.title, finding.code, finding.message, finding.remedy)
            groups.setdefault(key, []).append(finding)
    return tuple(_merged(group) for group in groups.values())


def remarks(said: Iterable[tuple[str, str | None]]) -> tuple[Remark, ...]:
    """Gather pairs of cell id and text by the text; None says nothing."""
    groups: dict[str, list[str]] = {}
    for cell, text in said:
        if text is not None:
            groups.setdefault(flat(text), []).append(cell)
    return tuple(Remark(text, tuple(cells)) for text, cells in groups.items())


def _finding(cell: CellRow) -> Finding | None:
    reason = cell.reason
    if reason is None:
        return None
    message = " ".join(lines(reason.message))
    evidence = [line for line in lines(reason.evidence) if line not in message]
    return Finding(
        title=verdict_words(cell.verdict, cell.stage),
        code=flat(reason.code),
        cells=(cell.id,),
        message=message,
        evidence=_beginning(evidence),
        evidence_of=cell.id,
        remedy=flat(reason.remedy),
    )


def _beginning(evidence: Sequence[str]) -> tuple[str, ...]:
    left_out = len(evidence) - _EVIDENCE_LINES
    if left_out <= 0:
        return tuple(evidence)
    more = f"[... {plural(left_out, 'more line')} in table.json ...]"
    return (*evidence[:_EVIDENCE_LINES], more)


def _merged(group: list[Finding]) -> Finding:
    first = group[0]
    same = all(finding.evidence == first.evidence for finding in group)
    return replace(
        first,
        cells=tuple(cell for finding in group for cell in finding.cells),
        evidence_of="" if same else first.evidence_of,
    )
