from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sweep import tries
from tests.support.sweeps import Bench


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "_RETRY_SECONDS", (0.0, 0.0))


@pytest.fixture(autouse=True)
def sigint_is_heard() -> Iterator[None]:
    """A shell starts what it puts in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
