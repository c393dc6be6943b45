"""Which tasks of a sweep are in flight, what is being done for each, and since when."""

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
    """What is being done under one title."""

    what: str
    began: float
    told: float
    """When it was last told."""
    tasks: int
    """For so many tasks together."""

    @property
    def kind(self) -> str:
        """The phase without what counts on in it: numbers, names of downloads."""
        return "downloading" if self.what.startswith("downloading") else _NUMBER.sub("", self.what)


@dataclass(slots=True)
class Phases:
    """How far the tasks are; every use is under `lock`."""

    total: int = 0
    finished: set[str] = field(default_factory=set)
    in_flight: dict[str, Phase] = field(default_factory=dict)
    """By title."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, title: str, what: str, now: float, tasks: int = 1) -> bool:
        """Take notice of what is done under a title; tell whether to show it as a line."""
        before = self.in_flight.get(title)
        after = Phase(what, now, now, tasks)
        if before is not None and before.kind == after.kind:
            early = now - before.told < _REPEAT_SECONDS or before.what == what
            told = before.told if early else now
            self.in_flight[title] = replace(after, began=before.began, told=told)
            return not early
        self.in_flight[title] = after
        return True

    def leave(self, title: str) -> None:
        """Take notice that nothing more is done under a title."""
        self.in_flight.pop(title, None)

    def finish(self, title: str) -> None:
        """Take notice that a task ended."""
        self.leave(title)
        self.finished.add(title)

    @property
    def waiting(self) -> int:
        """Tasks for which nothing is done yet."""
        busy = sum(phase.tasks for phase in self.in_flight.values())
        return max(0, self.total - len(self.finished) - busy)

    def line(self, title: str, what: str) -> str:
        """Return `[ 3/12] title: what`: 3 tasks of 12 are done."""
        digits = len(str(self.total))
        return f"[{len(self.finished):>{digits}}/{self.total}] {title}: {what}"
