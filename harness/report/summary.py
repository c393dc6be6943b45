"""Several models in one view: which loader reads how many of them, where, and why not all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.report.layout import NONE, Column, fit, wrapped
from harness.report.table import LoaderRow, Table
from harness.report.words import flat, plural
from harness.verdict import Verdict

__all__ = ["render_summary"]

_RAN = (Verdict.IDENTICAL, Verdict.EQUIVALENT, Verdict.DIVERGED, Verdict.MISLABELLED)
_TRIED = (*_RAN, Verdict.FAILED)
_NAMED = 4
"""Most models or cells a line names."""


@dataclass(slots=True)
class _Row:
    """One loader of one format: by cell id, how many models it read, of how many."""

    format: str
    loader: str
    ran: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tried: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def share(self, cell: str) -> str:
        """Return `12/14`; a dash where no model was tried."""
        return f"{self.ran[cell]}/{self.tried[cell]}" if self.tried[cell] else NONE


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one loader came to with one model in one cell."""

    model: str
    format: str
    cell: str
    loader: LoaderRow


def render_summary(tables: Sequence[Table], *, width: int) -> str:
    """Return models read of models tried, by format, loader and cell; below it every failure.

    What infrastructure broke, and cells that could not be run, count on neither side.
    """
    attempts = tuple(_attempts(tables))
    cells = tuple(dict.fromkeys(attempt.cell for attempt in attempts))
    title = f"{plural(len(tables), 'model')}: read and run, of those tried"
    blocks = (title, *_blocks(_rows(attempts), cells, width), _failures(attempts, width))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _attempts(tables: Sequence[Table]) -> Iterator[_Attempt]:
    for table in tables:
        for cell in table.cells:
            for loader in cell.loaders:
                if loader.verdict in _TRIED:
                    yield _Attempt(table.model.name, table.model.format.value, cell.id, loader)


def _rows(attempts: Sequence[_Attempt]) -> tuple[_Row, ...]:
    rows: dict[tuple[str, str], _Row] = {}
    for attempt in attempts:
        key = (attempt.format, attempt.loader.name)
        row = rows.setdefault(key, _Row(*key))
        row.tried[attempt.cell] += 1
        row.ran[attempt.cell] += attempt.loader.verdict in _RAN
    return tuple(sorted(rows.values(), key=lambda row: row.format))


def _blocks(rows: Sequence[_Row], cells: Sequence[str], width: int) -> Iterator[str]:
    """Give the table in pieces that fit, each with the same rows."""
    first: tuple[Column[_Row], ...] = (
        Column("format", lambda row: row.format),
        Column("loader", lambda row: row.loader),
    )
    columns = [_column(cell) for cell in cells]
    while columns:
        text, left_out = fit((*first, columns[0]), columns[1:], rows, width)
        yield text
        columns = [column for column in columns[1:] if column.header in left_out]


def _column(cell: str) -> Column[_Row]:
    return Column(cell.replace("-", "\n").replace("+", "\n+"), lambda row: row.share(cell), "right")


def _failures(attempts: Sequence[_Attempt], width: int) -> str:
    """Return every reason once, those of most models first."""
    groups: dict[tuple[str, str, str], list[_Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.loader.verdict is Verdict.FAILED and attempt.loader.reason is not None:
            stage = attempt.loader.stage.value if attempt.loader.stage is not None else "?"
            groups[stage, attempt.loader.reason.code, attempt.loader.name].append(attempt)
    ordered = sorted(groups.items(), key=lambda item: -len(_models(item[1])))
    lines = [
        wrapped(_failure(stage, code, name, group), width, first="- ", rest="  ")
        for (stage, code, name), group in ordered
    ]
    return "\n".join(("Failures:", *lines)) if lines else ""


def _failure(stage: str, code: str, loader: str, group: Sequence[_Attempt]) -> str:
    said = {attempt.loader.reason.message for attempt in group if attempt.loader.reason is not None}
    example = f"{'such as: ' if len(said) > 1 else ''}{flat(min(said))}"
    cells = tuple(dict.fromkeys(attempt.cell for attempt in group))
    models = _models(group)
    return (
        f"{loader} failed at {stage}, {plural(len(models), 'model')}: {example} [{code}]"
        f" ({_few(models)}; in {_few(cells)})"
    )


def _models(group: Sequence[_Attempt]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(attempt.model for attempt in group))


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(flat, names[:_NAMED])) + more
