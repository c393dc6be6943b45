"""The probe under CPython 3.6, the oldest Python any TensorFlow of a matrix runs on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from harness.environments.interpreters import find_interpreter
from harness.observation import ProbeReport, Stage
from tests.support.fake_probe import PROBE
from tests.support.require import missing


@pytest.fixture
def oldest() -> Path:
    interpreter = find_interpreter("3.6")
    if interpreter is None:
        missing("python3.6", "no CPython 3.6 on this machine")
    return interpreter.path


def run(oldest: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    request = {"schema": 1, "loader": "session"}
    attempts = [{"name": name, "request": request} for name in ("a", "b")]
    (folder / "requests.json").write_text(json.dumps({"schema": 1, "attempts": attempts}))
    for name in ("a", "b"):
        (folder / "out" / name).mkdir(parents=True)
    return subprocess.run(
        [
            *(oldest, "-I", PROBE, "--requests", folder / "requests.json"),
            *("--out", folder / "out", *more),
        ],
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def check(folder: Path) -> None:
    report = ProbeReport.model_validate_json((folder / "report.json").read_bytes())
    assert report.stage is Stage.IMPORT
    assert report.failure is not None
    assert report.failure.message == "No module named 'numpy'"
    assert (report.actual.python or "").startswith("3.6.")


def test_one_attempt_starts_and_reports_without_numpy(oldest: Path, tmp_path: Path) -> None:
    completed = run(oldest, tmp_path, "--attempt", "b")
    assert completed.returncode == 1, completed.stderr
    assert "ModuleNotFoundError" in completed.stderr
    check(tmp_path / "out" / "b")
    assert not list((tmp_path / "out" / "a").iterdir())


@pytest.mark.parametrize("more", [(), ("--afresh",)])
def test_all_attempts_start_and_report_without_numpy(
    oldest: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    completed = run(oldest, tmp_path, *more)
    assert completed.returncode == 0, completed.stderr
    assert (completed.stdout, completed.stderr) == ("", "")
    for name in ("a", "b"):
        folder = tmp_path / "out" / name
        check(folder)
        assert "ModuleNotFoundError" in (folder / "probe.log").read_text()
        ended = json.loads((folder / "ended.json").read_text())
        assert (ended["status"], ended["signal"]) == (1, None)


def test_every_module_of_the_probe_compiles(oldest: Path, tmp_path: Path) -> None:
    modules = sorted(PROBE.parent.rglob("*.py"))
    assert len(modules) > 10
    compiled = subprocess.run(
        [oldest, "-I", "-c", _COMPILE, *modules], capture_output=True, text=True, check=False
    )
    assert (compiled.returncode, compiled.stderr) == (0, "")
    assert compiled.stdout.split() == [str(path) for path in modules]


_COMPILE = """
import sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as stream:
        compile(stream.read(), path, "exec")
    print(path)
"""
