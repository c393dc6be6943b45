"""Which cells of a sweep are in flight, what is being done for each, and since when."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field, replace

__all__ = ["Phase", "Phases"]

_REPEAT_SECONDS = 30.0
"""Lines that only count on (`downloading 3 of 40`) come no sooner than this one after another."""

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Phase:
    """What is being done for a cell."""

    what: str
    began: float
    told: float
    """When it was last told."""

    @property
    def kind(self) -> str:
        """The phase without what counts on in it: numbers, names of downloads."""
        return "downloading" if self.what.startswith("downloading") else _NUMBER.sub("", self.what)


@dataclass(slots=True)
class Phases:
    """How far the cells are; every use is under `lock`."""

    total: int = 0
    finished: set[str] = field(default_factory=set)
    in_flight: dict[str, Phase] = field(default_factory=dict)
    """Of the cells in flight."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, cell_id: str, what: str, now: float) -> bool:
        """Take notice of what is done for a cell; tell whether to show it as a line."""
        before = self.in_flight.get(cell_id)
        after = Phase(what, now, now)
        if before is not None and before.kind == after.kind:
            early = now - before.told < _REPEAT_SECONDS or before.what == what
            told = before.told if early else now
            self.in_flight[cell_id] = replace(after, began=before.began, told=told)
            return not early
        self.in_flight[cell_id] = after
        return True

    def leave(self, cell_id: str) -> None:
        """Take notice that a cell ended."""
        self.in_flight.pop(cell_id, None)
        self.finished.add(cell_id)

    def line(self, cell_id: str, what: str) -> str:
        """Return `[ 3/12] cell: what`: 3 cells of 12 are done."""
        digits = len(str(self.total))
        return f"[{len(self.finished):>{digits}}/{self.total}] {cell_id}: {what}"
