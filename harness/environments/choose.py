"""Which engine a sweep uses: the one asked for, or the best this machine has."""

from __future__ import annotations

from typing import NamedTuple

from harness.environments.docker.engine import connect
from harness.environments.engine import Engine
from harness.environments.venv.engine import VenvEngine
from harness.errors import NoEngineError

__all__ = ["ENGINES", "Chosen", "choose_engine"]

ENGINES = ("auto", "docker", "venv")


class Chosen(NamedTuple):
    """An engine, and a line that says which it is and why."""

    engine: Engine
    description: str


def choose_engine(wanted: str, *, refresh: bool = False) -> Chosen:
    """Return the engine `wanted` names; `auto` is `docker` where a daemon answers, else `venv`.

    With `refresh`, locks are resolved again even where one is cached.

    Raises:
        NoEngineError: Docker was asked for and no daemon answers.
    """
    if wanted == "venv":
        venv = VenvEngine(refresh=refresh)
        return Chosen(venv, venv.describe())
    docker = connect(refresh=refresh)
    if not isinstance(docker, str):
        why = " (chosen because a Docker daemon answers)" if wanted == "auto" else ""
        return Chosen(docker, docker.describe() + why)
    if wanted == "docker":
        raise NoEngineError(
            f"engine docker: no Docker daemon answers ({docker})\n"
            "  Start Docker, set DOCKER_HOST, or use `--engine venv`, which needs no daemon but\n"
            "  runs the model without a sandbox."
        )
    venv = VenvEngine(refresh=refresh)
    return Chosen(venv, f"{venv.describe()} (chosen because no Docker daemon answers: {docker})")
