"""Which Docker command line there is, and with which builder it builds."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from docker.context.config import get_current_context_name

from harness.environments.docker.building.recipe import Builder
from harness.environments.process import Completed, run_program

__all__ = ["Cli", "build_command", "build_environment", "find_cli"]

_SECONDS = 60.0
# BuildKit came with 18.09; from 23 on it needs the plug-in buildx.
_WITH_BUILDKIT = range(19, 23)
_VERSION = re.compile(r"Docker version (\d+)\.")


@dataclass(frozen=True, slots=True)
class Cli:
    """A Docker command line, or that there is none (`program` is None)."""

    program: str | None
    builder: Builder
    buildx: bool = False

    def __str__(self) -> str:
        return "BuildKit" if self.builder == "buildkit" else "the classic builder"


def find_cli(
    environment: Mapping[str, str] = os.environ,
    run: Callable[..., Completed] = run_program,
) -> Cli:
    """Return `$HARNESS_DOCKER_CLI`, else the first `docker` on the path that has BuildKit, or any.

    `DOCKER_BUILDKIT=0` in `environment` chooses the classic builder, as it does for `docker build`.
    """
    chosen = environment.get("HARNESS_DOCKER_CLI")
    programs = [chosen] if chosen else _on_path(environment.get("PATH", ""))
    with ThreadPoolExecutor() as executor:  # they answer in a tenth of a second each
        asked = executor.map(lambda program: _ask(program, environment, run), programs)
        found = [cli for cli in asked if cli]
    best = (cli for cli in found if cli.builder == "buildkit")
    return next(best, found[0] if found else Cli(None, "classic"))


def _on_path(path: str) -> Sequence[str]:
    """Return the programs named `docker`, each once: `/bin` may be another name of `/usr/bin`."""
    programs: dict[str, str] = {}
    for folder in filter(None, path.split(os.pathsep)):
        if program := shutil.which("docker", path=folder):
            programs.setdefault(os.path.realpath(program), program)
    return tuple(programs.values())


def _ask(program: str, environment: Mapping[str, str], run: Callable[..., Completed]) -> Cli | None:
    """Return what `program` builds with; None where it is no Docker command line."""
    try:
        version = _VERSION.search(run([program, "--version"], timeout_seconds=_SECONDS).stdout)
        if version is None:
            return None
        if environment.get("DOCKER_BUILDKIT") == "0":
            return Cli(program, "classic")
        if run([program, "buildx", "version"], timeout_seconds=_SECONDS).status == 0:
            return Cli(program, "buildkit", buildx=True)
    except OSError:
        return None
    return Cli(program, "buildkit" if int(version[1]) in _WITH_BUILDKIT else "classic")


def build_command(
    cli: Cli,
    *,
    tag: str,
    context: Path,
    secrets: Path,
    labels: Mapping[str, str],
    arguments: Mapping[str, str],
    host_network: bool,
) -> Sequence[str]:
    """Return the arguments of `docker build`.

    `context` holds all that is built from. `secrets` holds the files `network` and `certificates`,
    for BuildKit; the classic builder finds them in `context`, and is told `arguments`.
    """
    common = [f"--label={key}={value}" for key, value in labels.items()]
    if host_network:
        common.append("--network=host")
    if cli.builder == "buildkit":
        special = [
            "--progress=plain",
            *(["--load"] if cli.buildx else []),
            *(f"--secret=id={name},src={secrets / name}" for name in ("network", "certificates")),
        ]
    else:
        told = (f"--build-arg={key}={value}" for key, value in arguments.items())
        special = ["--force-rm", *told]
    return [str(cli.program), "build", *special, *common, f"--tag={tag}", str(context)]


def build_environment(cli: Cli, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment variables of `docker build`: the user's, but for what would differ.

    A builder chosen with buildx may be a container that sees none of this machine's images.
    Attestations would make images of the same content differ.
    """
    chosen = {
        "BUILDX_BUILDER": _own_builder(environment),
        "DOCKER_BUILDKIT": "1" if cli.builder == "buildkit" else "0",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }
    removed = "DOCKER_DEFAULT_PLATFORM"
    return {key: value for key, value in environment.items() if key != removed} | chosen


def _own_builder(environment: Mapping[str, str]) -> str:
    """Return buildx's name of the builder that is the daemon itself: it is the context's."""
    if environment.get("DOCKER_HOST"):
        return "default"
    return environment.get("DOCKER_CONTEXT") or get_current_context_name() or "default"
