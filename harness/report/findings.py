"""What has to be said of cells in words: each thing once, with all the cells it is true of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.report.table import CellRow
from harness.report.words import flat, lines, plural, verdict_words, which
from harness.text import one_line
from harness.verdict import Verdict

__all__ = ["Finding", "Remark", "findings", "notes", "remarks"]

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

_NOISY = ("nondeterministic", "ill-conditioned", "noise")
"""Codes of the reasons, and titles of the findings, of cells that agree as far as their noise lets
them."""

_WARNINGS = 10
"""Warnings that are shown, those of most cells first."""

_WARNING_CHARACTERS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why one or more cells have their verdict."""

    title: str
    """The verdict in words, `failed at import`, or what kind of noise there is."""
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
    compared: it differs in paths and addresses; the first cell's is shown. Of cells that agree
    within noise the noisiest speaks for all: how noisy each is stands in the table.
    """
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for cell in sorted(cells, key=_rank):
        finding = _finding(cell)
        if finding is not None:
            said = () if finding.code in _NOISY else (finding.message, finding.remedy)
            groups.setdefault((finding.title, finding.code, *said), []).append(finding)
    return tuple(_merged(group) for group in groups.values())


def notes(cells: Sequence[CellRow]) -> tuple[str, ...]:
    """Return what the plan says of cells, then what their runs warned of, each with its cells."""
    ran = [cell for cell in cells if cell.observed is not None]
    planned: dict[str, list[CellRow]] = {}
    warned: dict[str, list[CellRow]] = {}
    for cell in cells:
        if cell.note is not None:
            planned.setdefault(flat(cell.note), []).append(cell)
        for text in dict.fromkeys(one_line(each, _WARNING_CHARACTERS) for each in cell.warnings):
            warned.setdefault(text, []).append(cell)
    ranked = sorted(warned.items(), key=lambda pair: -len(pair[1]))
    left_out = len(ranked) - _WARNINGS
    more = f"[... {plural(left_out, 'more warning')} in table.json ...]"
    return (
        *(f"{which(found, cells)}: {text}" for text, found in planned.items()),
        *(f"{which(found, ran)}: {text}" for text, found in ranked[:_WARNINGS]),
        *((more,) if left_out > 0 else ()),
    )


def remarks(said: Iterable[tuple[str, str | None]]) -> tuple[Remark, ...]:
    """Gather pairs of cell id and text by the text; None says nothing."""
    groups: dict[str, list[str]] = {}
    for cell, text in said:
        if text is not None:
            groups.setdefault(flat(text), []).append(cell)
    return tuple(Remark(text, tuple(cells)) for text, cells in groups.items())


def _rank(cell: CellRow) -> tuple[int, float]:
    noise = 0.0 if cell.noise_floor is None else cell.noise_floor.max_abs
    return _WORST_FIRST.index(cell.verdict), -noise


def _finding(cell: CellRow) -> Finding | None:
    reason = cell.reason
    if reason is None:
        return None
    message = " ".join(lines(reason.message))
    evidence = [line for line in lines(reason.evidence) if line not in message]
    noisy = reason.code in _NOISY
    return Finding(
        title=reason.code if noisy else verdict_words(cell.verdict, cell.stage),
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
    apart = any(finding.message != first.message for finding in group)
    noisiest = f"; {first.cells[0]} is the noisiest" if apart else ""
    return replace(
        first,
        message=first.message + noisiest,
        cells=tuple(cell for finding in group for cell in finding.cells),
        evidence_of="" if same else first.evidence_of,
    )
