"""What planning hands on: cells in order, what is unavailable and excluded, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from harness.cell import Cell, Value
from harness.verdict import Reason

__all__ = ["IndexState", "Plan", "PlannedCell"]


class IndexState(Value):
    """How current the index's answers are."""

    retrieved: datetime
    """When the oldest answer that was used was retrieved (UTC)."""
    source: Literal["network", "cache", "stale-cache"]
    """`stale-cache`: the index did not answer, so an old answer served."""
    note: str | None = None
    """One line for the table where `source` is `stale-cache`."""


class PlannedCell(Value):
    """A cell, and why it cannot run where it cannot."""

    cell: Cell
    unavailable: Reason | None = None
    """Set where no wheel was ever published for it, or no such Python can be got here."""
    infrastructure: bool = False
    """True where `unavailable` is about this machine (no such Python here): `skipped`."""


class Plan(Value):
    """The matrix, resolved."""

    cells: tuple[PlannedCell, ...]
    """Sorted by TensorFlow, Python, device, pins, resolution, flags; after `--only`."""
    excluded: tuple[tuple[Cell, str], ...] = ()
    """What `exclude` took out, with its reason."""
    index: IndexState
    notes: tuple[str, ...] = ()
