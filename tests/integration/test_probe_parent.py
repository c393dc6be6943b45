"""The parent of attempts, as a program: with scripts for models, and with real TensorFlow."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.cell import Cell, Distribution
from harness.environments.interpreters import find_interpreter
from harness.environments.venv.engine import VenvEngine
from harness.observation import ProbeReport, Stage
from tests.integration.engine_contract import make
from tests.support.fake_probe import PROBE, script_request, write_fake_probe
from tests.support.require import missing

DIGITS = Path(__file__).parents[2] / "examples" / "digits"

RELEASES = {
    "2.15.1": ("3.11", datetime(2024, 3, 8, tzinfo=UTC)),
    "2.21.0": ("3.13", datetime(2026, 3, 6, tzinfo=UTC)),
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")


class Program:
    """The probe with scripts for models, run as a person runs it: no folder is taken away."""

    def __init__(self, folder: Path, scripts: dict[str, str], start: str = "") -> None:
        self.out = folder / "out"
        self.scripts = scripts
        probe = write_fake_probe(folder / "probe", textwrap.dedent(start))
        attempts = []
        for name, script in scripts.items():
            (self.out / name).mkdir(parents=True)
            request = json.loads(script_request(textwrap.dedent(script)))
            attempts.append({"name": name, "request": request})
        self.requests = folder / "requests.json"
        self.requests.write_text(json.dumps({"schema": 1, "attempts": attempts}))
        self.command = [str(probe), "--requests", str(self.requests), "--out", str(self.out)]

    def start(self, python: Path | str = sys.executable) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [python, *self.command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, python: Path | str = sys.executable) -> tuple[int, str]:
        """Return its exit status and what it printed."""
        with self.start(python) as process:
            printed, _ = process.communicate(timeout=60)
        return process.returncode, printed

    def seen(self, name: str) -> Any:
        return json.loads((self.out / name / "seen.json").read_text())

    def ended(self, name: str) -> tuple[int | None, str | None]:
        ended = json.loads((self.out / name / "ended.json").read_text())
        return ended["status"], ended["signal"]

    def report(self, name: str) -> ProbeReport:
        return ProbeReport.model_validate_json((self.out / name / "report.json").read_bytes())


@pytest.mark.parametrize("python", ["3.6", "3.13"])
def test_attempts_are_as_processes_of_their_own(tmp_path: Path, python: str) -> None:
    interpreter = find_interpreter(python)
    if interpreter is None:
        missing(f"python{python}", f"no CPython {python} on this machine")
    meddles = """
        import random
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.environ["LEFT"] = "1"
        save([random.random(), os.getcwd(), os.getpgid(0) == os.getpid(), len(sys.path)])
        os.chdir("/")
        sys.path.clear()
        os.kill(0, signal.SIGTERM)
        """
    looks = """
        import random
        kept = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert kept and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert "LEFT" not in os.environ
        save([random.random(), os.getcwd(), os.getpgid(0) == os.getpid(), len(sys.path)])
        """
    program = Program(tmp_path, {"meddles": meddles, "looks": looks})
    assert program.run(interpreter.path) == (0, "")
    assert (program.ended("meddles"), program.ended("looks")) == ((None, "SIGTERM"), (0, None))
    first, second = program.seen("meddles"), program.seen("looks")
    assert first[0] != second[0]
    assert first[1:] == second[1:] == [str(Path.cwd()), True, first[3]]
    assert program.report("looks").completed


def test_how_attempts_end(tmp_path: Path) -> None:
    program = Program(
        tmp_path,
        {
            "leaves": "sys.exit(7)",
            "exits": "os._exit(7)",
            "real-time": "os.kill(os.getpid(), 40)",
            "forges": "os.mkdir(os.path.join(OUT, 'ended.json'))",
            "closes": "print('closing', flush=True); os.closerange(0, 64)",
            "aborts": "os.abort()",
        },
    )
    assert program.run() == (0, "")
    assert {name: program.ended(name) for name in program.scripts} == {
        "leaves": (1, None),
        "exits": (7, None),
        "real-time": (None, "SIG40"),
        "forges": (0, None),
        "closes": (0, None),
        "aborts": (None, "SIGABRT"),
    }
    failure = program.report("leaves").failure
    assert failure is not None
    assert (failure.type, failure.message) == ("SystemExit", "7")
    assert "Fatal Python error: Aborted" in (program.out / "aborts" / "probe.log").read_text()


def test_one_bad_request_costs_itself(tmp_path: Path) -> None:
    program = Program(tmp_path, {"bad": "save(1)", "good": "save(2)"})
    requests = json.loads(program.requests.read_text())
    requests["attempts"][0]["request"]["loader"] = "pickle.load"
    program.requests.write_text(json.dumps(requests))
    assert program.run() == (0, "")
    assert (program.ended("bad"), program.ended("good")) == ((1, None), (0, None))
    report = program.report("bad")
    assert report.stage is Stage.START
    assert report.failure is not None
    assert report.failure.message == "unknown loader 'pickle.load'; there are: script"
    assert not (program.out / "bad" / "seen.json").exists()


def test_requests_that_cannot_be_read(tmp_path: Path) -> None:
    program = Program(tmp_path, {"a": "save(1)", "b": "save(2)"})
    program.requests.write_text("{")
    status, printed = program.run()
    assert status == 1
    assert printed.startswith("probe: the requests cannot be read: Expecting property name")
    for name in ("a", "b"):
        report = program.report(name)
        assert report.stage is Stage.START
        assert report.failure is not None
        assert report.failure.type == "JSONDecodeError"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_is_asked_to_stop_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    hangs = """
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        save([os.getpid(), child.pid])
        time.sleep(600)
        """
    program = Program(tmp_path, {"hangs": hangs, "never": "save(1)"})
    with program.start() as process:
        while not (program.out / "hangs" / "seen.json").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == -number
    assert not any(psutil.pid_exists(pid) for pid in program.seen("hangs"))
    assert not (program.out / "never" / "ended.json").exists()


def test_threads_that_do_not_know_of_forks_make_each_attempt_start_afresh(tmp_path: Path) -> None:
    start = (
        "import threading; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    )
    program = Program(tmp_path, {"a": "save(sys.argv[-1])", "b": "save(sys.argv[-1])"}, start)
    status, printed = program.run()
    assert (status, printed) == (
        0,
        "probe: every attempt imports TensorFlow by itself: "
        "1 threads that do not know of forks run after the import\n",
    )
    assert [program.seen(name) for name in "ab"] == ["a", "b"]


@pytest.mark.tensorflow
@pytest.mark.parametrize("version", RELEASES)
def test_a_fork_computes_the_same_bits_as_a_process_of_its_own(
    tmp_path: Path, version: str
) -> None:
    python, released = RELEASES[version]
    engine = VenvEngine()
    if why := engine.unobtainable(frozenset({python})):
        missing(f"python{python}", str(why))
    distribution = Distribution(name="tensorflow-cpu", version=version, released=released)
    cell = Cell(tensorflow=version, python=python, distribution=distribution)
    environment = make(engine, cell)
    shared = {
        "schema": 1,
        "inputs": str(DIGITS / "inputs.npz"),
        "intra_op_threads": 2,
        "inter_op_threads": 2,
    }
    models = {
        "saved-model": {"loader": "saved_model.load", "model": str(DIGITS / "savedmodel")},
        "keras": {"loader": "keras.load_model", "model": str(DIGITS / "h5" / "model.h5")},
    }
    attempts = [{"name": name, "request": {**shared, **own}} for name, own in models.items()]
    requests = tmp_path / "requests.json"
    requests.write_text(json.dumps({"schema": 1, "attempts": attempts}))

    def run(out: Path, *more: str) -> str:
        for name in models:
            (out / name).mkdir(parents=True, exist_ok=True)
        arguments = ["--requests", requests, "--out", out, *more]
        completed = subprocess.run(
            [Path(environment.location) / "bin" / "python", PROBE, *arguments],
            env={"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return completed.stderr

    assert "imports TensorFlow by itself" not in run(tmp_path / "forked")
    for name in models:
        run(tmp_path / "alone", "--attempt", name)
        forked, alone = (tmp_path / how / name / "outputs.npz" for how in ("forked", "alone"))
        assert forked.read_bytes() == alone.read_bytes()
