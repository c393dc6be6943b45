"""Work that waits in a process of its own: what it tells, and how it may end."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import harness.probe

FOLDER = Path(harness.probe.__file__).parent

# TensorFlow as far as it is looked at before a fork.
_PRELUDE = """
import os, signal, sys, time, types
sys.path.insert(0, sys.argv[1])
for name in ("tensorflow", "tensorflow.python", "tensorflow.python.eager"):
    sys.modules[name] = types.ModuleType(name)
context = types.SimpleNamespace(_context=None)
sys.modules["tensorflow.python.eager"].context = context
from probing.apart import answer, dismiss, waiting
LOG = sys.argv[2]
"""


def printed(script: str, log: Path) -> str:
    """What a script prints that knows `waiting`, `answer` and `dismiss`."""
    completed = subprocess.run(
        [sys.executable, "-I", "-c", _PRELUDE + textwrap.dedent(script), FOLDER, log],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.mark.parametrize(
    ("work", "limit", "expected"),
    [
        ("tell({'n': message + 1})", 30, "({'n': 2}, None)"),
        ("tell({'n': 1}); tell({'n': 2})", 30, "({'n': 2}, None)"),
        ("pass", 30, "({}, None)"),
        ("tell({'n': 1}); os.abort()", 30, "({'n': 1}, 'ended by SIGABRT')"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", 30, "({}, 'ended by SIGSEGV')"),
        ("tell({'n': 1}); raise ValueError", 30, "({'n': 1}, 'ended with status 1')"),
        ("tell({'n': 1}); time.sleep(600)", 1, "({'n': 1}, 'was given up after 1 seconds')"),
        ("tell({'text': 300000 * 'x'})", 30, "({'text': '" + 300_000 * "x" + "'}, None)"),
    ],
)
def test_what_it_tells_last_and_how_it_ends(
    tmp_path: Path, work: str, limit: int, expected: str
) -> None:
    script = f"""
        def work(message, tell):
            {work}
        print(answer(waiting(work, LOG), 1, {limit}))
    """
    assert printed(script, tmp_path / "log") == expected + "\n"


def test_what_it_prints_goes_to_the_log(tmp_path: Path) -> None:
    script = """
        waited = waiting(lambda message, tell: print("in the process"), LOG)
        print("outside", answer(waited, 1, 30))
    """
    assert printed(script, tmp_path / "log") == "outside ({}, None)\n"
    assert (tmp_path / "log").read_text() == "in the process\n"


def test_one_that_is_not_needed_ends_without_work(tmp_path: Path) -> None:
    script = """
        dismiss(waiting(lambda message, tell: print("never"), LOG))
        print("done")
    """
    assert printed(script, tmp_path / "log") == "done\n"
    assert (tmp_path / "log").read_text() == ""


def test_it_ends_with_the_process_that_would_ask(tmp_path: Path) -> None:
    script = """
        print(waiting(lambda message, tell: print("never"), LOG).process, flush=True)
        os._exit(0)
    """
    status = Path("/proc") / printed(script, tmp_path / "log").strip() / "status"
    for _ in range(600):
        if not status.exists() or "\nState:\tZ" in status.read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("it still runs")
    assert (tmp_path / "log").read_text() == ""


def test_after_tensorflow_has_computed_there_is_none(tmp_path: Path) -> None:
    script = """
        context._context = types.SimpleNamespace(_context_handle=object())
        print(waiting(lambda message, tell: None, LOG))
    """
    assert printed(script, tmp_path / "log") == "None\n"
