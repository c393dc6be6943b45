"""What a person sees of a sweep while it works: what is done now, what is done, what is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self, TextIO

from harness.sweep.phases import Phases
from harness.text import one_line

__all__ = ["Clock", "Display", "PlainDisplay", "SilentDisplay", "make_display"]

Clock = Callable[[], float]
"""Seconds since some fixed moment."""


class Display(Protocol):
    """Shows the progress of a sweep. Every method can be called from any thread, at any time.

    A cell is one model in one cell of the matrix; its title is the cell's id, and the model's name
    where there are several.
    """

    def start(self, total_cells: int) -> None:
        """Begin, or go on: so many cells more will be run."""

    def cell(self, title: str, what: str, cells: int = 1) -> None:
        """Show what is being done for one cell, or several of one title: `resolving`."""

    def leave(self, title: str) -> None:
        """Take notice that nothing more is done under this title; harmless when repeated."""

    def done(self, title: str, outcome: str) -> None:
        """Show how a cell ended: `failed at import: TypeError: no`."""

    def note(self, text: str) -> None:
        """Show something that is not about one cell."""

    def finish(self) -> None:
        """Leave the terminal as it was; harmless when repeated."""

    def __enter__(self) -> Self:
        """Return the display; leaving the context finishes it."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish."""


def make_display(
    stream: TextIO, *, interactive: bool | None = None, quiet: bool = False
) -> Display:
    """Return the display for `stream`: live on a terminal, else one line for each event.

    `interactive` is used instead of asking the stream; `quiet` shows nothing at all.
    """
    if quiet:
        return SilentDisplay()
    if interactive is None:
        interactive = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if interactive:
        from harness.sweep.live import live_display  # noqa: PLC0415  (rich is for terminals only)

        return live_display(stream)
    return PlainDisplay(stream)


class SilentDisplay:
    """Shows nothing; what the others do by default."""

    def start(self, total_cells: int) -> None:
        """Begin."""

    def cell(self, title: str, what: str, cells: int = 1) -> None:
        """Take notice of what is being done."""

    def leave(self, title: str) -> None:
        """Take notice that nothing more is done."""

    def done(self, title: str, outcome: str) -> None:
        """Take notice of how a cell ended."""

    def note(self, text: str) -> None:
        """Take notice of something else."""

    def finish(self) -> None:
        """End."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()


class PlainDisplay(SilentDisplay):
    """One line for each event and no escape sequences, for logs."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._phases = Phases()

    def start(self, total_cells: int) -> None:
        """Begin, or go on: so many cells more will be run."""
        with self._phases.lock:
            self._phases.total += total_cells

    def cell(self, title: str, what: str, cells: int = 1) -> None:
        """Show a line where it is another phase."""
        what = one_line(what)
        with self._phases.lock:
            if self._phases.enter(title, what, self._clock(), cells):
                self._write(self._phases.line(title, what))

    def leave(self, title: str) -> None:
        """Take notice that nothing more is done."""
        with self._phases.lock:
            self._phases.leave(title)

    def done(self, title: str, outcome: str) -> None:
        """Show a line."""
        with self._phases.lock:
            self._phases.finish(title)
            self._write(self._phases.line(title, one_line(outcome)))

    def note(self, text: str) -> None:
        """Show a line."""
        with self._phases.lock:
            self._write(one_line(text, 1_000))

    def _write(self, line: str) -> None:
        # A reader that went away must not end the sweep.
        with suppress(OSError):
            self._stream.write(f"{line}\n")
            self._stream.flush()
