"""The probe under CPython 3.6, the oldest Python any TensorFlow of a matrix runs on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import harness.probe
from harness.environments.interpreters import find_interpreter
from harness.observation import ProbeReport, Stage

PROBE = Path(harness.probe.__file__).parent / "probe.py"


@pytest.fixture
def oldest() -> Path:
    interpreter = find_interpreter("3.6")
    if interpreter is None:
        reason = "no CPython 3.6 on this machine"
        if "python3.6" in os.environ.get("HARNESS_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    return interpreter.path


def test_it_starts_and_reports_without_numpy(oldest: Path, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"schema": 1, "loader": "session"}')
    completed = subprocess.run(
        [oldest, "-I", PROBE, "--request", request, "--out", tmp_path],
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 1, completed.stderr
    report = ProbeReport.model_validate_json((tmp_path / "report.json").read_bytes())
    assert report.stage is Stage.IMPORT
    assert report.failure is not None
    assert report.failure.message == "No module named 'numpy'"
    assert (report.actual.python or "").startswith("3.6.")
