"""The columns of the table: which there are, and what each shows of a cell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.divergence import Decided, Divergence
from harness.judge.flips import flipped
from harness.judge.words import gravest
from harness.report.layout import NONE, Column
from harness.report.table import CellRow
from harness.report.words import (
    NEAR_TIES,
    flat,
    marks,
    moved_decisions,
    near_ties_only,
    number,
    varied,
    verdict_words,
)

__all__ = [
    "CLASS",
    "EQUAL_INPUTS",
    "NOISE",
    "PREPROCESS",
    "RANKS",
    "TIES",
    "TOP_CHANGED",
    "VERDICT",
    "details",
    "essentials",
    "shared_values",
]

CLASS = "class"
VERDICT = "verdict"
"""Header of the column that colours or bold type mark."""
PREPROCESS, EQUAL_INPUTS, NOISE = "preprocess\ndiff", "on equal\ninputs", "noise"
TIES, TOP_CHANGED, RANKS = "near\nties", "top-k\nchanged", "rank\ncorr."
"""Headers that the legend explains."""


def _text(value: str | None) -> str:
    return flat(value or "") or NONE


def _verdict(cell: CellRow, reference: str | None) -> str:
    itself = " (ref)" if cell.id == reference else ""
    return f"{verdict_words(cell.verdict, cell.stage)}{marks(cell)}{itself}"


def _max_abs(cell: CellRow) -> str:
    return NONE if cell.divergence is None else number(cell.divergence.max_abs)


def _max_rel(cell: CellRow) -> str:
    return NONE if cell.divergence is None else number(cell.divergence.max_rel)


def _ulp(cell: CellRow) -> str:
    return NONE if cell.divergence is None else number(cell.divergence.max_ulp)


def _decisions(cell: CellRow) -> str:
    """Show how many decisions changed, of how many, in the output where most did.

    Where all that changed are near ties, in every output, they are marked.
    """
    moved = moved_decisions(cell)
    mark = NEAR_TIES if near_ties_only(cell) else ""
    return NONE if moved is None else f"{moved[0]}/{moved[1]}{mark}"


def _near_ties(cell: CellRow) -> str:
    """Show how many of the changed decisions are near ties, where some but not all are."""
    near, clear = flipped(cell.divergence)
    return str(near) if near and clear else NONE


def _decided(cell: CellRow) -> Iterator[Decided]:
    if cell.divergence is not None:
        for output in cell.divergence.outputs.values():
            if output.decided is not None:
                yield output.decided


def _top_changed(cell: CellRow) -> str:
    """Show how many rows have other classes among their largest, in the output where most do."""
    found = [(one.top_k_changed, one.top_k_of) for one in _decided(cell) if one.k is not None]
    worst = max(found, key=lambda pair: pair[0] or 0, default=None)
    return NONE if worst is None else f"{worst[0]}/{worst[1]}"


def _ranks(cell: CellRow) -> str:
    """Show the least rank correlation, rounded down: 1 is said only of 1."""
    found = [one.ranks.least for one in _decided(cell) if one.ranks is not None]
    if not found:
        return NONE
    least = min(found)
    return "1" if least == 1 else f"{math.floor(least * 10_000) / 10_000:.4f}"


def _accuracy(cell: CellRow) -> str:
    return NONE if cell.accuracy is None else f"{cell.accuracy:.2%}"


def _mae(cell: CellRow) -> str:
    return NONE if cell.scores is None else number(cell.scores.mae)


def _rmse(cell: CellRow) -> str:
    return NONE if cell.scores is None else number(cell.scores.rmse)


def _top_k(cell: CellRow) -> str:
    return NONE if cell.scores is None or cell.scores.top_k is None else f"{cell.scores.top_k:.2%}"


def _noise(cell: CellRow) -> str:
    """Show the noise floor; of a cell whose repeats agree only where more than that was varied."""
    floor = cell.noise_floor
    if floor is None or (cell.deterministic is not False and not varied(cell)):
        return NONE
    return number(floor.max_abs)


def _apart(divergence: Divergence | None) -> str:
    """Show a distance, or what there is instead of one: `dtype`, `shape`."""
    if divergence is None:
        return NONE
    beyond = gravest(divergence)
    if divergence.max_abs is None and beyond:
        return beyond[0][1].status
    return number(divergence.max_abs)


def _seconds(*values: float | None) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known):.1f}" if known else NONE


def _device(cell: CellRow) -> str:
    """Show the device where it is more than the CPU that every machine has."""
    device = cell.actual.device
    return NONE if device is None or device == "CPU" else flat(device)


def _cudnn(cell: CellRow) -> str:
    """Show the cuDNN that TensorFlow wants and, where it was seen, the one there: `8 (8.9.4)`."""
    libraries = cell.cuda.libraries if cell.cuda is not None else ()
    there = [one.version for one in libraries if one.name.startswith("libcudnn.") and one.version]
    return _text(cell.actual.cudnn) + (f" ({flat(there[0])})" if there else "")


def _run_seconds(cell: CellRow) -> str:
    taken = cell.seconds
    return _seconds(taken.import_, taken.preprocess, taken.load, taken.infer)


def essentials(reference: str | None, *, classes: bool = False) -> tuple[Column[CellRow], ...]:
    """Return the columns shown at every width; `reference` is the id of the reference cell.

    `classes` tells whether there are several that cells agree in.
    """
    return (
        Column("cell", lambda cell: cell.id),
        Column(VERDICT, lambda cell: _verdict(cell, reference)),
        *((Column(CLASS, lambda cell: _text(cell.agreement)),) if classes else ()),
        Column("max abs\ndiff", _max_abs, "right"),
        Column("ULP", _ulp, "right"),
        Column("decisions\nchanged", _decisions, "right"),
        Column("accuracy", _accuracy, "right"),
        Column("MAE", _mae, "right"),
    )


def details(cells: Sequence[CellRow]) -> tuple[Column[CellRow], ...]:
    """Return the columns shown where there is room, the most telling first."""
    ks = {cell.scores.k for cell in cells if cell.scores is not None} - {None}
    top = f"top-{ks.pop()}" if len(ks) == 1 else "top-k"
    return (Column(top, _top_k, "right"), *_DETAILS)


_DETAILS: tuple[Column[CellRow], ...] = (
    Column(PREPROCESS, lambda cell: _apart(cell.preprocess), "right"),
    Column(EQUAL_INPUTS, lambda cell: _apart(cell.equal_inputs), "right"),
    Column(NOISE, _noise, "right"),
    Column("RMSE", _rmse, "right"),
    Column(TIES, _near_ties, "right"),
    Column("distribution", lambda cell: _text(cell.actual.distribution), shared=True),
    Column("python", lambda cell: _text(cell.actual.python)),
    Column("numpy", lambda cell: _text(cell.actual.numpy)),
    Column("keras", lambda cell: _text(cell.actual.keras)),
    Column("cuda", lambda cell: _text(cell.actual.cuda)),
    Column("cudnn", _cudnn),
    Column("device", _device, shared=True),
    Column(TOP_CHANGED, _top_changed, "right"),
    Column(RANKS, _ranks, "right"),
    Column("run s", _run_seconds, "right"),
    Column("build s", lambda cell: _seconds(cell.seconds.build), "right"),
    Column("max rel", _max_rel, "right"),
    Column("loader", lambda cell: _text(cell.loader), shared=True),
    Column("reused", lambda cell: "yes" if cell.cached else NONE),
)


def shared_values(columns: Sequence[Column[CellRow]], cells: Sequence[CellRow]) -> dict[str, str]:
    """Return the columns, by header, whose one value need not be told cell by cell."""
    shared = {}
    for column in columns:
        values = {column.value(cell) for cell in cells} - {NONE}
        if column.shared and len(values) == 1:
            shared[column.header] = values.pop()
    return shared
