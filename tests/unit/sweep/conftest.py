from __future__ import annotations

from pathlib import Path

import pytest

from harness.sweep import tries
from tests.support.sweeps import Bench


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "_RETRY_SECONDS", (0.0, 0.0))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
