"""Room on the disk for environments: asked for before one is made, given back when it is done."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from harness.environments.engine import CellFailure, Progress
from harness.environments.keeping.budget import Budget, Drop, Now, Stored
from harness.environments.keeping.uses import Uses
from harness.environments.stopping import stopped_build
from harness.observation import Ending, Stage
from harness.sizes import shown_size

__all__ = ["Place", "Room"]

_PATIENCE_SECONDS = 0.5
"""How long a stop may go unnoticed by one that waits."""


class Place(Protocol):
    """Where an engine keeps its environments."""

    def describe(self) -> str:
        """Return where that is: `where Docker keeps images (/var/lib/docker)`."""

    def free_bytes(self) -> int | None:
        """Return what is left there; None where that cannot be known, such as on another machine.

        Raises whatever the engine takes for infrastructure.
        """

    def has(self, name: str) -> bool:
        """Tell whether an environment is there."""

    def stored(self) -> Sequence[Stored]:
        """Return every environment of ours that is there, by its `location`."""

    def drop(self, name: str) -> str | None:
        """Remove an environment and what is left of its making; return why not, where it stays."""


class Room:
    """Keeps the environments of one engine within the disk, and within a limit if there is one.

    Every method can be called from any thread. Environments go by their `location`.
    """

    def __init__(self, place: Place, uses: Uses, limit_bytes: int | None) -> None:
        self._place = place
        self._uses = uses
        self._budget = Budget(limit_bytes)
        self._changed = threading.Condition()
        self._dropped: set[str] = set()

    @property
    def dropped(self) -> frozenset[str]:
        """Those that were removed for others and not made again."""
        with self._changed:
            return frozenset(self._dropped)

    def enter(
        self, name: str, expected_bytes: int, *, stopped: threading.Event, progress: Progress
    ) -> CellFailure | None:
        """Wait until there is room for an environment, and take it; return why there is none.

        What has entered must leave, made or not.

        Raises:
            Whatever the place does, with nothing taken.
        """
        stuck: set[str] = set()
        with self._changed:
            while not stopped.is_set():
                free = self._place.free_bytes()
                match self._budget.ask(name, expected_bytes, self._stored(name, stuck), free):
                    case Now.ENTER:
                        self._uses.hold(name)
                        return None
                    case Now.WAIT:
                        progress("waiting for room on the disk")
                        self._changed.wait(_PATIENCE_SECONDS)
                    case Now.REFUSED:
                        return self._refusal(expected_bytes, free or 0)
                    case Drop(names):
                        for victim in names:
                            self._drop(victim, stuck, progress)
        return stopped_build()

    def made(self, name: str) -> None:
        """Take notice that an environment that has entered is there."""
        with self._changed:
            self._budget.made(name)
            self._dropped.discard(name)
            self._changed.notify_all()

    def leave(self, name: str) -> None:
        """Give the room of one that has entered back; another one is no matter."""
        with self._changed:
            if not self._budget.uses(name):
                return
            self._budget.leave(name)
            if not self._budget.uses(name):
                self._uses.let_go(name)
            self._changed.notify_all()

    def _stored(self, name: str, stuck: set[str]) -> Sequence[Stored]:
        """Return what is there; without a limit only whether this one is, which is all it takes."""
        if self._budget.limit_bytes is None:
            there = self._place.has(name)
            return (_present(name),) if there else ()
        return [
            replace(one, can_go=one.can_go and one.name not in stuck)
            for one in self._place.stored()
        ]

    def _drop(self, name: str, stuck: set[str], progress: Progress) -> None:
        progress(f"dropping {name} to make room")
        refused = "in use" if self._uses.held_elsewhere(name) else self._place.drop(name)
        if refused is None:
            self._dropped.add(name)
        else:
            progress(f"{name} stays: {refused}")
            stuck.add(name)

    def _refusal(self, expected_bytes: int, free_bytes: int) -> CellFailure:
        return CellFailure(
            stage=Stage.BUILD,
            ending=Ending.INFRASTRUCTURE,
            type="DiskFull",
            message=(
                f"about {shown_size(expected_bytes)} of disk are needed, and"
                f" {shown_size(free_bytes)} are free {self._place.describe()}."
                " `harness images` lists what the harness keeps, `harness clean --unused` removes"
                " what no model's last sweep used, `--disk SIZE` drops what a sweep is done with"
            ),
        )


def _present(name: str) -> Stored:
    return Stored(name, size_bytes=0, last_used=datetime.now(UTC))
