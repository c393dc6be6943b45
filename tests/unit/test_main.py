"""What signals do to the process: the first stops it, wherever it is; the others nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

import harness.__main__ as process
from harness import cli

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[int, object]:
    """The handlers that were set, which are not."""
    set_: dict[int, object] = {}
    monkeypatch.setattr(signal, "signal", set_.__setitem__)
    return set_


@pytest.mark.parametrize("number", SIGNALS)
def test_only_the_first_signal_counts(
    handlers: dict[int, Callable[[int, None], None]],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    def run() -> int:
        with pytest.raises(KeyboardInterrupt):
            handlers[number](number, None)
        for later in SIGNALS:
            handlers[later](later, None)
        return 130

    monkeypatch.setattr(cli, "main", run)
    assert process.main() == 130
    assert handlers == dict.fromkeys(SIGNALS, signal.SIG_IGN)


def test_a_signal_before_anything_has_begun_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []

    def leave(status: int) -> None:
        ended.append(status)
        raise SystemExit

    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit):
        process._Stop()(signal.SIGINT, None)
    assert ended == [130]
