"""Building an image from its recipe, with the Docker command line or without."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from docker.models.images import Image

import harness
from harness.environments.docker import names
from harness.environments.docker.building.cli import Cli, build_command, build_environment
from harness.environments.docker.building.network import needs_host_network, network_files
from harness.environments.docker.building.output import build_failure, phrase, shown
from harness.environments.docker.building.recipe import CUDA, INSTALL, Recipe, wanted_file
from harness.environments.docker.daemon import (
    DOCKER_ERRORS,
    Daemon,
    daemon_failure,
    find_image,
    stream_error,
)
from harness.environments.engine import CellFailure, Progress
from harness.environments.folders import private_folder
from harness.environments.owner import owner
from harness.environments.process import Completed, run_program
from harness.environments.stopping import stopped_build
from harness.environments.uv import uv_environment
from harness.environments.uv_failures import RETRIED

__all__ = ["ImageBuild", "build_image", "remove_stages"]

_PAUSES_SECONDS = (2.0, 10.0)
"""Before a build that the network broke is tried again."""
_TIMEOUT_SECONDS = 7_200.0


@dataclass(frozen=True, kw_only=True)
class ImageBuild:
    """One image to build, and what with."""

    daemon: Daemon
    cli: Cli
    recipe: Recipe
    progress: Progress
    stopped: threading.Event

    @property
    def arguments(self) -> dict[str, str]:
        """What the stages of a classic build are labelled with."""
        return {"owner": owner(), "build": self.recipe.identity}

    @property
    def labels(self) -> dict[str, str]:
        """Labels that say nothing of the content, so that they do not change the identity."""
        return {names.VERSION: harness.__version__, names.CELL: self.recipe.cell}


def build_image(build: ImageBuild) -> str | CellFailure:
    """Build the image and return all that was printed, without credentials.

    A build that the network broke is tried twice more.
    """
    try:
        with private_folder() as folder:
            context, secrets = _write_context(build, folder)
            pauses: tuple[float | None, ...] = (*_PAUSES_SECONDS, None)
            for pause in pauses:
                completed = _build(build, context, secrets)
                if build.stopped.is_set():
                    return stopped_build()
                if completed.status == 0 and find_image(build.daemon, build.recipe.tag):
                    return shown(completed.output)
                failure = build_failure(completed, distribution=build.recipe.lock.distribution)
                if failure.type not in RETRIED or pause is None:
                    return failure
                build.progress("waiting for the network")
                build.stopped.wait(pause)
    except DOCKER_ERRORS as error:
        return stopped_build() if build.stopped.is_set() else daemon_failure(error)
    raise AssertionError("unreachable")


def remove_stages(daemon: Daemon, *labels: str) -> None:
    """Remove what classic builds leave behind, which holds credentials: images with `labels`.

    Each is `label=value`; another that is a child of one is removed before it.
    """
    before = -1
    # Podman removes no image with children and lists them in no order: again while it helps.
    while (found := _stages(daemon, labels)) and len(found) != before:
        before = len(found)
        for image in found:
            with suppress(*DOCKER_ERRORS):  # gone with its child, or a running build's
                daemon.client.images.remove(str(image.id))


def _stages(daemon: Daemon, labels: Sequence[str]) -> list[Image]:
    # Podman finds nothing where it is asked for several labels.
    stages = daemon.client.images.list(filters={"label": f"{names.ROLE}=stage"}, all=True)
    wanted = set(labels)
    return [
        image
        for image in stages
        if wanted <= {f"{key}={value}" for key, value in image.labels.items()}
    ]


def _write_context(build: ImageBuild, folder: Path) -> tuple[Path, Path]:
    """Write what is built from; the secrets among it only where the builder needs them there."""
    context, secrets = folder / "context", folder / "secrets"
    context.mkdir()
    secrets.mkdir()
    made = build.recipe
    if made.cuda:
        (context / CUDA).write_text(made.cuda, encoding="utf-8")
    for name, text in {
        "Dockerfile": made.dockerfile,
        INSTALL: made.install,
        "left-out": "".join(f"{place}\n" for place in made.left_out),
        "requirements.lock": made.lock.text,
        "wanted": wanted_file(made.identity, made.options),
    }.items():
        (context / name).write_text(text, encoding="utf-8")
    if build.cli.builder == "classic":
        secrets = context
    for name, content in network_files(uv_environment()).items():
        (secrets / name).write_bytes(content)
    return context, secrets


def _build(build: ImageBuild, context: Path, secrets: Path) -> Completed:
    host_network = needs_host_network(uv_environment())
    if build.cli.program is None:
        return _build_without_cli(build, context, host_network=host_network)
    try:
        return run_program(
            build_command(
                build.cli,
                tag=build.recipe.tag,
                context=context,
                secrets=secrets,
                labels=build.labels,
                arguments=build.arguments,
                host_network=host_network,
            ),
            environment=build_environment(build.cli),
            timeout_seconds=_TIMEOUT_SECONDS,
            on_stdout_line=_teller(build.progress),
            on_stderr_line=_teller(build.progress),
        )
    finally:
        _remove_own_stages(build)


def _build_without_cli(build: ImageBuild, context: Path, *, host_network: bool) -> Completed:
    """Build with the classic builder through the `docker` package."""
    tell = _teller(build.progress)
    status, output = 0, []
    try:
        for text, failed in _stream(build, context, host_network=host_network):
            output.append(text)
            tell(text)
            status = 1 if failed else status
    finally:
        _remove_own_stages(build)
    return Completed(status, "".join(output), "")


def _stream(build: ImageBuild, context: Path, *, host_network: bool) -> Iterator[tuple[str, bool]]:
    """Yield what the build prints, and whether that is the error that ended it."""
    for entry in build.daemon.client.api.build(
        path=str(context),
        tag=build.recipe.tag,
        labels=build.labels,
        buildargs=build.arguments,
        network_mode="host" if host_network else None,
        rm=True,  # Podman does not take it for part of the other
        forcerm=True,
        decode=True,
    ):
        error = stream_error(entry)
        yield entry.get("stream") or error or "", error is not None


def _remove_own_stages(build: ImageBuild) -> None:
    if build.cli.builder == "classic":
        owned, built = (f"{names.OWNER}={owner()}", f"{names.BUILD}={build.recipe.identity}")
        remove_stages(build.daemon, owned, built)


def _teller(progress: Progress) -> Callable[[str], None]:
    """Return a listener to output lines that tells each new phrase once."""
    told: list[str] = []

    def tell(line: str) -> None:
        said = phrase(line)
        if said is not None and said not in told:
            told.append(said)
            progress(said)

    return tell
