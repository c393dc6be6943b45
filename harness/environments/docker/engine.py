"""The Docker engine: one image for each environment, one locked-down container for each run."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Literal

from packaging.version import Version

from harness.cell import Cell, Device, Platform
from harness.environments.cpus import CpuPool
from harness.environments.docker.bases.choose import Bases, movable_interpreter
from harness.environments.docker.building.build import ImageBuild, build_image
from harness.environments.docker.building.cli import Cli, find_cli
from harness.environments.docker.building.installer import provide_installer
from harness.environments.docker.building.recipe import Recipe, recipe
from harness.environments.docker.clean import (
    clean_docker,
    remove_leftovers,
    remove_own_stage_containers,
)
from harness.environments.docker.daemon import (
    DOCKER_ERRORS,
    Daemon,
    daemon_failure,
    docker_directory,
    explain,
    find_daemon,
    find_image,
)
from harness.environments.docker.running.containers import run_in_containers
from harness.environments.engine import (
    CellFailure,
    Environment,
    Lock,
    Progress,
    Run,
    RunOutcome,
)
from harness.environments.folders import locked, remove_folder
from harness.environments.gpu import gpu_names, no_gpu
from harness.environments.interpreters import Interpreter, find_interpreter, host_platform
from harness.environments.lock import resolve
from harness.environments.options import Options
from harness.environments.process import stop_programs
from harness.environments.stopping import stopped_build, stopped_run
from harness.errors import NoEngineError
from harness.observation import Ending, EnvironmentFacts, Image, Stage

__all__ = ["DockerEngine", "connect"]

_FIRST_WITH_CUDA = Version("2.14")
"""The first TensorFlow whose extra `and-cuda` brings the CUDA libraries as wheels."""


def connect(options: Options = Options()) -> DockerEngine | str:  # noqa: B008 - immutable
    """Return the engine on the daemon that answers, or one line that says why there is none."""
    daemon = find_daemon()
    if isinstance(daemon, str):
        return daemon
    return DockerEngine(daemon, find_cli(), options)


class DockerEngine:
    """Builds images and runs probes in containers of them.

    Once stopped it stays stopped: every later call is answered at once.
    """

    name: Literal["docker"] = "docker"

    def __init__(
        self,
        daemon: Daemon,
        cli: Cli,
        options: Options = Options(),  # noqa: B008 - immutable
    ) -> None:
        self._daemon = daemon
        self._cli = cli
        self._options = options
        self._bases = Bases(daemon)
        self._cpus = CpuPool()
        self._stopped = threading.Event()

    @property
    def platform(self) -> Platform:
        """The daemon's, which need not be this machine's."""
        return Platform(system="linux", machine=self._daemon.machine)

    def describe(self) -> str:
        """Return one line for the first line of the output and every report."""
        return (
            f"docker engine: {self._daemon.version} with {self._cli}, {self._bases.describe()};"
            " sandbox: no network, read-only, not root, no capabilities"
        )

    def unobtainable(self, pythons: frozenset[str]) -> dict[str, str]:
        """Return the Pythons that get no base here, each with the reason.

        Raises:
            NoEngineError: the daemon answered before and does not now.
        """
        try:
            obstacles = {python: self._bases.obstacle(python) for python in sorted(pythons)}
        except DOCKER_ERRORS as error:
            raise NoEngineError(
                f"engine docker: the daemon went away ({explain(error)[1]})\n"
                "  Start Docker and run the same command again."
            ) from error
        return {python: why for python, why in obstacles.items() if why is not None}

    def lock(
        self, cell: Cell, requirements: tuple[str, ...], progress: Progress
    ) -> Lock | CellFailure:
        """Resolve with an interpreter of this machine where one is like the image's."""
        if self._stopped.is_set():
            return stopped_build()
        return resolve(
            cell,
            requirements,
            interpreter=self._interpreter(cell.python),
            platform=self.platform,
            progress=progress,
            refresh=self._options.refresh,
        )

    def build(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        """Make the image of `lock`, or return the one that is there."""
        if self._stopped.is_set():
            return stopped_build()
        failure = _cannot_run_here(cell)
        if failure is not None:
            return failure
        base = self._bases.get(cell.python, progress)
        if isinstance(base, CellFailure):
            return base
        try:
            installer = provide_installer(self._daemon)
            if isinstance(installer, CellFailure):
                return installer
            wanted = recipe(cell, lock, base, installer=installer, builder=self._cli.builder)
            # One of several builders of one image works, in this process or others.
            lock_file = docker_directory() / "locks" / f"{wanted.identity}.lock"
            with locked(lock_file, self._stopped) as held:
                return self._build(wanted, progress) if held else stopped_build()
        except DOCKER_ERRORS as error:
            return daemon_failure(error)

    def run(self, environment: Environment, run: Run, progress: Progress) -> tuple[RunOutcome, ...]:
        """Run every attempt; returns when nothing of them is left running."""
        if self._stopped.is_set():
            return (stopped_run(),) * len(run.attempts)
        with self._cpus.reserve(run.limits.cpus) as cpus:
            return run_in_containers(
                self._daemon, environment, run, cpus=cpus, stopped=self._stopped, progress=progress
            )

    def release(self, environment: Environment) -> None:
        """Leave the image where it is."""

    def stop(self) -> None:
        """End everything in flight, for good."""
        self._stopped.set()
        stop_programs()
        with suppress(*DOCKER_ERRORS):
            remove_own_stage_containers(self._daemon)

    def remove_leftovers(self) -> tuple[str, ...]:
        """Remove what harness processes that were killed left behind."""
        try:
            return remove_leftovers(self._daemon)
        except DOCKER_ERRORS as error:
            return (f"could not look for leftovers: {explain(error)[1]}",)

    def clean(self) -> tuple[str, ...]:
        """Remove every container, image and build cache of the harness."""
        self._bases = Bases(self._daemon)
        removed = remove_folder(docker_directory())
        said = () if removed is None else (removed,)
        try:
            return (*clean_docker(self._daemon), *said)
        except DOCKER_ERRORS as error:
            return (*said, f"could not clean Docker: {explain(error)[1]}")

    def _interpreter(self, python: str) -> Interpreter | None:
        if host_platform() != self.platform:
            return None
        return movable_interpreter(python) or find_interpreter(python)

    def _build(self, wanted: Recipe, progress: Progress) -> Environment | CellFailure:
        """Return the environment of the image `wanted`, built if it is not there."""
        if find_image(self._daemon, wanted.tag) is not None:
            return self._environment(wanted, seconds=0.0, reused=True)
        started = time.monotonic()
        log = build_image(
            ImageBuild(
                daemon=self._daemon,
                cli=self._cli,
                recipe=wanted,
                progress=progress,
                stopped=self._stopped,
            )
        )
        if isinstance(log, CellFailure):
            return log
        seconds = time.monotonic() - started
        return self._environment(wanted, seconds=seconds, reused=False, log=log)

    def _environment(
        self, made: Recipe, *, seconds: float, reused: bool, log: str = ""
    ) -> Environment:
        image = self._daemon.client.images.get(made.tag)
        return Environment(
            identity=f"docker-{made.identity}",
            facts=EnvironmentFacts(
                lock_digest=made.lock.digest,
                distribution=made.lock.distribution,
                base=made.base,
                image=Image(tag=made.tag, digest=image.id or ""),
                builder=self._cli.builder,
                installer=made.lock.installer,
            ),
            location=made.tag,
            build_seconds=seconds,
            reused=reused,
            log=log,
        )


def _cannot_run_here(cell: Cell) -> CellFailure | None:
    if cell.device is not Device.CUDA:
        return None
    if not gpu_names():
        return no_gpu()
    if Version(cell.tensorflow) < _FIRST_WITH_CUDA:
        return CellFailure(
            stage=Stage.BUILD,
            ending=Ending.SKIPPED,
            type="NoCudaBase",
            message=(
                f"TensorFlow {cell.tensorflow} takes CUDA from the system, and python:X.Y-slim has"
                " none; from 2.14 on the wheels of [and-cuda] bring it"
            ),
        )
    return None
