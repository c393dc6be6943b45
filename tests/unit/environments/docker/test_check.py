from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker
import pytest
import requests

from harness.environments.docker.building.check import (
    Installed,
    check_environment,
    check_image,
    not_as_locked,
)
from harness.environments.docker.daemon import Daemon
from harness.environments.engine import CellFailure, Lock
from harness.observation import Ending, Stage

LOCK = Lock(
    text="",
    packages={"tensorflow-cpu": "2.15.1", "typing-extensions": "4.5"},
    digest="d1",
    distribution="tensorflow-cpu",
    installer="uv 0.13.8",
    python="3.11",
)
RIGHT = '{"python": "3.11.7", "packages": {"tensorflow-cpu": "2.15.1", "typing_extensions": "4.5.0", "pip": "24"}}\n'  # noqa: E501
IMAGE = "sha256:0123"


class FakeContainers:
    """Containers that print what they are told to, and what they were created with."""

    def __init__(self, printed: str = RIGHT, status: int | None = 0) -> None:
        self.printed = printed
        self.status = status
        self.created: list[dict[str, Any]] = []
        self.removed = 0

    def create(self, **arguments: Any) -> Any:
        self.created.append(arguments)
        return self

    def start(self) -> None:
        """Nothing is started."""

    def wait(self, timeout: float) -> Mapping[str, int]:
        if self.status is None:
            raise requests.exceptions.ConnectionError(f"read timed out after {timeout}")
        return {"StatusCode": self.status}

    def logs(self, **_: object) -> bytes:
        return self.printed.encode()

    def remove(self, **_: object) -> None:
        self.removed += 1


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))


def daemon(containers: FakeContainers) -> Daemon:
    client = cast("docker.DockerClient", SimpleNamespace(containers=containers))
    return Daemon(client=client, hasty=client, version="1", machine="x86_64", cpus=2, security=())


def seen(python: str = "3.11.7", **packages: str) -> Installed:
    there = {"tensorflow-cpu": "2.15.1", "typing-extensions": "4.5.0", "pip": "24"}
    return Installed(python=python, packages=there | packages)


def test_what_the_lock_says_is_right_whatever_else_is_there() -> None:
    assert not_as_locked(LOCK, seen()) == ()


def test_every_difference_is_named() -> None:
    wrong = Installed(python="3.12.1\x1b[2J", packages={"typing.extensions": "4.6"})
    assert not_as_locked(LOCK, wrong) == (
        "Python 3.12.1 is installed, the lock is for 3.11",
        "tensorflow-cpu 2.15.1 is locked but not installed",
        "typing-extensions 4.6 is installed, 4.5 is locked",
    )


def test_versions_are_compared_as_versions_where_they_are_ones() -> None:
    assert not_as_locked(LOCK, seen(**{"typing-extensions": "4.5.0.0"})) == ()
    assert not_as_locked(LOCK, seen(**{"typing-extensions": "custom"})) == (
        "typing-extensions custom is installed, 4.5 is locked",
    )


def test_an_image_that_is_right_is_asked_once() -> None:
    containers = FakeContainers()
    for _ in range(2):
        assert check_image(daemon(containers), IMAGE, LOCK) is None
    assert (len(containers.created), containers.removed) == (1, 1)


def test_what_was_right_for_one_lock_is_asked_again_for_another() -> None:
    containers = FakeContainers()
    check_image(daemon(containers), IMAGE, LOCK)
    check_image(daemon(containers), IMAGE, LOCK.model_copy(update={"digest": "d2"}))
    check_image(daemon(containers), "sha256:4567", LOCK)
    assert len(containers.created) == 3


def test_an_image_that_is_wrong_is_asked_every_time() -> None:
    containers = FakeContainers('{"python": "3.11.7", "packages": {"typing-extensions": "4.5.0"}}')
    for _ in range(2):
        failure = check_image(daemon(containers), IMAGE, LOCK)
        assert failure == CellFailure(
            stage=Stage.BUILD,
            ending=Ending.EXCEPTION,
            type="NotAsLocked",
            message="tensorflow-cpu 2.15.1 is locked but not installed",
            packages={"typing-extensions": "4.5.0"},
        )
    assert (len(containers.created), containers.removed) == (2, 2)


@pytest.mark.parametrize(
    "printed",
    ["", "[1]", '{"python": 3}', '{"python": "3.11.7", "packages": {"a": 1}}', "{" * 9999],
)
def test_nonsense_is_not_as_locked(printed: str) -> None:
    failure = check_image(daemon(FakeContainers(printed)), IMAGE, LOCK)
    assert failure is not None
    assert (failure.type, failure.ending) == ("NotAsLocked", Ending.EXCEPTION)
    assert failure.message.startswith("what is installed cannot be seen: ")


def test_a_container_that_fails_says_why() -> None:
    failure = check_image(daemon(FakeContainers("no\nsuch \x1b[31mlibrary", 127)), IMAGE, LOCK)
    assert failure is not None
    assert failure.message == "what is installed cannot be seen: no\nsuch library"


@pytest.mark.parametrize("status", [None, 137])
def test_a_slow_or_full_machine_says_nothing_of_the_image(status: int | None) -> None:
    failure = check_image(daemon(FakeContainers(status=status)), IMAGE, LOCK)
    assert failure is not None
    assert (failure.type, failure.ending) == ("CheckFailed", Ending.INFRASTRUCTURE)


def test_it_may_do_nothing_but_tell() -> None:
    containers = FakeContainers()
    check_environment(
        daemon(containers), "base:1", LOCK, known_as="mark", mounts={"/site": "/volume/x"}
    )
    (created,) = containers.created
    assert created["network_mode"] == "none"
    assert created["read_only"] is True
    assert created["cap_drop"] == ["ALL"]
    assert created["security_opt"] == ["no-new-privileges"]
    assert created["user"] == "65534:65534"
    (mount,) = created["mounts"]
    assert (mount["Target"], mount["Source"], mount["ReadOnly"]) == ("/site", "/volume/x", True)
    compile(created["command"][1], "check", "exec")
    assert "import tensorflow" not in created["command"][1]
