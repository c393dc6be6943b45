from __future__ import annotations

from pathlib import Path

import pytest

from harness import planning
from harness.environments.choose import Chosen
from harness.plan.index import Index
from tests.support.shell import INDEX, Shell


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    made = Shell(tmp_path, capsys)

    def choose(wanted: str, _options: object = None) -> Chosen:
        return Chosen(made.engine, "docker engine: a fake one")

    def read(_environment: object, *, refresh: bool = False) -> Index:
        return INDEX

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("harness.environments.choose.choose_engine", choose)
    monkeypatch.setattr(planning, "read_index", read)
    return made
