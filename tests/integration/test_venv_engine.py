"""The venv engine, for real: uv, interpreters of this machine, processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from harness.cell import Cell, Device, Distribution
from harness.environments.engine import CellFailure, Engine, Environment, Lock
from harness.environments.gpu import gpu_names
from harness.environments.interpreters import find_interpreter
from harness.environments.lock import resolve
from harness.environments.owner import LABEL
from harness.environments.venv.engine import VenvEngine
from harness.observation import Ending
from tests.integration.engine_contract import (
    MEGABYTE,
    EngineContract,
    Probe,
    make,
    silent,
    tiny_cell,
)
from tests.support.require import missing

TENSORFLOW = Cell(
    tensorflow="2.15.1",
    python="3.11",
    distribution=Distribution(
        name="tensorflow-cpu", version="2.15.1", released=datetime(2024, 3, 8, tzinfo=UTC)
    ),
)


class TestVenvEngine(EngineContract):
    @classmethod
    def new_engine(cls) -> Engine:
        return VenvEngine()

    def test_it_says_that_there_is_no_sandbox(self, engine: Engine) -> None:
        assert engine.describe().endswith("no sandbox: the model runs with your rights")

    def test_of_many_builders_one_works(
        self, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
        lock = engine.lock(tiny_cell(), (), silent)
        assert isinstance(lock, Lock)
        built: list[Environment | CellFailure] = []

        def build() -> None:
            built.append(engine.build(tiny_cell(), lock, silent))

        threads = [threading.Thread(target=build) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        environments = [one for one in built if isinstance(one, Environment)]
        assert sorted(one.reused for one in environments) == [False, True, True, True]
        assert len({one.location for one in environments}) == 1

    def test_a_half_made_venv_is_made_again(
        self, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
        environment = make(engine, tiny_cell())
        (Path(environment.location) / "complete.json").unlink()
        assert not make(engine, tiny_cell()).reused
        assert make(engine, tiny_cell()).reused

    def test_cleaning_removes_what_was_made_and_nothing_else(
        self, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "ours"))
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "theirs"))
        (tmp_path / "ours").mkdir()
        (tmp_path / "ours" / "note").write_text("not the harness's")
        make(engine, tiny_cell())
        said = engine.clean()
        *removed, freed = said
        assert [line.split(" (")[0] for line in removed] == [
            f"removed {tmp_path / 'ours' / name}" for name in ("environments", "locks", "uses-venv")
        ]
        assert freed.startswith("freed ")
        assert [path.name for path in (tmp_path / "ours").iterdir()] == ["note"]
        assert (tmp_path / "theirs").is_dir()
        assert engine.clean() == ()

    def test_a_killed_harness_leaves_nothing_for_ever(
        self, engine: Engine, environment: Environment, probe: Probe, tmp_path: Path
    ) -> None:
        harness = subprocess.Popen(
            [sys.executable, "-c", _DOOMED, environment.model_dump_json(), tmp_path],
            cwd=Path(__file__).parents[2],
        )
        pid_file = tmp_path / "other" / "out" / "only" / "seen.json"
        while not pid_file.exists():
            assert harness.poll() is None
            time.sleep(0.05)
        harness.send_signal(signal.SIGKILL)
        harness.wait()
        pid = int(pid_file.read_text())
        assert psutil.pid_exists(pid)
        removed = engine.remove_leftovers()
        assert any(line.startswith(f"killed process {pid} ") for line in removed)
        assert any(LABEL in line for line in removed if line.startswith("removed "))
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
        assert not psutil.pid_exists(pid)
        assert engine.remove_leftovers() == ()

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes")
    def test_a_run_is_on_as_many_cpus_as_it_may_use(self, probe: Probe) -> None:
        probe("save(len(os.sched_getaffinity(0)))")
        assert probe.seen() == 1
        assert os.sched_getaffinity(0) == os.sched_getaffinity(os.getpid())

    @pytest.mark.skipif(bool(gpu_names()), reason="this machine has a GPU")
    def test_without_a_gpu_nothing_is_downloaded_for_one(
        self, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = engine.lock(tiny_cell(), (), silent)
        assert isinstance(lock, Lock)
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "empty"))
        failure = engine.build(tiny_cell(device=Device.CUDA), lock, silent)
        assert isinstance(failure, CellFailure)
        assert (failure.ending, failure.type) == (Ending.SKIPPED, "NoGPU")
        assert failure.message == "no NVIDIA GPU or driver on this machine"
        assert not (tmp_path / "empty").exists()

    def test_an_index_that_does_not_answer_is_infrastructure(
        self, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://name:secret@127.0.0.1:9/simple")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        failure = engine.lock(tiny_cell(), (), silent)
        assert isinstance(failure, CellFailure)
        assert (failure.ending, failure.type) == (Ending.INFRASTRUCTURE, "IndexUnavailable")
        assert "secret" not in failure.model_dump_json()

    def test_the_same_lock_with_and_without_an_interpreter(self, engine: Engine) -> None:
        cell = tiny_cell()
        interpreter = find_interpreter(cell.python)
        locks = [
            resolve(cell, (), interpreter=one, platform=engine.platform, progress=silent)
            for one in (interpreter, None)
        ]
        assert interpreter is not None
        digests = {lock.digest for lock in locks if isinstance(lock, Lock)}
        assert len(digests) == 1


# Runs a probe that never ends, and is killed while it does.
_DOOMED = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from harness.environments.engine import Environment
    from harness.environments.venv.engine import VenvEngine
    from tests.integration.engine_contract import Probe
    environment = Environment.model_validate_json(sys.argv[1])
    folder = Path(sys.argv[2]) / "other"
    folder.mkdir()
    probe = Probe(VenvEngine(), environment, folder)
    probe("save(os.getpid()); time.sleep(600)", timeout_seconds=600)
    """
)


@pytest.mark.tensorflow
def test_tensorflow_as_released_is_imported_and_reused(tmp_path: Path) -> None:
    engine = VenvEngine()
    if why := engine.unobtainable(frozenset({TENSORFLOW.python})):
        missing(f"python{TENSORFLOW.python}", str(why))
    environment = make(engine, TENSORFLOW)
    outcome = Probe(engine, environment, tmp_path)(
        """
        import tensorflow
        save([tensorflow.__version__, float(tensorflow.reduce_sum(tensorflow.ones((2, 3))))])
        """,
        memory_bytes=4096 * MEGABYTE,
        timeout_seconds=300,
    )
    assert outcome.ending is Ending.COMPLETED, outcome
    assert (tmp_path / "out" / "only" / "seen.json").read_text() == '["2.15.1", 6.0]'
    again = make(engine, TENSORFLOW)
    assert again.reused
    assert again.identity == environment.identity


@pytest.mark.parametrize("python", ["3.6", "3.8", "3.13"])
def test_pythons_of_every_era(python: str, tmp_path: Path) -> None:
    if find_interpreter(python) is None:
        missing(f"python{python}", f"no CPython {python} on this machine")
    engine = VenvEngine()
    environment = make(engine, tiny_cell(python=python))
    bytecode = list(Path(environment.location).rglob("six.*.pyc"))
    assert [path.suffix for path in bytecode] == [".pyc"]
    outcome = Probe(engine, environment, tmp_path)("import six; save(sys.version_info[:2])")
    assert outcome.ending is Ending.COMPLETED, outcome
    assert (tmp_path / "out" / "only" / "seen.json").read_text() == str(
        [int(n) for n in python.split(".")]
    )
