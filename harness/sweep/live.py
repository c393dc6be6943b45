"""What a person sees of a sweep on a terminal: a bar and the cells in flight, redrawn in place."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Literal, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.sweep.phases import Phases
from harness.sweep.progress import Clock, SilentDisplay
from harness.text import one_line

__all__ = ["LiveDisplay", "live_display"]


def live_display(stream: TextIO) -> LiveDisplay:
    """Return the display for a terminal."""
    return LiveDisplay(Console(file=stream, force_terminal=True))


class LiveDisplay(SilentDisplay):
    """The cells in flight and a bar, redrawn in place; finished cells scroll by above them."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self._phases = Phases()
        self._live = Live(
            console=console, get_renderable=self._view, refresh_per_second=4, transient=True
        )

    def start(self, total_cells: int) -> None:
        """Begin, or go on: so many cells more will be run."""
        with self._phases.lock:
            if self._phases.total == 0:
                self._began = self._clock()
            self._phases.total += total_cells
        self._live.start(refresh=True)

    def cell(self, title: str, what: str, cells: int = 1) -> None:
        """Show it at the next redrawing."""
        with self._phases.lock:
            self._phases.enter(title, one_line(what), self._clock(), cells)

    def leave(self, title: str) -> None:
        """Take it away."""
        with self._phases.lock:
            self._phases.leave(title)

    def done(self, title: str, outcome: str) -> None:
        """Move the cell up."""
        with self._phases.lock:
            self._phases.finish(title)
            line = self._phases.line(title, one_line(outcome))
        self._print(line, overflow="ellipsis")

    def note(self, text: str) -> None:
        """Show it above."""
        self._print(one_line(text, 1_000))

    def finish(self) -> None:
        """Take the live part away and give the cursor back."""
        # rich draws once more, without regard to the terminal's height.
        with self._phases.lock:
            self._phases.in_flight.clear()
        self._live.stop()

    def _print(self, line: str, overflow: Literal["fold", "ellipsis"] = "fold") -> None:
        # Never under our lock: rich holds its own while it asks for the view, which takes ours.
        with suppress(OSError):
            self._console.print(Text(line), overflow=overflow, no_wrap=overflow == "ellipsis")
            if self._live.is_started:
                self._live.refresh()

    def _view(self) -> Group:
        """Draw the bar and the cells in flight: how long each is at what."""
        with self._phases.lock:
            now = self._clock()
            phases = tuple(self._phases.in_flight.items())
            total, finished = self._phases.total, len(self._phases.finished)
            waiting = self._phases.waiting
        counts = f"{finished} of {total} done, {waiting} waiting, {_duration(now - self._began)}"
        bar = Table.grid(padding=(0, 2))
        bar.add_row(ProgressBar(total=max(total, 1), completed=finished, width=24), Text(counts))
        longest = max((len(title) for title, _ in phases), default=0)
        flight = (
            f"{title:<{longest}}  {_duration(now - phase.began):>5}  {phase.what}"
            for title, phase in phases
        )
        # The bar first: what a low terminal has no room for is cut off below.
        return Group(bar, *(Text(line, no_wrap=True, overflow="ellipsis") for line in flight))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
