"""The list of what the harness keeps on this machine, for a terminal and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from harness.environments.keeping.kept import Inventory, Kept, Kind
from harness.report.layout import NONE, Column, fit, with_values, wrapped
from harness.report.words import flat, plural
from harness.sizes import shown_size

__all__ = ["render_inventories", "render_inventories_json"]

_NAMED = 2
"""Sweeps that are named in the table; the JSON has more."""


def render_inventories(kept: Sequence[Inventory], *, width: int) -> str:
    """Return a table for each engine, and below it what all of it takes."""
    return "\n".join(_inventory(one, width) for one in kept)


def render_inventories_json(kept: Sequence[Inventory]) -> str:
    """Return the same for machines: `engines` is a list of inventories."""
    engines = [one.model_dump(mode="json", by_alias=True) for one in kept]
    return json.dumps({"schema": 1, "engines": engines}, indent=1) + "\n"


def _inventory(kept: Inventory, width: int) -> str:
    title = wrapped(f"{kept.engine}: {flat(kept.place)}", width)
    if not kept.items:
        return f"{title}\nThere is nothing of the harness.\n"
    essentials = with_values(_ESSENTIALS, kept.items)
    table, left_out = fit(essentials, with_values(_DETAILS, kept.items), kept.items, width)
    below = [wrapped(line, width) for line in _below(kept)]
    if left_out:
        below.append(wrapped(f"No room here for: {', '.join(left_out)} (in --format json)", width))
    return "\n".join((title, "", table, "", *below)) + "\n"


def _below(kept: Inventory) -> Iterator[str]:
    environments = [item for item in kept.items if item.kind is Kind.ENVIRONMENT]
    free = "" if kept.free_bytes is None else f"; {shown_size(kept.free_bytes)} are free"
    yield (
        f"{plural(len(environments), 'environment')} and what they are made with:"
        f" {shown_size(kept.total_bytes)} on disk, what is shared counted once{free}."
    )
    if kept.not_ours_bytes:
        yield (
            f"Beside that {shown_size(kept.not_ours_bytes)} of images from registries that they"
            " stand on (*): they are not the harness's and never removed by it."
        )
    idle = [item for item in environments if item.unused and item.in_use is None]
    if idle:
        size = sum((item.size_bytes or 0) - item.shared_bytes for item in idle)
        yield (
            "Not used by the last sweep of any model, as far as is noted:"
            f" {plural(len(idle), 'environment')} ({shown_size(size)});"
            " `harness clean --unused` removes what is not used."
        )
    for item in kept.items:
        if item.in_use is not None and item.kind is Kind.ENVIRONMENT:
            yield f"In use: {flat(item.name)} ({flat(item.in_use)})."


def _name(item: Kept) -> str:
    return flat(item.name) + ("" if item.ours else " *")


def _bytes(size: int | None) -> str:
    return NONE if size is None else shown_size(size)


def _shared(item: Kept) -> str:
    return shown_size(item.shared_bytes) if item.shared_bytes else NONE


def _moment(moment: datetime | None) -> str:
    return NONE if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _sweeps(item: Kept) -> str:
    more = len(item.sweeps) - _NAMED
    listed = ", ".join(map(flat, item.sweeps[:_NAMED])) or NONE
    return f"{listed} and {more} more" if more > 0 else listed


_ESSENTIALS: tuple[Column[Kept], ...] = (
    Column("name", _name),
    Column("size", lambda item: _bytes(item.size_bytes), "right"),
)
_DETAILS: tuple[Column[Kept], ...] = (
    Column("last used", lambda item: _moment(item.last_used)),
    Column("kind", lambda item: item.kind.value),
    Column("shared", _shared, "right"),
    Column("created", lambda item: _moment(item.created)),
    Column("cell", lambda item: flat(item.cell or "") or NONE),
    Column("used by", _sweeps),
)
