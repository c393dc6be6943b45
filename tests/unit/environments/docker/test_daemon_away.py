from __future__ import annotations

from types import SimpleNamespace
from typing import NoReturn, cast

import docker
import pytest
import requests

from harness.environments.docker.building.cli import Cli
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.engine import DockerEngine
from harness.errors import NoEngineError


def away(*_arguments: object) -> NoReturn:
    raise requests.exceptions.ConnectionError("Connection aborted.")


def test_a_daemon_that_goes_away_while_cells_are_planned() -> None:
    images = SimpleNamespace(get=away, get_registry_data=away)
    client = cast("docker.DockerClient", SimpleNamespace(images=images))
    daemon = Daemon(client=client, hasty=client, version="1", machine="x86_64", cpus=2, security=())
    with pytest.raises(NoEngineError) as caught:
        DockerEngine(daemon, Cli(None, "classic")).unobtainable(frozenset({"3.11"}))
    assert str(caught.value) == (
        "engine docker: the daemon went away"
        " (the Docker daemon does not answer: Connection aborted.)\n"
        "  Start Docker and run the same command again."
    )
