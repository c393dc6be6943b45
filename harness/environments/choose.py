"""Which engine a sweep uses: the one asked for, or the best this machine has."""

from __future__ import annotations

from typing import NamedTuple

from harness.environments.docker.engine import connect
from harness.environments.engine import Engine
from harness.environments.options import Options
from harness.environments.venv.engine import VenvEngine
from harness.errors import NoEngineError, UsageError

__all__ = ["Chosen", "choose_engine"]


class Chosen(NamedTuple):
    """An engine, and a line that says which it is and why."""

    engine: Engine
    description: str


def choose_engine(wanted: str, options: Options = Options()) -> Chosen:  # noqa: B008 - immutable
    """Return the engine `wanted` names; `auto` is `docker` where a daemon answers, else `venv`.

    Raises:
        NoEngineError: Docker was asked for and no daemon answers.
        UsageError: something that only images have was asked of the venv engine, or of mounted
            environments.
    """
    if wanted == "venv":
        return Chosen(venv := _venv(options), venv.describe())
    asked = _about_images(options)
    if options.bake == "never" and asked:
        raise UsageError(
            f"{asked[0]} is about images, and with `--bake never` there are none"
            "\n  Leave one of the two options out."
        )
    docker = connect(options)
    if not isinstance(docker, str):
        why = " (chosen because a Docker daemon answers)" if wanted == "auto" else ""
        return Chosen(docker, docker.describe() + why)
    if wanted == "docker":
        raise NoEngineError(
            f"engine docker: no Docker daemon answers ({docker})\n"
            "  Start Docker, set DOCKER_HOST, or use `--engine venv`, which needs no daemon but\n"
            "  runs the model without a sandbox."
        )
    venv = _venv(options)
    return Chosen(venv, f"{venv.describe()} (chosen because no Docker daemon answers: {docker})")


def _venv(options: Options) -> VenvEngine:
    """Return the venv engine.

    Raises:
        UsageError: an option is about images.
    """
    of_docker = {"--base": options.base != "auto", "--bake": options.bake != "always"}
    asked = (*(name for name, given in of_docker.items() if given), *_about_images(options))
    if asked:
        raise UsageError(
            f"{', '.join(asked)}: images and their bases are the docker engine's, and this is venv"
            "\n  Start Docker and use `--engine docker`, or leave the option out."
        )
    return VenvEngine(options)


def _about_images(options: Options) -> tuple[str, ...]:
    """Return the options given that say what becomes of images."""
    given = {"--pull": options.pull, "--push": options.push, "--disk": options.disk_bytes}
    return tuple(name for name, value in given.items() if value is not None)
