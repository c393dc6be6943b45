"""The attempts of a run, one after the other: watched, and cut short where they break a limit."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

from harness.environments.ended import Ended
from harness.environments.engine import Attempt, Progress, Run, RunOutcome
from harness.environments.log import BoundedLog
from harness.environments.out_folders import OutFolders
from harness.environments.stopping import stopped_run
from harness.environments.written import FreeSpace
from harness.observation import Ending

__all__ = ["Attempts", "Folders", "Started", "attempts_in", "attempts_of"]

_POLL_SECONDS = 0.02
"""How soon it is seen that an attempt has ended: the next one waits for that."""
_LOOK_SECONDS = 0.2
"""Between two looks at its limits an attempt can exceed them unseen."""


class Started(Protocol):
    """The probe's parent, started: a container, or a tree of processes."""

    @property
    def log(self) -> BoundedLog:
        """What it has printed itself."""

    def runs(self, seconds: float) -> bool:
        """Wait up to `seconds` for its end; tell whether it still runs."""

    def broken(self) -> RunOutcome | None:
        """Return the outcome of the limit it breaks, where that is for the engine to see."""

    def is_quiet(self) -> bool:
        """Tell whether nothing of an attempt that has ended runs, as far as that can be seen."""

    def outcome(self, ended: Ended) -> RunOutcome:
        """Return what becomes of an attempt that nothing but itself has ended."""

    def end(self) -> RunOutcome:
        """Kill what still runs of it and return how it ended; again where it has ended before."""


class Folders(Protocol):
    """The folders that attempts write into: `OutFolders`, or others that are as they are."""

    def make(self, name: str) -> None:
        """Make the folder of an attempt; whatever is in its place is moved aside."""

    def refresh(self) -> None:
        """Answer what is asked next by a look of its own, not by one of a moment ago."""

    def begun(self, name: str) -> bool:
        """Tell whether the probe's parent has started the attempt."""

    def ended(self, name: str) -> Ended | None:
        """Return how the attempt ended; None: it has not."""

    def written_bytes(self, waiting: Collection[str]) -> int:
        """Return what the attempt in use has written."""

    def excess(self) -> str | None:
        """Return what there was too much of, beside bytes, when those were counted."""

    def space(self) -> FreeSpace | None:
        """Begin to watch what is free where runs write; None where that is not this machine."""

    def take(self, name: str) -> str | None:
        """Move the folder of an attempt that has ended out of reach; return why it is lost."""

    def printed(self, name: str) -> str:
        """Return what an attempt printed whose folder was taken."""

    def put_back(self) -> None:
        """Leave exactly the folders that were taken below `Run.out`."""


@contextmanager
def attempts_of(
    run: Run, *, foreign: bool, stopped: threading.Event, progress: Progress
) -> Iterator[Attempts]:
    """Yield the attempts of `run`; what they wrote is below `run.out` afterwards.

    `foreign`: they run with another user id than this process's.

    Raises:
        OSError: folders cannot be made beside or below `run.out`.
    """
    folders = OutFolders(run.out, foreign=foreign)
    with attempts_in(folders, run, stopped=stopped, progress=progress) as attempts:
        yield attempts


@contextmanager
def attempts_in(
    folders: Folders, run: Run, *, stopped: threading.Event, progress: Progress
) -> Iterator[Attempts]:
    """Yield the attempts of `run` that write into `folders`; see `attempts_of`."""
    try:
        yield Attempts(run, folders, stopped, progress)
    finally:
        folders.put_back()


class Attempts:
    """Those of a run that are left, and the outcomes of the others."""

    def __init__(
        self, run: Run, folders: Folders, stopped: threading.Event, progress: Progress
    ) -> None:
        self._run = run
        self._folders = folders
        self._stopped = stopped
        self._progress = progress
        self._outcomes: dict[str, RunOutcome] = {}

    @property
    def stopped(self) -> bool:
        """Whether the user has stopped the sweep."""
        return self._stopped.is_set()

    @property
    def left(self) -> tuple[Attempt, ...]:
        """Those without an outcome, in their order."""
        return tuple(one for one in self._run.attempts if one.name not in self._outcomes)

    @property
    def outcomes(self) -> tuple[RunOutcome, ...]:
        """The outcome of every attempt, in their order."""
        return tuple(self._outcomes[attempt.name] for attempt in self._run.attempts)

    def make_folders(self) -> None:
        """Make the folders that those that are left write into, all of them empty."""
        for attempt in self.left:
            self._folders.make(attempt.name)

    def give_up(self, outcome: RunOutcome) -> None:
        """Give those that are left this outcome, or that of what the user has stopped."""
        given = stopped_run() if self._stopped.is_set() else outcome
        for attempt in self.left:
            self._folders.take(attempt.name)
            self._outcomes[attempt.name] = given

    def watch(self, started: Started) -> None:
        """Watch what is left until all of it has ended, or `started` has, which ends here.

        At least one attempt has an outcome afterwards.
        """
        first = True
        try:
            while self.left and self._watch_next(started, first=first):
                first = False
        finally:
            started.end()

    def _watch_next(self, started: Started, *, first: bool) -> bool:
        """Watch the next attempt to its end; tell whether others can go on after it."""
        attempt, *waiting = self.left
        self._progress(self._phrase())
        turn = _Turn(self._run, self._folders, [one.name for one in (attempt, *waiting)], started)
        seen = turn.follow(self._stopped)
        start_failed = first and not turn.has_begun
        outcome = turn.outcome(seen)
        goes_on = _is_sound(seen) and outcome.ending in (Ending.COMPLETED, Ending.EXIT)
        if goes_on and waiting and waiting[0].model != attempt.model:
            goes_on = started.is_quiet()  # else it has forged its end, to run beside the next
        if not goes_on or self._stopped.is_set():
            started.end()
        if self._stopped.is_set():
            self.give_up(stopped_run())
            return False
        if goes_on and waiting:
            self._folders.make(waiting[0].name)  # before the parent sees the other one go
        for one in (attempt, *waiting) if start_failed else (attempt,):
            self._keep(one.name, outcome, started, turn.seconds)
        return goes_on

    def _keep(self, name: str, outcome: RunOutcome, started: Started, seconds: float) -> None:
        lost = self._folders.take(name)
        if lost is not None:
            outcome = RunOutcome(ending=Ending.INFRASTRUCTURE, message=lost)
        log = "".join(
            text if text.endswith("\n") or not text else f"{text}\n"
            for text in (started.log.text(), self._folders.printed(name))
        )
        self._outcomes[name] = outcome.model_copy(update={"log": log, "seconds": seconds})

    def _phrase(self) -> str:
        number, total = 1 + len(self._outcomes), len(self._run.attempts)
        return "running" if total == 1 else f"running {number} of {total}"


_Seen = Ended | RunOutcome | None
"""How an attempt ended by itself, the limit it broke, or None: its start has ended."""


class _Turn:
    """One attempt's turn at what was started: its clock and its limits."""

    def __init__(self, run: Run, folders: Folders, names: list[str], started: Started) -> None:
        """Begin the turn of the first of `names`; the others are waiting."""
        self._limits = run.limits
        self._folders = folders
        self._name, *self._waiting = names
        self._started = started
        self._space = folders.space()
        self._since = time.monotonic()
        self._printed_before = started.log.total_bytes
        self.seconds = 0.0
        self.has_begun = False
        """Whether the attempt itself was started, by what was ever seen of it."""

    def follow(self, stopped: threading.Event) -> _Seen:
        """Wait until it ends or is to be ended."""
        seen: _Seen = None
        next_look = self._since
        while True:
            # Asked before the looks at its folder, so that what was written until the end counts.
            running = self._started.runs(_POLL_SECONDS)
            if not running:
                self._folders.refresh()
            seen = self._folders.ended(self._name)
            if not self.has_begun:
                self.has_begun = seen is not None or self._folders.begun(self._name)
            self.seconds = time.monotonic() - self._since
            if seen is None and running and self._space is not None and self._space.is_scarce():
                return self._scarce(self._space)
            if seen is None and running and time.monotonic() >= next_look:
                seen = stopped_run() if stopped.is_set() else self._broken()
                next_look = time.monotonic() + _LOOK_SECONDS
            if seen is not None or not running:
                return seen

    def outcome(self, seen: _Seen) -> RunOutcome:
        """Return what becomes of the attempt; ends what was started where it may go on no more."""
        if isinstance(seen, RunOutcome):
            return seen
        if isinstance(seen, Ended) and _is_sound(seen):
            return self._too_much() or self._started.outcome(seen)
        died = self._started.end()
        self._folders.refresh()
        too_much = self._too_much()
        if too_much is not None:
            return too_much
        if seen is None:
            return died
        untold = seen.signal == "SIGKILL" and seen.oom_kills is None
        if untold and died.ending is Ending.OUT_OF_MEMORY:
            return died
        return self._started.outcome(seen)

    def _scarce(self, space: FreeSpace) -> RunOutcome:
        """End what was started, since nearly no space is left; tell who took it."""
        self._started.end()
        too_much = self._too_much()
        if too_much is not None:
            return too_much
        if space.came_back():
            message = f"took {space.taken()}, by files that it had deleted and kept open"
            return RunOutcome(ending=Ending.OUTPUT_LIMIT, message=message)
        message = (
            f"nearly no space is left in {tempfile.gettempdir()}, where runs write:"
            " free some, or name another place with TMPDIR"
        )
        return RunOutcome(ending=Ending.INFRASTRUCTURE, message=message)

    def _broken(self) -> RunOutcome | None:
        timeout = self._limits.timeout_seconds
        if self.seconds > timeout:
            message = f"still running after {timeout:g} seconds"
            return RunOutcome(ending=Ending.TIMEOUT, message=message)
        return self._too_much() or self._started.broken()

    def _too_much(self) -> RunOutcome | None:
        printed = self._started.log.total_bytes - self._printed_before
        written = self._folders.written_bytes(self._waiting) + printed
        allowed = self._limits.output_bytes
        message = self._folders.excess()
        if written >= allowed:  # a file that the system cuts off has exactly this size
            message = f"wrote {written:,} bytes where {allowed:,} are allowed"
        return None if message is None else RunOutcome(ending=Ending.OUTPUT_LIMIT, message=message)


def _is_sound(seen: _Seen) -> bool:
    """Tell whether an attempt ended as a probe does: after it, others can go on."""
    return isinstance(seen, Ended) and not seen.crashed
