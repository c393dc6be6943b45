"""What every engine must do, with a daemon that does not see this machine's files.

Not collected by itself: `test_remote_daemon.py` runs it in a mount namespace of its own, in which
all files of the tests lie in a file system that the daemon does not have.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from docker.models.containers import Container
from docker.transport.unixconn import UnixHTTPConnection

from harness.environments.docker import names
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.engine import DockerEngine
from harness.environments.docker.running.transfer import remove_volumes
from harness.environments.docker.sight import Sight
from harness.environments.engine import Engine, Environment
from harness.environments.owner import owner
from harness.observation import Ending
from tests.integration.engine_contract import MEGABYTE, Probe
from tests.integration.test_docker_engine import _DOOMED, SOCKET, connect_or_close, daemon
from tests.integration.test_docker_engine import TestDockerEngine as LocalDockerEngine
from tests.support.servers import socket_proxy

__all__ = ["daemon"]

pytestmark = pytest.mark.docker


def own_volumes(daemon: Daemon, pid: int | None = None) -> set[str]:
    """Volumes of this process, or of another."""
    volumes = daemon.client.volumes.list(filters={"label": names.OWNER})
    mine = f":{os.getpid() if pid is None else pid}:"
    return {str(one.name) for one in volumes if mine in one.attrs["Labels"][names.OWNER]}


def own_containers(daemon: Daemon, pid: int | None = None, *, running: int = 0) -> list[Container]:
    """Containers of this process, or of another; none where fewer than `running` run."""
    found = daemon.client.containers.list(
        all=True, filters={"label": names.OWNER}, ignore_removed=True
    )
    mine = f":{os.getpid() if pid is None else pid}:"
    own = [one for one in found if mine in one.labels[names.OWNER]]
    return own if sum(one.status == "running" for one in own) >= running else []


class TestRemoteDaemon(LocalDockerEngine):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _is_remote(cls, daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> None:
        folder = tmp_path_factory.mktemp("seen")
        assert not Sight(daemon).sees([folder])

    def test_it_says_how_it_isolates(self, engine: Engine) -> None:
        assert "the daemon does not see this machine's files: models are sent" in engine.describe()

    def test_what_was_sent_is_sent_once(
        self, environment: Environment, probe: Probe, daemon: Daemon
    ) -> None:
        look = 'save(open(os.path.join(REQUEST["model"], "model.txt")).read())'
        before = own_volumes(daemon)
        probe(look)
        (probe.model / "model.txt").chmod(0o600)
        first = own_volumes(daemon)
        probe(look)
        again = own_volumes(daemon)
        assert (probe.seen(), len(first - before)) == ("a model", 3)  # model, inputs, probe
        assert len(again - first) == 2, "a changed model and another probe"
        for volume in daemon.client.volumes.list():
            if volume.name in again:
                volume.remove()  # as `docker volume prune` does
        probe(look)
        assert probe.seen() == "a model"

    def test_a_changed_model_is_sent_again(self, probe: Probe) -> None:
        look = 'save(open(os.path.join(REQUEST["model"], "model.txt")).read())'
        probe(look)
        (probe.model / "model.txt").write_text("another model")
        probe(look)
        assert probe.seen() == "another model"

    def test_nothing_hostile_comes_back(self, probe: Probe) -> None:
        outcome = probe(
            """
            os.symlink("/etc", os.path.join(OUT, "folder"))
            os.symlink("/etc/passwd", os.path.join(OUT, "link"))
            os.mkfifo(os.path.join(OUT, "pipe"))
            os.link(os.path.join(OUT, "probe.log"), os.path.join(OUT, "hard"))
            os.makedirs(os.path.join(OUT, "a", "b"), 0)
            save([1])
            """
        )
        assert outcome.ending is Ending.COMPLETED, outcome
        folder = probe.out / "only"
        assert not [path for path in folder.rglob("*") if path.is_symlink() or path.is_fifo()]
        assert probe.seen() == [1]
        assert (folder / "a").is_dir()

    def test_sparse_giants_do_not_come_back(self, probe: Probe) -> None:
        outcome = probe(
            """
            for number in range(100):
                with open(os.path.join(OUT, "sparse%d" % number), "w") as stream:
                    stream.truncate(7 * 1024**2)
            save(1)
            """,
            output_bytes=8 * MEGABYTE,
        )
        assert outcome.ending is Ending.OUTPUT_LIMIT, outcome
        assert probe.stage("only")
        assert sum(path.stat().st_size for path in probe.out.rglob("*")) < 17 * MEGABYTE

    def test_files_without_end_are_too_much(self, probe: Probe) -> None:
        outcome = probe(
            """
            number = 0
            while True:
                number += 1
                os.makedirs(os.path.join(OUT, *["d" * 200] * (number % 19), str(number)))
            """,
            timeout_seconds=60,
            output_bytes=2 * MEGABYTE,
        )
        assert outcome.ending is Ending.OUTPUT_LIMIT, outcome

    def test_stopping_ends_what_runs(self, environment: Environment, tmp_path: Path) -> None:
        engine = self.new_engine()
        probe = Probe(engine, environment, tmp_path)

        def stop_when_it_runs() -> None:
            while "running 2 of 3" not in probe.said:
                time.sleep(0.05)
            time.sleep(1)
            engine.stop()

        thread = threading.Thread(target=stop_when_it_runs)
        thread.start()
        hangs = "save(1); time.sleep(600)"
        outcomes = probe.many({"a": "save(1)", "b": hangs, "c": hangs}, timeout_seconds=120)
        thread.join()
        stopped = Ending.INFRASTRUCTURE
        assert [one.ending for one in outcomes] == [Ending.COMPLETED, stopped, stopped]
        assert [one.message for one in outcomes[1:]] == ["stopped", "stopped"]
        assert probe.seen("b") == 1
        assert probe("save(2)").ending is stopped

    # The docker package forgets to close a connection that the other side has closed.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_a_daemon_that_goes_away_is_infrastructure(
        self,
        environment: Environment,
        daemon: Daemon,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if "DOCKER_HOST" in os.environ:
            pytest.skip("the daemon does not listen where this test can stand between")
        monkeypatch.setattr(UnixHTTPConnection, "connect", connect_or_close)
        stand_in = tmp_path / "d.sock"
        with socket_proxy(stand_in, SOCKET) as proxy:
            monkeypatch.setenv("DOCKER_HOST", f"unix://{stand_in}")
            probe = Probe(self.new_engine(), environment, tmp_path)

            def cut_when_it_runs() -> None:
                while "running 2 of 3" not in probe.said:
                    time.sleep(0.05)
                time.sleep(1)
                proxy.cut()

            thread = threading.Thread(target=cut_when_it_runs)
            thread.start()
            hangs = "save(1); time.sleep(600)"
            outcomes = probe.many({"a": "save(1)", "b": hangs, "c": hangs}, timeout_seconds=120)
            thread.join()
            assert probe.seen("a") == 1
            assert probe("save(2)").ending is Ending.INFRASTRUCTURE
        lost = Ending.INFRASTRUCTURE
        assert [one.ending for one in outcomes] == [Ending.COMPLETED, lost, lost]
        assert outcomes[1].message.startswith("the Docker daemon does not answer: ")
        gc.collect()
        for container in own_containers(daemon):
            container.remove(force=True)
        remove_volumes(daemon, lambda label: label == owner())

    def test_a_killed_harness_leaves_nothing_for_ever(
        self, engine: Engine, environment: Environment, daemon: Daemon, tmp_path: Path
    ) -> None:
        harness = subprocess.Popen(
            [sys.executable, "-c", _DOOMED, environment.model_dump_json(), tmp_path],
            cwd=Path(__file__).parents[2],
        )
        while not own_containers(daemon, harness.pid, running=2):
            assert harness.poll() is None
            time.sleep(0.1)
        harness.send_signal(signal.SIGKILL)
        harness.wait()
        assert own_volumes(daemon, harness.pid)
        removed = engine.remove_leftovers()
        assert sum(line.startswith("removed container ") for line in removed) == 2
        assert sum(line.startswith("removed volume ") for line in removed) == 5
        assert not own_volumes(daemon, harness.pid)
        assert engine.remove_leftovers() == ()

    def test_nothing_is_left(self, probe: Probe, daemon: Daemon) -> None:
        probe("pass")
        before = own_volumes(daemon)
        probe.many({"a": "os._exit(3)", "b": "os.kill(os.getpid(), 9)", "c": "save(1)"})
        # Only what was sent stays, for later runs: here another probe.
        assert len(own_volumes(daemon) - before) == 1
        assert own_containers(daemon) == []

    def test_an_engine_that_is_done_leaves_no_volume(
        self, environment: Environment, daemon: Daemon, tmp_path: Path
    ) -> None:
        folder = tmp_path / "other"
        folder.mkdir()
        engine = self.new_engine()
        assert isinstance(engine, DockerEngine)
        assert Probe(engine, environment, folder)("save(1)").ending is Ending.COMPLETED
        assert own_volumes(daemon)
        del engine
        assert not own_volumes(daemon)


def test_it_costs_little_to_learn_what_the_daemon_sees(daemon: Daemon, tmp_path: Path) -> None:
    sight = Sight(daemon)
    before = time.monotonic()
    assert not sight.shares_files()
    first = time.monotonic() - before
    assert not any(sight.sees([tmp_path]) for _ in range(1000)), first
