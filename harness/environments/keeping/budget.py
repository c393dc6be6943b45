"""Which environments may be on disk at once: decisions alone, nothing is touched here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

__all__ = ["Budget", "Drop", "Now", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """An environment that is on the disk."""

    name: str
    size_bytes: int
    last_used: datetime
    can_go: bool = True
    """False where another harness or a container uses it, or removing it was refused."""


class Now(Enum):
    """What an environment may do that asked for room."""

    ENTER = "enter"
    """It has its room, until it leaves."""
    WAIT = "wait"
    """Another one of this process will leave, or be made: ask again then."""
    REFUSED = "refused"
    """The disk has no room for it, and nothing may be dropped."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop these, least recently used first, then ask again."""

    names: tuple[str, ...]


class Budget:
    """Shares the disk among the environments that the workers of one process use and make.

    A worker enters with one environment at a time and leaves it before the next, so none that
    waits holds what another one waits for; and where nobody is in, nobody waits. So somebody can
    always go on, whatever the limit is.

    Not safe for threads: the caller has a lock.
    """

    def __init__(self, limit_bytes: int | None) -> None:
        """Make room within `limit_bytes`; None: drop nothing, the disk alone is the limit."""
        self._limit = limit_bytes
        self._inside: Counter[str] = Counter()
        self._expected: dict[str, int] = {}

    @property
    def limit_bytes(self) -> int | None:
        """Most bytes that environments may take; None: there is no limit."""
        return self._limit

    def ask(
        self, name: str, expected_bytes: int, stored: Sequence[Stored], free_bytes: int | None
    ) -> Now | Drop:
        """Decide about the environment `name`, which will take `expected_bytes` if it is not there.

        `stored` is all that is on the disk; `free_bytes` is what the disk has left, None where
        that cannot be known.
        """
        if self._inside[name]:
            return self._enter(name, 0)
        there = any(one.name == name for one in stored)
        needed = 0 if there else expected_bytes
        lacking = self._lacking(needed, stored, free_bytes)
        if lacking <= 0:
            return self._enter(name, needed)
        if self._limit is None:
            return Now.WAIT if self._pending(stored) else Now.REFUSED
        victims = self._victims(name, stored, lacking)
        enough = sum(one.size_bytes for one in victims) >= lacking
        # One that is there takes nothing more by being used.
        if not enough and self._inside and not there:
            return Now.WAIT
        if victims:
            return Drop(tuple(one.name for one in victims))
        return self._enter(name, needed)

    def made(self, name: str) -> None:
        """Take notice that an environment is on the disk: what it was to take counts no more."""
        self._expected.pop(name, None)

    def leave(self, name: str) -> None:
        """Take notice that one worker is done with an environment, or could not make it."""
        if self._inside[name] > 1:
            self._inside[name] -= 1
            return
        del self._inside[name]
        self._expected.pop(name, None)

    def uses(self, name: str) -> bool:
        """Tell whether a worker is in with this environment."""
        return name in self._inside

    def _enter(self, name: str, needed: int) -> Now:
        if needed:
            self._expected[name] = needed
        self._inside[name] += 1
        return Now.ENTER

    def _pending(self, stored: Sequence[Stored]) -> int:
        """Return the bytes that environments in the making will still take."""
        there = {one.name for one in stored}
        return sum(size for name, size in self._expected.items() if name not in there)

    def _lacking(self, needed: int, stored: Sequence[Stored], free_bytes: int | None) -> int:
        """Return how many bytes too few there are; none or less where there are enough."""
        wanted = self._pending(stored) + needed
        taken = sum(one.size_bytes for one in stored)
        over = 0 if self._limit is None else taken + wanted - self._limit
        short = 0 if free_bytes is None or not needed else wanted - free_bytes
        return max(over, short)

    def _victims(self, name: str, stored: Sequence[Stored], lacking: int) -> list[Stored]:
        """Return the least recently used that nobody uses, as few as give `lacking` bytes."""
        idle = [
            one for one in stored if one.can_go and one.name != name and not self.uses(one.name)
        ]
        chosen: list[Stored] = []
        for one in sorted(idle, key=lambda one: one.last_used):
            if sum(victim.size_bytes for victim in chosen) >= lacking:
                break
            chosen.append(one)
        return chosen
