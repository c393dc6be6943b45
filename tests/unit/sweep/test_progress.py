from __future__ import annotations

import io
import re
import threading
import time

import pytest
from rich.console import Console

from harness.sweep.live import LiveDisplay
from harness.sweep.progress import (
    Display,
    PlainDisplay,
    SilentDisplay,
    make_display,
)

HOSTILE = "\x1b[2J\u202eevil\nline"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class FakeClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class BrokenPipe(io.StringIO):
    """A stream whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def live(stream: io.StringIO, clock: FakeClock) -> LiveDisplay:
    console = Console(file=stream, force_terminal=True, width=80, height=25, _environ={})
    return LiveDisplay(console, clock)


def seen(text: str) -> str:
    """Return what is left of `text` without escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")


def test_plain_lines_say_what_is_done_and_how_many_are_finished() -> None:
    stream = io.StringIO()
    with PlainDisplay(stream, FakeClock()) as display:
        display.note("removed a container that an earlier run left")
        display.start(12)
        display.cell("a", "resolving")
        display.cell("b", "resolving")
        display.cell("a", "building image")
        display.done("a", "completed, inference 0.02 s")
        display.cell("b", "running")
        display.done("b", "failed at import: TypeError: no")
    assert stream.getvalue() == (
        "removed a container that an earlier run left\n"
        "[ 0/12] a: resolving\n"
        "[ 0/12] b: resolving\n"
        "[ 0/12] a: building image\n"
        "[ 1/12] a: completed, inference 0.02 s\n"
        "[ 1/12] b: running\n"
        "[ 2/12] b: failed at import: TypeError: no\n"
    )


def test_plain_lines_come_once_for_each_phase() -> None:
    stream, clock = io.StringIO(), FakeClock()
    display = PlainDisplay(stream, clock)
    display.start(1)
    for number in range(100):
        display.cell("a", f"downloading {number} of 100")
        clock.now += 1
    display.cell("a", "building image")
    clock.now += 1_000
    display.cell("a", "building image")
    assert stream.getvalue() == (
        "[0/1] a: downloading 0 of 100\n"
        "[0/1] a: downloading 30 of 100\n"
        "[0/1] a: downloading 60 of 100\n"
        "[0/1] a: downloading 90 of 100\n"
        "[0/1] a: building image\n"
    )


def test_another_package_is_the_same_download() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, FakeClock())
    display.start(1)
    for package in ("tensorflow-cpu", "numpy", "h5py"):
        display.cell("a", f"downloading {package}")
    assert stream.getvalue() == "[0/1] a: downloading tensorflow-cpu\n"


def test_a_retry_is_told_though_it_begins_like_the_run() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, FakeClock())
    display.start(1)
    display.cell("a", "running")
    display.cell("a", "running again: the daemon went away")
    assert stream.getvalue().endswith("\n[0/1] a: running again: the daemon went away\n")


@pytest.mark.parametrize("interactive", [False, True])
def test_text_from_elsewhere_obeys_nobody(interactive: bool) -> None:
    stream = io.StringIO()
    with make_display(stream, interactive=interactive) as display:
        display.start(1)
        display.cell("a", HOSTILE)
        display.note(HOSTILE)
        display.done("a", HOSTILE)
    text = stream.getvalue()
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "\nline" not in text
    assert "\ufffdevil line\n" in text


def test_a_reader_that_went_away_does_not_end_the_sweep() -> None:
    display = PlainDisplay(BrokenPipe())
    display.start(1)
    display.done("a", "completed")


def test_live_shows_cells_in_flight_and_how_far_it_is() -> None:
    stream, clock = io.StringIO(), FakeClock()
    with live(stream, clock) as display:
        display.start(12)
        display.cell("tf2.8.4-py3.10-cpu", "resolving")
        display.cell("tf2.15.1-py3.11-cpu", "downloading tensorflow-cpu")
        clock.now += 75
        display.cell("tf2.8.4-py3.10-cpu", "building image")
        stream.truncate(stream.seek(0))
        display.done("tf2.4.4-py3.8-cpu", "completed, inference 0.02 s")
        drawn = seen(stream.getvalue())
    assert "\n[ 1/12] tf2.4.4-py3.8-cpu: completed, inference 0.02 s\n" in drawn
    assert "tf2.8.4-py3.10-cpu    0:00  building image" in drawn
    assert "tf2.15.1-py3.11-cpu   1:15  downloading tensorflow-cpu" in drawn
    assert "1 of 12 done, 9 waiting, 1:15" in drawn


def test_live_counts_the_models_that_share_a_title_until_it_is_left() -> None:
    stream, clock = io.StringIO(), FakeClock()
    with live(stream, clock) as display:
        display.start(8)
        display.cell("one (+4) tf2.15.1-py3.11-cpu", "running", 5)
        display.note("drawn")
        assert "0 of 8 done, 3 waiting, 0:00" in seen(stream.getvalue())
        display.done("one tf2.15.1-py3.11-cpu", "completed")
        display.leave("one (+4) tf2.15.1-py3.11-cpu")
        display.leave("one (+4) tf2.15.1-py3.11-cpu")
        stream.truncate(0)
        display.note("drawn")
    drawn = seen(stream.getvalue())
    assert "1 of 8 done, 7 waiting, 0:00" in drawn
    assert "one (+4)" not in drawn.rsplit("1 of 8 done", 1)[1]


@pytest.mark.parametrize("interactive", [False, True])
def test_a_second_phase_adds_to_the_first(interactive: bool) -> None:
    stream = io.StringIO()
    display = live(stream, FakeClock()) if interactive else PlainDisplay(stream, FakeClock())
    with display:
        display.start(1)
        display.done("a", "completed")
        display.start(1)
        display.done("a on equal inputs", "completed")
    assert "[2/2] a on equal inputs: completed" in seen(stream.getvalue())


def test_live_lines_fit_the_terminal_and_keep_the_time() -> None:
    stream = io.StringIO()
    with live(stream, FakeClock()) as display:
        display.start(1)
        display.cell("tf2.15.1-py3.11-cpu-numpy-1.26+onednn-off", "downloading " + "x" * 150)
        display.note("drawn")
        lines = seen(stream.getvalue()).split("\n")
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if line.startswith("tf2.15.1"))
    assert row == "tf2.15.1-py3.11-cpu-numpy-1.26+onednn-off   0:00  downloading xxxxxxxxxxxxxxxxx…"


def test_live_cuts_off_how_a_cell_ended_and_wraps_notes() -> None:
    stream = io.StringIO()
    with live(stream, FakeClock()) as display:
        display.start(2)
        display.done("tf2.15.1-py3.11-cpu", "failed at load: ValueError: " + "x" * 150)
        display.note("removed " + "y" * 150)
        lines = seen(stream.getvalue()).split("\n")
    assert "[1/2] tf2.15.1-py3.11-cpu: failed at load: ValueError: " + "x" * 24 + "…" in lines
    assert "".join(line for line in lines if line.startswith("y")) == "y" * 150


def test_the_bar_is_seen_where_more_cells_are_in_flight_than_lines() -> None:
    stream = io.StringIO()
    with live(stream, FakeClock()) as display:
        display.start(100)
        for number in range(100):
            display.cell(f"c{number}", "waiting")
        display.note("drawn")
    drawn = seen(stream.getvalue())
    assert "0 of 100 done, 0 waiting, 0:00" in drawn
    assert "c99" not in drawn


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_terminal_is_given_back(error: type[BaseException]) -> None:
    stream = io.StringIO()
    display = live(stream, FakeClock())

    def sweep() -> None:
        with display:
            display.start(3)
            display.cell("a", "running")
            raise error

    with pytest.raises(error):
        sweep()
    text = stream.getvalue()
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)
    display.finish()


def test_live_can_be_told_things_before_it_starts_and_after_its_end() -> None:
    stream = io.StringIO()
    display = live(stream, FakeClock())
    display.note("before")
    display.finish()
    display.note("after")
    assert stream.getvalue() == "before\nafter\n"


def test_no_cells_at_all_can_be_drawn() -> None:
    stream = io.StringIO()
    with live(stream, FakeClock()) as display:
        display.start(0)
    assert "0 of 0 done, 0 waiting, 0:00" in seen(stream.getvalue())


@pytest.mark.parametrize("interactive", [False, True])
def test_many_threads_at_once(interactive: bool) -> None:
    stream = io.StringIO()

    def work(display: Display, name: str) -> None:
        for phase in ("resolving", "downloading", "building image", "running"):
            display.cell(name, phase)
            time.sleep(0.001)
        display.done(name, "completed")

    with make_display(stream, interactive=interactive) as display:
        display.start(40)
        threads = [threading.Thread(target=work, args=(display, f"c{n}")) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert not any(thread.is_alive() for thread in threads)
    finished = re.findall(r"\[ ?(\d+)/40\] c\d+: completed\n", seen(stream.getvalue()))
    assert sorted(map(int, finished)) == list(range(1, 41))


def test_the_display_fits_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(make_display(io.StringIO()), PlainDisplay)
    assert isinstance(make_display(Terminal()), LiveDisplay)
    assert isinstance(make_display(Terminal(), interactive=False), PlainDisplay)
    assert isinstance(make_display(io.StringIO(), interactive=True), LiveDisplay)
    assert isinstance(make_display(Terminal(), quiet=True), SilentDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_display(Terminal()), PlainDisplay)


def test_quiet_shows_nothing() -> None:
    stream = Terminal()
    with make_display(stream, quiet=True) as display:
        display.start(1)
        display.cell("a", "running")
        display.note("something")
        display.done("a", "completed")
    assert stream.getvalue() == ""
