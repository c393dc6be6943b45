"""What is told apart from the verdicts: further loaders, and training states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.report.table import CellRow, LoaderRow
from harness.report.words import flat, lines, number, plural, verdict_words, which
from harness.verdict import TrainingState, Verdict

__all__ = ["Line", "loader_lines", "training_lines"]

_MEASURED = (Verdict.IDENTICAL, Verdict.EQUIVALENT, Verdict.DIVERGED)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is true of a loader (or several) in one or more cells."""

    loaders: tuple[str, ...]
    said: str
    """What it came to, and where: `failed at load in 6 cells (2.16.2 - 2.21.0): ...`."""
    code: str = ""
    """Of the reason; empty where there is none."""
    remedy: str = ""
    agrees: bool = False
    """Whether it only says that nothing is apart."""

    @property
    def title(self) -> str:
        """The loaders, for a line to begin with."""
        return ", ".join(self.loaders)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one loader came to in one cell."""

    cell: CellRow
    loader: LoaderRow

    @property
    def group(self) -> tuple[str, ...]:
        """Tells apart what has to be said apart."""
        loader, reason = self.loader, self.loader.reason
        words = verdict_words(loader.verdict, loader.stage)
        beside = verdict_words(self.cell.verdict, self.cell.stage)
        if loader.verdict in _MEASURED:
            return words, "" if reason is None else reason.code, beside, self.cell.loader
        return words, "" if reason is None else f"{reason.code} {reason.message}"


def loader_lines(cells: Sequence[CellRow]) -> tuple[Line, ...]:
    """Return what further loaders came to where that is not the verdict of the cell.

    Loaders that came to the same are told together; those that came to the verdict of every cell
    too. Nothing is said where no cell has further loaders.
    """
    outcomes: dict[str, list[_Outcome]] = {}
    for cell in cells:
        for loader in cell.loaders[1:]:
            outcomes.setdefault(flat(loader.name), []).append(_Outcome(cell, loader))
    said: dict[Line, list[str]] = {}
    for name, tried in outcomes.items():
        for line in tuple(_differing(tried)) or (_agreeing(tried),):
            said.setdefault(line, []).append(name)
    found = [replace(line, loaders=tuple(names)) for line, names in said.items()]
    return tuple(sorted(found, key=lambda line: line.agrees))


def training_lines(cells: Sequence[CellRow]) -> tuple[Line, ...]:
    """Return what became of the training states, the lost ones first."""
    tried: dict[str, list[CellRow]] = {}
    groups: dict[tuple[TrainingState, str, str], list[CellRow]] = {}
    for cell in cells:
        for loader in cell.loaders:
            if loader.training is not None:
                name = flat(loader.name)
                tried.setdefault(name, []).append(cell)
                state = loader.training
                groups.setdefault((state.state, name, flat(state.message)), []).append(cell)
    order = (TrainingState.LOST, TrainingState.CHANGED, TrainingState.UNTOLD, TrainingState.KEPT)
    ranked = sorted(groups.items(), key=lambda pair: order.index(pair[0][0]))
    return tuple(
        Line((name,), f"{state.value} in {which(found, tried[name])}: {message}")
        for (state, name, message), found in ranked
    )


def _differing(tried: Sequence[_Outcome]) -> Iterator[Line]:
    """Give, without a name, what one loader came to where it is not the cell's verdict."""
    groups: dict[tuple[str, ...], list[_Outcome]] = {}
    for outcome in tried:
        if outcome.loader.verdict is not outcome.cell.verdict:
            groups.setdefault(outcome.group, []).append(outcome)
    among = [outcome.cell for outcome in tried]
    for group in groups.values():
        reason = group[0].loader.reason
        words = f"{group[0].group[0]} in {which([outcome.cell for outcome in group], among)}"
        yield Line(
            loaders=(),
            said=words + (_by(group) or _why(group[0])),
            code="" if reason is None else flat(reason.code),
            remedy="" if reason is None else flat(reason.remedy),
        )


def _by(group: Sequence[_Outcome]) -> str:
    """Say how far outputs are, and beside which verdict; empty where they were not measured."""
    first = group[0]
    if first.loader.verdict not in _MEASURED:
        return ""
    measured = [one.loader.divergence for one in group if one.loader.divergence is not None]
    far = [one.max_abs for one in measured if one.max_abs is not None]
    changed = [one.decisions_changed for one in measured if one.decisions_changed is not None]
    worst, flips = max(far, default=0.0), max(changed, default=0)
    by = f", by up to {number(worst)}" if worst else ""
    by += f", {plural(flips, 'decision')} changed" if flips else ""
    if not far and first.loader.verdict is Verdict.DIVERGED:
        by = _why(first)
    beside = verdict_words(first.cell.verdict, first.cell.stage)
    return f"{by}; {flat(first.cell.loader)} there: {beside}"


def _why(outcome: _Outcome) -> str:
    reason = outcome.loader.reason
    return "" if reason is None else f": {' '.join(lines(reason.message))}"


def _agreeing(tried: Sequence[_Outcome]) -> Line:
    firsts = " or ".join(dict.fromkeys(flat(outcome.cell.loader) for outcome in tried))
    return Line(loaders=(), said=f"the same verdicts as {firsts}, wherever tried", agrees=True)
