"""Trouble, for real: the daemon, the disk or the network goes away; the harness is killed.

Whatever happens, what was observed is kept, no trouble of the machine looks like one of the
model's, and the same command goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from harness.environments.docker import names
from harness.environments.owner import LABEL, VARIABLE
from harness.environments.uv import uv_cache
from harness.paths import cache_directory
from tests.support.require import docker_daemon, missing
from tests.support.servers import socket_proxy

MODEL = Path(__file__).parents[2] / "examples" / "digits" / "savedmodel"
SOCKET = Path("/var/run/docker.sock")

Engine = Literal["venv", "docker"]

MATRIX = """\
schema: 1
tensorflow: ["2.4.4"]
pins: {default: {}, older: {typing-extensions: "3.7.4.2"}}
flags: {default: {}, onednn-off: {TF_ENABLE_ONEDNN_OPTS: "0"}}
exclude: [{pins: older, flags: onednn-off, reason: one of them is enough}]
limits: {timeout: 120, memory: 2g, cpus: 1, output: 100m}
"""
FIRST, SECOND = "tf2.4.4-py3.8-cpu", "tf2.4.4-py3.8-cpu+onednn-off"
OLDER = "tf2.4.4-py3.8-cpu-older"

pytestmark = [pytest.mark.tensorflow]


@pytest.fixture(params=["venv", pytest.param("docker", marks=pytest.mark.docker)])
def engine(request: pytest.FixtureRequest) -> Engine:
    name: Engine = request.param
    if name == "docker":
        docker_daemon()
    return name


class Shell:
    """A folder with a matrix, and the command line run in it."""

    def __init__(self, folder: Path, engine: Engine, only: str = "pins=default") -> None:
        self.folder = folder
        self.engine = engine
        self.only = only
        self.results = folder / "results"
        self.variables: dict[str, str] = {}
        (folder / "matrix.yaml").write_text(MATRIX)

    def start(self, *more: str, **variables: str) -> Sweeping:
        return Sweeping(self, more, os.environ | self.variables | variables)

    def run(self, *more: str, **variables: str) -> Sweeping:
        sweeping = self.start(*more, **variables)
        sweeping.end()
        return sweeping

    def rows(self) -> dict[str, dict[str, Any]]:
        text = (self.results / "digits-savedmodel/latest/table.json").read_text()
        return {row["id"]: row for row in json.loads(text)["cells"]}

    def sweeps(self) -> list[Path]:
        return sorted((self.results / "digits-savedmodel").glob("2*"))

    def observed(self) -> dict[str, str]:
        """When each cell of the newest sweep was observed."""
        files = self.sweeps()[-1].glob("cells/*/observation.json") if self.sweeps() else ()
        return {path.parent.name: json.loads(path.read_text())["observed"] for path in files}


class Sweeping:
    """A sweep at work."""

    def __init__(self, shell: Shell, more: tuple[str, ...], variables: dict[str, str]) -> None:
        self._shell = shell
        folder = Path(tempfile.mkdtemp(dir=shell.folder))
        self._said, self._printed = folder / "stderr", folder / "stdout"
        with self._said.open("wb") as said, self._printed.open("wb") as printed:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "harness", "matrix", str(MODEL), "--only", shell.only),
                    *("--engine", shell.engine, "--results", str(shell.results), *more),
                ],
                cwd=shell.folder,
                env=variables,
                stdout=printed,
                stderr=said,
            )

    @property
    def said(self) -> str:
        """What was written to stderr so far."""
        return self._said.read_text()

    @property
    def printed(self) -> str:
        """What was written to stdout so far."""
        return self._printed.read_text()

    def until(self, happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + 300
        while not happened():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        self.process.wait(300)
        assert "Traceback" not in self.said
        return self.process.returncode

    def programs(self) -> list[psutil.Process]:
        """The programs it started that are still there."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                mine = f":{self.process.pid}:" in process.environ().get(VARIABLE, "")
                if mine and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def commands(self) -> list[list[str]]:
        """The command lines of its programs."""
        found = []
        for program in self.programs():
            with suppress(psutil.Error):  # it may end while it is looked at
                found.append(program.cmdline())
        return found

    def probes(self) -> list[object]:
        """The containers or processes of its runs."""
        if self._shell.engine == "docker":
            runs = docker_daemon().client.containers.list(
                all=True, filters={"label": f"{names.ROLE}=run"}, ignore_removed=True
            )
            pid = f":{self.process.pid}:"
            return [container for container in runs if pid in container.labels[names.OWNER]]
        probes: list[object] = []
        for process in self.programs():
            with suppress(psutil.Error):  # it may end while it is looked at
                if any("probe.py" in word for word in process.cmdline()):
                    probes.append(process)
        return probes

    def left(self) -> list[object]:
        """What should not be there when it has ended."""
        owners = Path(tempfile.gettempdir()).glob(f"{LABEL}-*/owner")
        mine = f":{self.process.pid}:"
        folders: list[object] = []
        for path in owners:
            with suppress(FileNotFoundError):  # another's, which is just being removed
                if mine in path.read_text():
                    folders.append(path)
        return [*self.probes(), *self.programs(), *folders]


@pytest.fixture
def shell(tmp_path: Path, engine: Engine) -> Shell:
    return Shell(tmp_path, engine)


@pytest.fixture
def venv_shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, "venv")


@pytest.fixture
def docker_shell(tmp_path: Path) -> Shell:
    docker_daemon()
    if not SOCKET.exists() or "DOCKER_HOST" in os.environ:
        pytest.skip("the daemon does not listen where this test can stand between")
    return Shell(tmp_path, "docker")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' cache, once it has the index's answers, the lock and the wheels."""
    first = Shell(tmp_path_factory.mktemp("first"), "venv", "flags=default").run()
    assert first.process.returncode == 0, first.said
    return cache_directory()


@pytest.fixture
def own_cache(known: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables that give a cache without environments, and with answers of the index of late."""
    cache = tmp_path / "cache"
    for name in ("index", "locks"):
        shutil.copytree(known / name, cache / name)
    yield {"HARNESS_CACHE": str(cache), "UV_CACHE_DIR": str(uv_cache())}
    shutil.rmtree(cache)


def verdicts(shell: Shell) -> dict[str, str]:
    return {cell_id: row["verdict"] for cell_id, row in shell.rows().items()}


@pytest.mark.docker
def test_a_daemon_that_stops_while_a_cell_runs(docker_shell: Shell) -> None:
    stand_in = docker_shell.folder / "d.sock"
    with socket_proxy(stand_in, str(SOCKET)) as proxy:
        cut = docker_shell.start("--jobs", "1", DOCKER_HOST=f"unix://{stand_in}")
        cut.until(lambda: FIRST in docker_shell.observed() and cut.probes())
        proxy.cut()
        assert cut.end() == 0
    before = docker_shell.observed()
    assert verdicts(docker_shell) == {FIRST: "equivalent", SECOND: "unknown"}
    reason = docker_shell.rows()[SECOND]["reason"]
    assert reason["code"] == "infrastructure"
    assert reason["message"].startswith("the Docker daemon does not answer: ")

    again = docker_shell.run("--jobs", "1")
    assert again.process.returncode == 0
    assert "removed container " in again.said
    assert cut.left() == again.left() == []
    assert verdicts(docker_shell) == {FIRST: "equivalent", SECOND: "equivalent"}
    after = docker_shell.rows()
    assert (after[FIRST]["cached"], after[SECOND]["cached"]) == (True, False)
    assert docker_shell.observed()[FIRST] == before[FIRST]


@pytest.mark.docker
def test_a_daemon_that_stops_while_an_image_is_built(docker_shell: Shell) -> None:
    docker_shell.only = "pins=older"
    stand_in = docker_shell.folder / "d.sock"
    with socket_proxy(stand_in, str(SOCKET), b"/build?", b"/grpc"):
        cut = docker_shell.run("--fail-on", "unknown", DOCKER_HOST=f"unix://{stand_in}")
    assert cut.process.returncode == 1, "is its image there? this test never makes it"
    row = docker_shell.rows()[OLDER]
    assert (row["verdict"], row["stage"]) == ("unknown", "build")
    assert "the docker daemon" in row["reason"]["message"].lower()
    assert cut.left() == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        missing("mount", f"a small file system cannot be mounted here: {error}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))
    return filler


def test_a_disk_without_room_for_results(known: Path, venv_shell: Shell, disk: Path) -> None:
    venv_shell.results = disk / "results"
    full = venv_shell.start()
    full.until(lambda: FIRST in venv_shell.observed())
    filler = fill(disk)
    assert full.end() == 5
    (sweep,) = venv_shell.sweeps()
    where, *rest = full.said.splitlines()[-3:]
    # In the folder of some loader: the first one's, which is the cell's own, is written last.
    assert where.startswith(f"error: {sweep}/cells/{SECOND}")
    assert where.endswith(": no space left to write results")
    assert rest == [
        "  What was observed so far is kept. Free some space, or name another place with",
        "  --results DIR, and run the same command again: it goes on where it stopped.",
    ]
    before = venv_shell.observed()
    assert set(before) == {FIRST}
    assert not list(sweep.rglob(".*")), "half-written files"
    assert full.left() == []

    assert venv_shell.run().process.returncode == 5
    filler.unlink()
    assert venv_shell.run().process.returncode == 0
    assert venv_shell.sweeps() == [sweep]
    assert verdicts(venv_shell) == {FIRST: "equivalent", SECOND: "equivalent"}
    assert venv_shell.observed()[FIRST] == before[FIRST]


def test_results_that_cannot_be_written(known: Path, venv_shell: Shell, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    venv_shell.results = disk / "results"
    refused = venv_shell.run()
    assert refused.process.returncode == 5
    assert refused.said.splitlines()[1:] == [
        f"error: {disk}/results: results cannot be written (Read-only file system)",
        "  Name a folder that can be written with --results DIR.",
    ]


def test_a_disk_without_room_for_environments(
    own_cache: dict[str, str], venv_shell: Shell, disk: Path
) -> None:
    cache = Path(own_cache["HARNESS_CACHE"])
    shutil.copytree(cache, disk / "cache")
    venv_shell.variables = own_cache | {"HARNESS_CACHE": str(disk / "cache")}
    assert venv_shell.run().process.returncode == 0
    assert verdicts(venv_shell) == {FIRST: "unknown", SECOND: "unknown"}
    reason = venv_shell.rows()[FIRST]["reason"]
    assert reason["code"] == "infrastructure"
    assert reason["message"].startswith("about 1.1 GB of disk are needed, and ")
    assert {path.suffix for path in (disk / "cache/environments").rglob("*")} <= {".lock"}


def test_a_killed_harness(known: Path, shell: Shell) -> None:
    killed = shell.start()
    killed.until(killed.probes)
    killed.process.kill()
    killed.process.wait()
    for program in killed.programs():
        program.suspend()
    assert killed.left()

    again = shell.run()
    assert again.process.returncode == 0
    assert ("removed container " if shell.engine == "docker" else "killed process ") in again.said
    assert f"removed {tempfile.gettempdir()}/{LABEL}-" in again.said
    assert killed.left() == again.left() == []
    assert len(shell.sweeps()) == 1
    assert verdicts(shell) == {FIRST: "equivalent", SECOND: "equivalent"}


def test_a_harness_that_is_killed_while_it_installs(
    own_cache: dict[str, str], venv_shell: Shell
) -> None:
    venv_shell.variables = own_cache
    killed = venv_shell.start()
    killed.until(lambda: any("--require-hashes" in command for command in killed.commands()))
    killed.process.kill()
    killed.process.wait()
    for program in killed.programs():
        program.suspend()
    assert killed.left()

    again = venv_shell.run()
    assert again.process.returncode == 0
    assert "killed process " in again.said
    assert killed.left() == again.left() == []
    environments = Path(own_cache["HARNESS_CACHE"], "environments").glob("**/bin/python")
    assert len(list(environments)) == 1
    assert verdicts(venv_shell) == {FIRST: "equivalent", SECOND: "equivalent"}


@pytest.mark.parametrize(
    "signals", [(signal.SIGINT,) * 3, (signal.SIGTERM, signal.SIGINT)], ids=["ctrl-c", "sigterm"]
)
def test_a_harness_that_is_asked_to_stop(
    known: Path, shell: Shell, signals: tuple[signal.Signals, ...]
) -> None:
    stopped = shell.start()
    stopped.until(stopped.probes)
    for number in signals:
        with suppress(ProcessLookupError):
            stopped.process.send_signal(number)
        time.sleep(0.1)
    assert stopped.end() == 130
    assert "the same command again: it goes on where it stopped." in stopped.said
    assert stopped.left() == []


@pytest.fixture
def unreachable() -> dict[str, str]:
    """Variables of a proxy that does not answer."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    both = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": ""}
    return both | {name.lower(): value for name, value in both.items()}


def age(cache: Path) -> str:
    """Make the index's answers two days older; return the day they then are of."""
    day = datetime.now(UTC) - timedelta(days=2)
    for answer in (cache / "index").glob("*.json"):
        changed = json.loads(answer.read_text()) | {"retrieved": day.isoformat()}
        answer.write_text(json.dumps(changed))
    return f"{day:%Y-%m-%d}"


def test_without_a_network_the_cache_serves(
    own_cache: dict[str, str], known: Path, shell: Shell, unreachable: dict[str, str]
) -> None:
    cache = Path(own_cache["HARNESS_CACHE"])
    day = age(cache)
    (cache / "environments").symlink_to(known / "environments")
    if shell.engine == "docker":
        shell.run("--only", "flags=default")  # makes the image, where no other test has
    shell.variables = own_cache | unreachable
    offline = shell.run()
    assert offline.process.returncode == 0
    assert f"the package index did not answer (ProxyError); answers of {day}" in offline.printed
    assert verdicts(shell) == {FIRST: "equivalent", SECOND: "equivalent"}
    assert "did not answer" in (shell.sweeps()[-1] / "table.md").read_text()


def test_without_a_network_and_a_cache_there_is_no_plan(
    venv_shell: Shell, unreachable: dict[str, str]
) -> None:
    nothing = str(venv_shell.folder / "nothing")
    offline = venv_shell.run(HARNESS_CACHE=nothing, **unreachable)
    assert offline.process.returncode == 7
    assert "did not answer (ProxyError), and no earlier answer is kept" in offline.said
    assert not venv_shell.results.exists()


def test_two_harnesses_at_once(own_cache: dict[str, str], shell: Shell) -> None:
    if shell.engine == "venv":
        shell.variables = own_cache
    both = [shell.start(), shell.start()]
    assert [sweeping.end() for sweeping in both] == [0, 0]
    assert len(shell.sweeps()) == 2
    for sweep in shell.sweeps():
        rows = json.loads((sweep / "table.json").read_text())["cells"]
        assert [row["verdict"] for row in rows] == ["equivalent", "equivalent"]
        assert not list(sweep.rglob(".*")), "half-written files"
    assert (shell.results / "digits-savedmodel/latest").resolve() in shell.sweeps()
    assert [sweeping.left() for sweeping in both] == [[], []]
