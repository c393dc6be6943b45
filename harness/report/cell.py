"""One judged cell in full: verdict, reason, and every number of every output."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel
from tabulate import tabulate

from harness.divergence import Divergence, OutputDivergence
from harness.judge.flips import flip_words
from harness.judge.words import describe
from harness.report.layout import NONE, wrapped
from harness.report.table import CellRow, LoaderRow, Table
from harness.report.words import flat, lines, verdict_words
from harness.text import harmless_json

__all__ = ["code_block", "render_cell", "render_cell_json"]

_LABEL = 20
"""Characters that labels stand in."""

_APART = frozenset(
    (
        *("id", "tensorflow", "python", "device", "verdict", "stage", "reason"),
        *("loaders", "remedies", "actual", "cuda", "seconds", "lock"),
    )
)
"""Fields of a row that are said in other words, or only in `table.json`."""

_IN_SENTENCES = ("flips",)
"""Fields that are told in words below."""

_TITLES = {
    "divergence": "Outputs",
    "preprocess": "What preprocess.py made, beside what it made for the reference",
    "equal_inputs": "Outputs on the reference's inputs",
}


def render_cell_json(row: CellRow) -> str:
    """Return the cell's row of `table.json`."""
    return harmless_json(row.model_dump_json(indent=1, by_alias=True)) + "\n"


def code_block(text: str) -> str:
    """Return lines as a code block of Markdown that nothing they say can close."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}{fence}\n"


def render_cell(table: Table, row: CellRow, *, width: int) -> str:
    """Return one cell of a table for a terminal of `width` characters.

    Records and numbers that this module does not know by name are shown by the names of their
    fields, so that nothing that is judged is missing here.
    """
    blocks = [
        "\n".join(_labelled(label, text, width) for label, text in _facts(table, row)),
        *_loaders(row.loaders, width),
    ]
    for name in type(row).model_fields:
        value = getattr(row, name)
        if isinstance(value, Divergence):
            blocks += _distances(_TITLES.get(name, _words(name)), value, width)
    return "\n\n".join(block for block in blocks if block) + "\n"


def _facts(table: Table, row: CellRow) -> Iterator[tuple[str, str]]:
    reference = table.reference
    yield "Cell", row.id
    yield "Verdict", verdict_words(row.verdict, row.stage)
    if row.reason is not None:
        yield "Reason", f"{' '.join(lines(row.reason.message))} [{flat(row.reason.code)}]"
        if row.divergence is None:  # else what was seen is told below, of every output
            yield from (("", line) for line in lines(row.reason.evidence))
        if row.reason.remedy:
            yield "Remedy", flat(row.reason.remedy)
    cell = "" if reference.cell is None else f"{reference.cell}: "
    yield "Reference", flat(cell + reference.why)
    yield from (("Ran", text) for text in [_shown(row.actual)] if text != NONE)
    for name, field in type(row).model_fields.items():
        value = getattr(row, name)
        told = name in _APART or isinstance(value, Divergence)
        if not told and value is not None and value != field.default:
            yield _words(name).capitalize(), _shown(value)
    yield from (("Seconds", text) for text in [_shown(row.seconds)] if text != NONE)


def _labelled(label: str, text: str, width: int) -> str:
    return wrapped(text, width, first=f"{label:<{_LABEL}}", rest=" " * _LABEL)


def _loaders(loaders: Sequence[LoaderRow], width: int) -> Iterator[str]:
    if len(loaders) > 1:
        yield "\n".join(("Loaders", *(_loader(one, width) for one in loaders)))


def _loader(loader: LoaderRow, width: int) -> str:
    said = verdict_words(loader.verdict, loader.stage)
    if loader.reason is not None:
        said += f": {' '.join(lines(loader.reason.message))}"
    return wrapped(f"{flat(loader.name)}: {said}", width, first="- ", rest="  ")


def _distances(title: str, divergence: Divergence, width: int) -> Iterator[str]:
    """Give the totals, a table with a column for each output, and what differs in words."""
    totals = _fields(divergence, leave_out=("outputs",))
    worst = ", ".join(f"{label} {text}" for label, text in totals.items())
    yield wrapped(f"{title}: {worst or 'no number holds for all'}", width)
    columns = {flat(name): _fields(one) for name, one in divergence.outputs.items()}
    yield from _tables(columns, width)
    yield "\n".join(
        wrapped(said, width, first="- ", rest="  ")
        for name, output in divergence.outputs.items()
        if output.status != "identical"
        for said in (describe(name, output), *_flips(output))
    )


def _flips(output: OutputDivergence) -> Iterator[str]:
    """Give the gravest changed decisions in words."""
    if output.decided is not None:
        yield from (flip_words(output, flip) for flip in output.decided.flips)


def _fields(record: BaseModel, *, leave_out: Sequence[str] = ("message",)) -> dict[str, str]:
    """Return what a record says, by the names of its fields; those of records in it as well."""
    said: dict[str, str] = {}
    for name in type(record).model_fields:
        value = getattr(record, name)
        if name in leave_out or value is None or _is_told_in_words(name, value):
            continue
        if isinstance(value, BaseModel):
            inner = _fields(value, leave_out=())
            said |= {f"{_words(name)} {label}": text for label, text in inner.items()}
        else:
            said[_words(name)] = _shown(value)
    return said


def _is_told_in_words(name: str, value: object) -> bool:
    """Tell whether a field has no place among numbers: it is empty, or stands in a sentence."""
    return name in _IN_SENTENCES or (
        isinstance(value, tuple | dict) and not value and name != "shape"
    )


def _tables(columns: Mapping[str, Mapping[str, str]], width: int) -> Iterator[str]:
    """Give as many tables as it takes for the outputs to stand beside each other in `width`."""
    names = list(columns)
    while names:
        count = len(names)
        while count > 1 and _length(_table(columns, names[:count])) > width:
            count -= 1
        yield _table(columns, names[:count])
        names = names[count:]


def _table(columns: Mapping[str, Mapping[str, str]], names: Sequence[str]) -> str:
    fullest = sorted((columns[name] for name in names), key=len, reverse=True)
    labels = dict.fromkeys(label for said in fullest for label in said)
    return tabulate(
        [[label, *(columns[name].get(label, NONE) for name in names)] for label in labels],
        headers=["", *names],
        tablefmt="simple",
        colalign=["left", *("right" for _ in names)],
        disable_numparse=True,
    )


def _length(text: str) -> int:
    return max(map(len, text.split("\n")))


def _words(name: str) -> str:
    return name.rstrip("_").replace("_", " ")


def _shown(value: object) -> str:
    """Return a value of any field of a row in words."""
    said = str(value)
    match value:
        case bool():
            said = "yes" if value else "no"
        case float():
            said = f"{value:.6g}"
        case datetime():
            said = f"{value:%Y-%m-%d %H:%M} UTC"
        case BaseModel():
            fields = _fields(value, leave_out=())
            said = ", ".join(f"{label} {text}" for label, text in fields.items()) or NONE
        case tuple() | list():
            said = _listed(value)
        case dict():
            said = ", ".join(f"{key} {_shown(one)}" for key, one in value.items())
    return flat(said)


def _listed(values: Sequence[object]) -> str:
    if all(isinstance(one, int | float) for one in values):
        return f"[{', '.join(map(_shown, values))}]"
    return "; ".join(map(_shown, values))
