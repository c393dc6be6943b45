"""What every engine must do, as tests; a subclass for each engine provides the engine.

The environment is one small package, so that no test waits for TensorFlow: what an engine does
with a probe does not depend on what the probe imports.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.cell import Cell, Distribution, Flags
from harness.environments.engine import (
    Attempt,
    CellFailure,
    Engine,
    Environment,
    Limits,
    Lock,
    Run,
    RunOutcome,
)
from harness.observation import Ending, ProbeReport, Stage
from tests.support.fake_probe import script_request, write_fake_probe

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that runs the tests is one that every engine can get."""

MEGABYTE = 1024**2

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
    """Runs small scripts as the attempts of a run in one environment."""

    def __init__(self, engine: Engine, environment: Environment, folder: Path) -> None:
        self._engine = engine
        self._environment = environment
        self._folder = folder
        self._runs = 0
        self.said: list[str] = []
        self.out = folder / "out"
        self.model = folder / "model"
        self.inputs = folder / "inputs" / "inputs.npz"
        for made in (self.out, self.model, self.inputs.parent):
            made.mkdir()
        (self.model / "model.txt").write_text("a model")
        self.inputs.write_text("some inputs")

    def __call__(self, script: str, **options: Any) -> RunOutcome:
        """Run one attempt, `only`; options as of `many`."""
        (outcome,) = self.many({"only": script}, **options)
        return outcome

    def many(
        self,
        scripts: dict[str, str],
        *,
        start: str = "",
        timeout_seconds: float = 60,
        memory_bytes: int = 512 * MEGABYTE,
        output_bytes: int = 64 * MEGABYTE,
        flags: Flags | None = None,
    ) -> tuple[RunOutcome, ...]:
        """Run attempts by their names; `start` runs before them, once for each start."""
        self._runs += 1
        probe = write_fake_probe(self._folder / f"probe-{self._runs}", textwrap.dedent(start))
        attempts = tuple(
            Attempt(
                name=name,
                request=script_request(textwrap.dedent(script), n=1),
                model=self.model,
                files={"inputs.npz": self.inputs},
            )
            for name, script in scripts.items()
        )
        run = Run(
            cell="tf1.16.0-cpu",
            sweep="contract",
            probe=probe,
            attempts=attempts,
            out=self.out,
            flags=flags or Flags(),
            limits=Limits(
                timeout_seconds=timeout_seconds,
                memory_bytes=memory_bytes,
                cpus=1,
                output_bytes=output_bytes,
            ),
        )
        for left in self.out.iterdir():
            shutil.rmtree(left)
        return self._engine.run(self._environment, run, self.said.append)

    def seen(self, attempt: str = "only") -> object:
        """What the script saved."""
        return json.loads((self.out / attempt / "seen.json").read_text())

    def stage(self, attempt: str) -> Stage:
        """Where its report says it is."""
        report = ProbeReport.model_validate_json((self.out / attempt / "report.json").read_bytes())
        return report.stage


class EngineContract:
    """Subclasses say how to make an engine."""

    KILLED_ITS_PARENT = Ending.INFRASTRUCTURE
    """What becomes of an attempt that kills the process that started it: some engines cannot tell
    it from a machine that is out of memory."""

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
            with open(REQUEST["inputs"]) as stream:
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
        outcome = probe("os._exit(3)")
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

    @pytest.mark.parametrize("ending", ["pass", "time.sleep(600)"])
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
        beat = probe.out / "only" / "beat"
        size = beat.stat().st_size
        time.sleep(0.5)
        assert beat.stat().st_size == size > 0

    def test_there_are_no_leftovers(self, engine: Engine, probe: Probe) -> None:
        engine.remove_leftovers()  # of a test run that was killed
        probe("pass")
        assert engine.remove_leftovers() == ()

    def test_stopping_ends_what_runs(self, environment: Environment, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        engine = self.new_engine()
        probe = Probe(engine, environment, tmp_path)

        def stop_when_it_runs() -> None:
            while not (probe.out / "second" / "seen.json").exists():
                time.sleep(0.05)
            engine.stop()

        thread = threading.Thread(target=stop_when_it_runs)
        thread.start()
        hangs = "save(1); time.sleep(600)"
        outcomes = probe.many(
            {"first": "save(1)", "second": hangs, "third": hangs}, timeout_seconds=120
        )
        thread.join()
        assert [outcome.ending for outcome in outcomes] == [
            Ending.COMPLETED,
            Ending.INFRASTRUCTURE,
            Ending.INFRASTRUCTURE,
        ]
        assert [outcome.message for outcome in outcomes[1:]] == ["stopped", "stopped"]
        assert probe.seen("second") == 1
        assert probe("save(2)").ending is Ending.INFRASTRUCTURE
        assert not (probe.out / "only").exists()

    def test_attempts_share_a_start(self, probe: Probe) -> None:
        script = "save([os.getpid(), os.getppid()]); print('of', os.path.basename(OUT))"
        names = ["b", "a", "c-1"]
        outcomes = probe.many(dict.fromkeys(names, script), start="print('of the start')")
        assert [outcome.ending for outcome in outcomes] == [Ending.COMPLETED] * 3
        assert [outcome.log for outcome in outcomes] == [
            f"of the start\nof {name}\n" for name in names
        ]
        assert probe.said == ["running 1 of 3", "running 2 of 3", "running 3 of 3"]
        seen = [probe.seen(name) for name in names]
        children, parents = zip(*seen, strict=True)  # type: ignore[call-overload]
        assert (len(set(children)), len(set(parents))) == (3, 1)
        assert sorted(path.name for path in probe.out.iterdir()) == sorted(names)
        assert sorted(path.name for path in probe.out.parent.iterdir()) == [
            *("inputs", "model", "out", "probe-1")
        ]

    def test_what_breaks_an_attempt_costs_it_alone(self, probe: Probe) -> None:
        """Each way to break, with an attempt that is sound before, between and after them."""
        broken = {
            "raises": ("raise ValueError('no')", Ending.EXIT),
            "leaves": ("os._exit(3)", Ending.EXIT),
            "crashes": ("os.kill(os.getpid(), signal.SIGSEGV)", Ending.SIGNAL),
            "kills": (
                "os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)",
                self.KILLED_ITS_PARENT,
            ),
            "hangs": ("time.sleep(600)", Ending.TIMEOUT),
            "floods": ("print('x' * 20_000_000)", Ending.OUTPUT_LIMIT),
            "eats": ("x = bytearray(b'x') * 400_000_000; time.sleep(600)", Ending.OUT_OF_MEMORY),
        }
        scripts, endings = {"sound-0": "save(0)"}, [Ending.COMPLETED]
        for number, (name, (script, ending)) in enumerate(broken.items(), start=1):
            scripts |= {name: script, f"sound-{number}": f"save({number})"}
            endings += [ending, Ending.COMPLETED]
        outcomes = probe.many(
            scripts, timeout_seconds=8, memory_bytes=256 * MEGABYTE, output_bytes=8 * MEGABYTE
        )
        found = dict(zip(scripts, (outcome.ending for outcome in outcomes), strict=True))
        assert found == dict(zip(scripts, endings, strict=True))
        assert [probe.seen(f"sound-{number}") for number in range(8)] == list(range(8))
        statuses = {name: one.exit_status for name, one in zip(scripts, outcomes, strict=True)}
        assert (statuses["raises"], statuses["leaves"], statuses["crashes"]) == (1, 3, 139)
        assert {probe.stage(name) for name in broken} == {Stage.IMPORT}

    @pytest.mark.parametrize(
        ("start", "ending"),
        [
            ("os.kill(os.getpid(), signal.SIGSEGV)", Ending.SIGNAL),
            ("time.sleep(600)", Ending.TIMEOUT),
            ("x = bytearray(b'x') * 400_000_000; time.sleep(600)", Ending.OUT_OF_MEMORY),
            ("print('x' * 5_000_000, flush=True); time.sleep(600)", Ending.OUTPUT_LIMIT),
        ],
    )
    def test_a_start_that_breaks_is_tried_once(
        self, probe: Probe, start: str, ending: Ending
    ) -> None:
        outcomes = probe.many(
            {"a": "save(1)", "b": "save(2)", "c": "save(3)"},
            start=f"print('starting', flush=True)\n{start}",
            timeout_seconds=3,
            memory_bytes=256 * MEGABYTE,
            output_bytes=4 * MEGABYTE,
        )
        assert [outcome.ending for outcome in outcomes] == [ending] * 3
        assert len({outcome.seconds for outcome in outcomes}) == 1
        logs = [outcome.log for outcome in outcomes]
        assert all(log.startswith("starting\n") for log in logs), logs
        assert [probe.stage(name) for name in "abc"] == [Stage.IMPORT] * 3

    def test_a_start_that_raises_is_every_attempts_failure(self, probe: Probe) -> None:
        outcomes = probe.many({"a": "save(1)", "b": "save(2)"}, start="raise ImportError('no')")
        assert [(one.ending, one.exit_status) for one in outcomes] == [(Ending.EXIT, 1)] * 2
        for name, outcome in zip("ab", outcomes, strict=True):
            report = json.loads((probe.out / name / "report.json").read_text())
            assert report["failure"]["message"] == "no"
            assert (report["stage"], report["completed"]) == ("import", False)
            assert "ImportError: no" in outcome.log

    def test_an_attempt_cannot_reach_another(self, probe: Probe) -> None:
        meddles = """
            others = os.path.dirname(OUT)
            done = []
            for other in ("first", "third"):
                for name in ("seen.json", "ended.json", "outputs.npz"):
                    try:
                        with open(os.path.join(others, other, name), "w") as stream:
                            stream.write('{"schema": 1, "status": 0, "signal": null, "seconds": 1}')
                        done.append([other, name])
                    except OSError:
                        pass
            save(done)
            """
        looks = "save(sorted(os.listdir(OUT)))"
        outcomes = probe.many({"first": looks, "second": meddles, "third": looks})
        assert [outcome.ending for outcome in outcomes] == [Ending.COMPLETED] * 3
        assert probe.seen("second") == [
            ["third", name] for name in ("seen.json", "ended.json", "outputs.npz")
        ]
        assert probe.seen("first") == probe.seen("third") == ["probe.log", "report.json"]
        assert not (probe.out / "third" / "outputs.npz").exists()

    def test_folders_that_are_exchanged_are_not_believed(self, probe: Probe) -> None:
        exchanges = """
            try:
                os.rename(OUT, OUT + "-mine")
                os.symlink("/etc", OUT)
            except OSError:
                pass  # the folder above belongs to another user
            time.sleep(600)
            """
        outcomes = probe.many({"first": exchanges, "second": "save(2)"}, timeout_seconds=3)
        assert [outcome.ending for outcome in outcomes] == [Ending.TIMEOUT, Ending.COMPLETED]
        assert not (probe.out / "first").is_symlink()
        assert {path.name for path in (probe.out / "first").iterdir()} <= {
            "probe.log",
            "report.json",
        }
        assert sorted(path.name for path in probe.out.iterdir()) == ["first", "second"]

    def test_what_an_attempt_leaves_running_is_ended_before_the_next(self, probe: Probe) -> None:
        shared = "os.path.join(tempfile.gettempdir(), 'pids')"
        leaves = f"""
            def multiply(depth):
                os.setsid() if depth % 2 else None
                with open({shared}, "a") as stream:
                    stream.write("%d " % os.getpid())
                if depth < 4 and (not os.fork() or not os.fork()):
                    multiply(depth + 1)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(600)
            if not os.fork():
                multiply(0)
            while not os.path.exists({shared}):
                time.sleep(0.01)
            os.chdir("/")
            os.umask(0o777)
            for descriptor in range(3, 64):
                try:
                    os.close(descriptor)
                except OSError:
                    pass
            """
        looks = f"""
            def is_there(pid):
                try:
                    os.kill(pid, 0)
                except ProcessLookupError:
                    return False
                return True
            with open({shared}) as stream:
                pids = stream.read().split()
            save([len(pids) > 0, [pid for pid in pids if is_there(int(pid))]])
            """
        outcomes = probe.many({"first": leaves, "second": looks})
        assert [outcome.ending for outcome in outcomes] == [Ending.COMPLETED] * 2, outcomes
        assert probe.seen("second") == [True, []]

    def test_models_and_files_of_attempts_are_their_own(
        self, probe: Probe, engine: Engine, environment: Environment, tmp_path: Path
    ) -> None:
        model, code = tmp_path / "a b.keras", tmp_path / "build.py"
        model.write_text("weights")
        code.write_text("NAME = 'of build.py'")
        script = """
            with open(REQUEST["inputs"]) as stream:
                save([os.path.basename(REQUEST["model"]), sorted(os.listdir(
                    os.path.dirname(REQUEST["inputs"]))), stream.read()])
            """
        files = {"inputs.npz": probe.inputs, "build.py": code}
        given = ((model, files), (probe.model, {"inputs.npz": code}), (model, files))
        run = Run(
            cell="tf1.16.0-cpu",
            sweep="contract",
            probe=write_fake_probe(tmp_path / "probe"),
            attempts=tuple(
                Attempt(
                    name=f"n{number}",
                    request=script_request(textwrap.dedent(script)),
                    model=one,
                    files=beside,
                )
                for number, (one, beside) in enumerate(given)
            ),
            out=probe.out,
            flags=Flags(),
            limits=Limits(
                timeout_seconds=60,
                memory_bytes=512 * MEGABYTE,
                cpus=1,
                output_bytes=64 * MEGABYTE,
            ),
        )
        outcomes = engine.run(environment, run, silent)
        assert [outcome.ending for outcome in outcomes] == [Ending.COMPLETED] * 3, outcomes
        keras = ["a b.keras", ["build.py", "inputs.npz"], "some inputs"]
        folder = probe.seen("n1")
        assert probe.seen("n0") == probe.seen("n2") == keras
        assert isinstance(folder, list)
        assert folder[1:] == [["inputs.npz"], "NAME = 'of build.py'"]

    def test_where_forking_is_not_safe_each_attempt_starts_afresh(self, probe: Probe) -> None:
        script = "save(sys.argv[-1]); print('of', os.path.basename(OUT))"
        start = "context._context = types.SimpleNamespace(_context_handle=1)"
        outcomes = probe.many({"a": script, "b": script}, start=start)
        assert [outcome.ending for outcome in outcomes] == [Ending.COMPLETED] * 2, outcomes
        assert [probe.seen(name) for name in "ab"] == ["a", "b"]
        why = "every attempt imports TensorFlow by itself: this TensorFlow makes its devices"
        for name, outcome in zip("ab", outcomes, strict=True):
            assert f"probe: {why} on import\n" in outcome.log
            assert outcome.log.endswith(f"of {name}\n")
