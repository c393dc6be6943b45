"""What every engine must do, as tests; a subclass for each engine provides the engine.

The environment is one small package, so that no test waits for TensorFlow: what an engine does
with a probe does not depend on what the probe imports.
"""

from __future__ import annotations

import json
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.cell import Cell, Distribution, Flags
from harness.environments.engine import (
    CellFailure,
    Engine,
    Environment,
    Limits,
    Lock,
    Run,
    RunOutcome,
)
from harness.observation import Ending, Stage

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that runs the tests is one that every engine can get."""

MEGABYTE = 1024**2

_PRELUDE = """
import json, os, subprocess, sys, time
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
OUT = arguments["--out"]
with open(arguments["--request"]) as stream:
    REQUEST = json.load(stream)
def save(value, name="seen.json"):
    with open(os.path.join(OUT, name), "w") as stream:
        json.dump(value, stream)
"""

# A process that leaves its parent's session and goes on for ever.
_CHILD = """
import os, sys, time
os.setsid()
while True:
    with open(sys.argv[1], "a") as stream:
        stream.write("x")
    time.sleep(0.05)
"""


def tiny_cell(version: str = "1.16.0", **changes: object) -> Cell:
    """A cell whose TensorFlow is the package six."""
    distribution = Distribution(
        name="six", version=version, released=datetime(2021, 5, 5, tzinfo=UTC)
    )
    fields = {"tensorflow": version, "python": PYTHON, "distribution": distribution}
    return Cell.model_validate(fields | changes)


def silent(phrase: str) -> None:
    """A progress nobody sees."""


def make(engine: Engine, cell: Cell) -> Environment:
    """The environment of `cell`; a failure fails the test."""
    lock = engine.lock(cell, (), silent)
    assert isinstance(lock, Lock), lock
    environment = engine.build(cell, lock, silent)
    assert isinstance(environment, Environment), environment
    return environment


class Probe:
    """Runs small scripts as the probe of one environment."""

    def __init__(self, engine: Engine, environment: Environment, folder: Path) -> None:
        self._engine = engine
        self._environment = environment
        self._folder = folder
        self.out = folder / "out"
        self.model = folder / "model"
        self.inputs = folder / "inputs"
        for made in (self.out, self.model, self.inputs, folder / "probe"):
            made.mkdir()
        (self.model / "model.txt").write_text("a model")
        (self.inputs / "inputs.npz").write_text("some inputs")

    def __call__(
        self,
        script: str,
        *,
        timeout_seconds: float = 60,
        memory_bytes: int = 512 * MEGABYTE,
        output_bytes: int = 64 * MEGABYTE,
        flags: Flags | None = None,
    ) -> RunOutcome:
        path = self._folder / "probe" / "probe.py"
        path.write_text(_PRELUDE + textwrap.dedent(script))
        run = Run(
            cell="tf1.16.0-cpu",
            sweep="contract",
            probe=path,
            request=json.dumps({"model": "{model}", "files": ["{inputs}/inputs.npz"], "n": 1}),
            model=self.model,
            inputs=self.inputs,
            out=self.out,
            flags=flags or Flags(),
            limits=Limits(
                timeout_seconds=timeout_seconds,
                memory_bytes=memory_bytes,
                cpus=1,
                output_bytes=output_bytes,
            ),
        )
        return self._engine.run(self._environment, run, silent)

    def seen(self, name: str = "seen.json") -> object:
        """What the script saved."""
        return json.loads((self.out / name).read_text())


class EngineContract:
    """Subclasses say how to make an engine."""

    @classmethod
    def new_engine(cls) -> Engine:
        """An engine that can be used here; making one must be cheap."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return cls.new_engine()

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls, engine: Engine) -> Environment:
        return make(engine, tiny_cell())

    @pytest.fixture
    def probe(self, engine: Engine, environment: Environment, tmp_path: Path) -> Probe:
        # A container's user is not ours: it must be able to reach what it is given.
        tmp_path.chmod(0o755)
        return Probe(engine, environment, tmp_path)

    def test_it_says_what_it_is(self, engine: Engine) -> None:
        assert engine.describe().startswith(f"{engine.name} engine: ")
        assert "\n" not in engine.describe()
        assert engine.platform.system in {"linux", "macos"}

    def test_a_common_python_can_be_got(self, engine: Engine) -> None:
        assert engine.unobtainable(frozenset({PYTHON})) == {}

    def test_the_lock_is_exact(self, engine: Engine) -> None:
        lock = engine.lock(tiny_cell(), (), silent)
        assert isinstance(lock, Lock)
        assert lock.packages == {"six": "1.16.0"}
        assert (lock.distribution, lock.python) == ("six", PYTHON)
        assert "--hash=sha256:" in lock.text

    def test_requirements_of_the_model_are_locked(self, engine: Engine) -> None:
        lock = engine.lock(tiny_cell(), ("iniconfig<2",), silent)
        assert isinstance(lock, Lock)
        assert lock.packages == {"six": "1.16.0", "iniconfig": "1.1.1"}

    def test_what_was_never_published_fails_to_resolve(self, engine: Engine) -> None:
        failure = engine.lock(tiny_cell("1.16.99"), (), silent)
        assert isinstance(failure, CellFailure)
        assert (failure.stage, failure.ending) == (Stage.RESOLVE, Ending.EXCEPTION)
        assert failure.type == "NoSolution"
        assert "six==1.16.99" in failure.message

    def test_an_environment_is_made_once(self, engine: Engine, environment: Environment) -> None:
        again = make(engine, tiny_cell())
        assert again.reused
        assert again.build_seconds == 0
        assert again.identity == environment.identity
        assert again.facts == environment.facts
        assert environment.facts.distribution == "six"

    def test_flags_do_not_change_the_environment(
        self, engine: Engine, environment: Environment
    ) -> None:
        flags = Flags(name="one-thread", intra_op_threads=1)
        assert make(engine, tiny_cell(flags=flags)).identity == environment.identity

    def test_a_run_that_completes(self, probe: Probe) -> None:
        outcome = probe(
            """
            import six
            print("to stdout", flush=True)
            print("to stderr", file=sys.stderr, flush=True)
            with open(os.path.join(REQUEST["model"], "model.txt")) as stream:
                model = stream.read()
            with open(REQUEST["files"][0]) as stream:
                inputs = stream.read()
            save([six.__version__, list(sys.version_info[:2]), model, inputs, REQUEST["n"]])
            """
        )
        assert outcome.ending is Ending.COMPLETED, outcome
        assert outcome.exit_status == 0
        version = [sys.version_info.major, sys.version_info.minor]
        assert probe.seen() == ["1.16.0", version, "a model", "some inputs", 1]
        assert "to stdout" in outcome.log
        assert "to stderr" in outcome.log

    def test_the_process_sees_its_own_variables_only(
        self, probe: Probe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SOME_TOKEN", "of the user")
        monkeypatch.setenv("PYTHONPATH", "/nowhere")
        monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
        flags = Flags(name="f", variables={"TF_ENABLE_ONEDNN_OPTS": "0"}, intra_op_threads=3)
        probe("save(dict(os.environ))", flags=flags)
        variables = probe.seen()
        assert isinstance(variables, dict)
        assert not {"SOME_TOKEN", "PYTHONPATH", "LD_LIBRARY_PATH"} & set(variables)
        assert variables["TF_ENABLE_ONEDNN_OPTS"] == "0"
        assert variables["OMP_NUM_THREADS"] == "3"
        assert variables["CUDA_VISIBLE_DEVICES"] == "-1"
        assert variables["PYTHONHASHSEED"] == "0"

    def test_home_and_temporary_files_are_writable_and_private(self, probe: Probe) -> None:
        outcome = probe(
            """
            import tempfile
            for folder in (os.path.expanduser("~"), tempfile.gettempdir()):
                with open(os.path.join(folder, "note"), "w") as stream:
                    stream.write("x")
            """
        )
        assert outcome.ending is Ending.COMPLETED, outcome
        assert not (Path.home() / "note").exists()

    def test_a_status_is_reported(self, probe: Probe) -> None:
        outcome = probe("sys.exit(3)")
        assert (outcome.ending, outcome.exit_status) == (Ending.EXIT, 3)
        assert outcome.signal is None

    @pytest.mark.parametrize("name", ["SIGABRT", "SIGSEGV", "SIGILL", "SIGFPE"])
    def test_a_crash_is_a_signal(self, probe: Probe, name: str) -> None:
        outcome = probe(f"import signal; os.kill(os.getpid(), signal.{name}); time.sleep(5)")
        assert (outcome.ending, outcome.signal) == (Ending.SIGNAL, name)

    def test_a_hang_is_a_timeout(self, probe: Probe) -> None:
        outcome = probe("save(1); time.sleep(600)", timeout_seconds=2)
        assert outcome.ending is Ending.TIMEOUT
        assert probe.seen() == 1

    def test_too_much_memory(self, probe: Probe) -> None:
        outcome = probe(
            """
            kept = []
            while True:
                kept.append(bytearray(os.urandom(1024)) * 8192)
                time.sleep(0.01)
            """,
            memory_bytes=256 * MEGABYTE,
        )
        assert outcome.ending is Ending.OUT_OF_MEMORY

    @pytest.mark.parametrize("where", ["file", "log"])
    def test_too_much_output(self, probe: Probe, where: str) -> None:
        outcome = probe(
            f"""
            sink = sys.stdout if {where!r} == "log" else open(os.path.join(OUT, "big"), "w")
            while True:
                sink.write("x" * 100000)
                sink.flush()
                time.sleep(0.001)
            """,
            output_bytes=4 * MEGABYTE,
        )
        assert outcome.ending is Ending.OUTPUT_LIMIT

    def test_output_written_at_the_very_end_counts(self, probe: Probe) -> None:
        script = "open(os.path.join(OUT, 'big'), 'wb').write(bytes(3 * 1024**2))"
        assert probe(script, output_bytes=MEGABYTE).ending is Ending.OUTPUT_LIMIT

    def test_links_are_not_followed(self, probe: Probe) -> None:
        script = "os.symlink('/usr', os.path.join(OUT, 'link'))"
        assert probe(script, output_bytes=MEGABYTE).ending is Ending.COMPLETED

    def test_a_long_log_keeps_its_ends(self, probe: Probe) -> None:
        outcome = probe(
            """
            print("first line")
            for _ in range(3000):
                print("x" * 999)
            print("last line")
            """
        )
        assert outcome.ending is Ending.COMPLETED
        assert outcome.log.startswith("first line\n")
        assert outcome.log.endswith("last line\n")
        assert len(outcome.log) < 2 * MEGABYTE

    @pytest.mark.parametrize("ending", ["sys.exit(0)", "time.sleep(600)"])
    def test_nothing_of_a_run_is_left(self, probe: Probe, ending: str) -> None:
        probe(
            f"""
            beat = os.path.join(OUT, "beat")
            subprocess.Popen([sys.executable, "-c", {_CHILD!r}, beat])
            while not os.path.exists(beat):
                time.sleep(0.05)
            {ending}
            """,
            timeout_seconds=5,
        )
        size = (probe.out / "beat").stat().st_size
        time.sleep(0.5)
        assert (probe.out / "beat").stat().st_size == size > 0

    def test_there_are_no_leftovers(self, engine: Engine, probe: Probe) -> None:
        engine.remove_leftovers()  # of a test run that was killed
        probe("pass")
        assert engine.remove_leftovers() == ()

    def test_stopping_ends_what_runs(self, environment: Environment, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        engine = self.new_engine()
        probe = Probe(engine, environment, tmp_path)

        def stop_when_it_runs() -> None:
            while not (probe.out / "seen.json").exists():
                time.sleep(0.05)
            engine.stop()

        thread = threading.Thread(target=stop_when_it_runs)
        thread.start()
        outcome = probe("save(1); time.sleep(600)", timeout_seconds=120)
        thread.join()
        assert outcome.ending is Ending.INFRASTRUCTURE
        assert outcome.seconds < 60
        assert probe("save(2)").ending is Ending.INFRASTRUCTURE
        assert probe.seen() == 1
