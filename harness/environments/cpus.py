"""Sharing this machine's CPUs between runs by pinning each to some of them.

A pinned process sees fewer CPUs and starts fewer threads. A container's quota (CFS) is different:
there the process sees every CPU and is held back in time.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["CpuPool", "pinned"]


class CpuPool:
    """The CPUs this process may use, and how many runs are on each.

    No more runs than CPUs are let in at once: more of them would only take turns, each holding its
    memory. What is made or saved for other environments meanwhile is not held up.
    """

    def __init__(self, allowed: frozenset[int] | None = None) -> None:
        self._users = Counter(dict.fromkeys(_allowed() if allowed is None else allowed, 0))
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(len(self._users) or os.cpu_count() or 1)

    @contextmanager
    def reserve(self, cpus: float) -> Iterator[frozenset[int]]:
        """Yield the numbers of CPUs as `chosen` does, once it is the run's `turn`."""
        with self.turn(), self.chosen(cpus) as numbers:
            yield numbers

    @contextmanager
    def chosen(self, cpus: float) -> Iterator[frozenset[int]]:
        """Yield the numbers of `cpus` CPUs (rounded up), those with the fewest runs first.

        Empty where the operating system cannot pin; all where there are no more.
        """
        with self._lock:
            ranked = sorted(self._users, key=lambda cpu: (self._users[cpu], cpu))
            numbers = frozenset(ranked[: max(1, math.ceil(cpus))])
            self._users.update(numbers)
        try:
            yield numbers
        finally:
            with self._lock:
                self._users.subtract(numbers)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until there are fewer runs than CPUs, and count as one."""
        with self._turns:
            yield


@contextmanager
def pinned(cpus: frozenset[int]) -> Iterator[None]:
    """Pin the calling thread, and what it starts meanwhile, to `cpus`; nothing where empty."""
    if sys.platform != "linux" or not cpus:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _allowed() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0)) if sys.platform == "linux" else frozenset()
