from __future__ import annotations

import io
import json
import tarfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker
import pytest
from docker.errors import NotFound

from harness.cell import Cell, Distribution
from harness.environments.docker import names
from harness.environments.docker.building.mounted import (
    MountedBuild,
    mounted_environment,
    mounted_identity,
)
from harness.environments.docker.daemon import Daemon
from harness.environments.engine import CellFailure, Environment, Lock
from harness.observation import Base, Ending, Stage

BASE = Base(kind="host-slice", reference="base:py3.11-01", digest="sha256:0123")
LOCK = Lock(
    text="six==1.16.0 --hash=sha256:00\n",
    packages={"six": "1.16.0"},
    digest="d1",
    distribution="six",
    installer="uv 0.13.8",
    python="3.11",
)
RELEASED = datetime(2021, 5, 5, tzinfo=UTC)
CELL = Cell(
    tensorflow="1.16.0",
    python="3.11",
    distribution=Distribution(name="six", version="1.16.0", released=RELEASED),
)
SITE = "/usr/local/lib/python3.11/site-packages"


class FakeContainer:
    def __init__(self, docker: FakeDocker, arguments: dict[str, Any]) -> None:
        self.docker = docker
        self.arguments = arguments
        self.is_check = arguments["labels"][names.ROLE] == "check"

    def put_archive(self, _: str, archive: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(archive)) as given:
            for entry in given:
                stream = given.extractfile(entry)
                assert stream is not None
                self.docker.given[entry.name] = stream.read()

    def start(self) -> None:
        self.docker.started.append(self.arguments["labels"][names.ROLE])

    def wait(self, **_: object) -> dict[str, int]:
        return {"StatusCode": 0 if self.is_check else self.docker.statuses.pop(0)}

    def logs(self, **_: object) -> bytes:
        if not self.is_check:
            return self.docker.printed
        return json.dumps({"python": "3.11.7", "packages": self.docker.packages}).encode()

    def remove(self, **_: object) -> None:
        self.docker.removed += 1


class FakeDocker:
    """As much of a daemon as an environment that is mounted takes."""

    def __init__(self) -> None:
        self.containers = self
        self.volumes = SimpleNamespace(get=self._get, create=self._create)
        self.volume: Any = None
        self.given: dict[str, bytes] = {}
        self.started: list[str] = []
        self.removed = 0
        self.statuses = [0] * 9
        self.printed = b"Installed 1 package"
        self.packages = {"six": "1.16.0"}

    def _get(self, name: str) -> Any:
        if self.volume is None:
            raise NotFound(name)
        return self.volume

    def _create(self, name: str, labels: dict[str, str]) -> None:
        attributes = {"Labels": labels, "Mountpoint": f"/volumes/{name}/_data"}
        self.volume = SimpleNamespace(attrs=attributes)

    def create(self, **arguments: Any) -> FakeContainer:
        return FakeContainer(self, arguments)

    def run(self, *_: object, **__: object) -> bytes:
        self.started.append("site")
        return f"{SITE}\n".encode()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "uv-program"
    program.write_bytes(b"uv")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "harness.environments.docker.building.installer.uv_program", lambda: program
    )
    monkeypatch.setattr(
        "harness.environments.docker.building.installer.uv_version", lambda: "uv 0.13.8"
    )
    monkeypatch.setattr("harness.environments.docker.building.mounted._PAUSES_SECONDS", (0.0, 0.0))


def make(
    daemon: FakeDocker, lock: Lock = LOCK, obstacle: CellFailure | None = None
) -> Environment | CellFailure:
    client = cast("docker.DockerClient", daemon)
    build = MountedBuild(
        daemon=Daemon(
            client=client, hasty=client, version="1", machine="x86_64", cpus=2, security=()
        ),
        cell=CELL,
        lock=lock,
        base=BASE,
        obstacle=lambda: obstacle,
        progress=lambda _: None,
        stopped=threading.Event(),
    )
    return mounted_environment(build)


def made(daemon: FakeDocker, lock: Lock = LOCK) -> Environment:
    environment = make(daemon, lock)
    assert isinstance(environment, Environment), environment
    return environment


def test_it_is_the_base_with_the_packages_mounted() -> None:
    environment = made(FakeDocker())
    identity = mounted_identity(LOCK, BASE)
    assert environment.identity == f"mounted-{identity}"
    assert environment.location == "base:py3.11-01"
    assert environment.mounts == {SITE: f"/volumes/{names.VOLUME}/_data/environments/{identity}"}
    assert (environment.facts.image, environment.facts.builder) == (None, "mounted")
    assert not environment.reused


def test_what_goes_into_it_is_its_identity() -> None:
    others = (
        mounted_identity(LOCK, BASE),
        mounted_identity(LOCK.model_copy(update={"digest": "d2"}), BASE),
        mounted_identity(LOCK.model_copy(update={"installer": "uv 1"}), BASE),
        mounted_identity(LOCK, BASE.model_copy(update={"digest": "sha256:45"})),
    )
    assert len(set(others)) == 4
    commented = LOCK.model_copy(update={"text": "# a comment\n"})
    assert mounted_identity(commented, BASE) == others[0]


def test_it_gets_bytecode_when_it_is_used_again_and_is_then_left_alone() -> None:
    daemon = FakeDocker()
    assert not made(daemon).reused
    assert b"mounted=plain\n" in daemon.given[f"{names.FOLDER[1:]}/wanted"]
    assert daemon.started == ["install", "site", "check"]
    again = made(daemon)
    assert (again.reused, again.build_seconds) == (True, 0.0)
    assert b"mounted=compiled\n" in daemon.given[f"{names.FOLDER[1:]}/wanted"]
    assert daemon.started == ["install", "site", "check", "install"]
    assert made(daemon).reused
    assert daemon.started == ["install", "site", "check", "install"]


def test_with_the_volume_all_that_was_known_of_it_is_gone() -> None:
    daemon = FakeDocker()
    made(daemon)
    daemon.volume = None
    assert not made(daemon).reused
    assert daemon.started == ["install", "site", "check", "install", "check"]


def test_the_network_is_given_to_it_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://me:secret@index.example/simple")
    daemon = FakeDocker()
    environment = made(daemon)
    assert b"secret" in daemon.given[f"{names.FOLDER[1:]}/network"]
    assert daemon.removed == 2
    assert "secret" not in environment.model_dump_json()
    assert "secret" not in json.dumps(daemon.volume.attrs)


def test_an_index_that_its_machine_cannot_reach_is_not_asked() -> None:
    daemon = FakeDocker()
    unreachable = CellFailure(
        stage=Stage.BUILD, ending=Ending.INFRASTRUCTURE, type="IndexOutOfReach", message="no"
    )
    assert make(daemon, obstacle=unreachable) is unreachable
    assert daemon.started == []
    made(daemon)
    assert isinstance(make(daemon, obstacle=unreachable), Environment)  # only bytecode is made


def test_a_network_that_fails_is_tried_again() -> None:
    daemon = FakeDocker()
    daemon.statuses = [2, 2, 2]
    daemon.printed = b"error: Failed to fetch: `https://u:secret@index.example/simple/six/`"
    failure = make(daemon)
    assert isinstance(failure, CellFailure)
    assert (failure.ending, failure.type) == (Ending.INFRASTRUCTURE, "IndexUnavailable")
    assert daemon.started == ["install"] * 3
    assert "secret" not in failure.model_dump_json()


def test_what_is_not_as_locked_is_not_kept() -> None:
    daemon = FakeDocker()
    daemon.packages = {"six": "1.15.0"}
    for _ in range(2):
        failure = make(daemon)
        assert isinstance(failure, CellFailure)
        assert failure.message == "six 1.15.0 is installed, 1.16.0 is locked"
    assert daemon.started == ["install", "site", "check", "install", "check"]
