from __future__ import annotations

import errno
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from harness.environments.engine import RunOutcome
from harness.observation import Ending, Stage
from harness.sweep import workspace
from harness.sweep.workspace import refused_by_machine, unless_full

Usage = namedtuple("Usage", "total used free")  # as `shutil.disk_usage` returns it


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    usage = Usage(2**30, 2**30, request.param)
    monkeypatch.setattr(workspace.shutil, "disk_usage", lambda _folder: usage)


@pytest.mark.parametrize("free", [0, 2**20 - 1], indirect=True)
@pytest.mark.parametrize("ending", [Ending.EXIT, Ending.SIGNAL])
def test_a_run_that_breaks_on_a_full_disk_says_nothing_of_the_model(
    free: None, tmp_path: Path, ending: Ending
) -> None:
    outcome = unless_full(tmp_path, RunOutcome(ending=ending, exit_status=1, log="why"))
    assert outcome.ending is Ending.INFRASTRUCTURE
    assert outcome.message == (
        f"no space is left in {tempfile.gettempdir()}, where runs write:"
        " free some, or name another place with TMPDIR"
    )
    assert outcome.log == "why"


@pytest.mark.parametrize(
    ("free", "ending"),
    [(2**20, Ending.EXIT), (0, Ending.COMPLETED), (0, Ending.TIMEOUT)],
    indirect=["free"],
)
def test_other_runs_stay_as_they_ended(free: None, tmp_path: Path, ending: Ending) -> None:
    outcome = RunOutcome(ending=ending)
    assert unless_full(tmp_path, outcome) is outcome


def test_what_the_machine_refuses_is_infrastructure() -> None:
    failure = refused_by_machine(OSError(errno.ENOSPC, "No space left on device", "/tmp/out"))
    assert (failure.stage, failure.ending) == (Stage.START, Ending.INFRASTRUCTURE)
    assert failure.message == "/tmp/out: No space left on device"
