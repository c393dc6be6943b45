"""The Docker engine: one image for each environment, one locked-down container for each run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal

from harness.cell import Cell, Device, Platform
from harness.environments.cpus import CpuPool
from harness.environments.cuda import system_cuda
from harness.environments.docker.bases.choose import Bases, movable_interpreter
from harness.environments.docker.building.bakery import Bakery
from harness.environments.docker.building.cli import Cli, find_cli
from harness.environments.docker.building.mounted import MountedBuild, mounted_environment
from harness.environments.docker.building.reach import index_out_of_reach
from harness.environments.docker.building.registry import Registry
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
)
from harness.environments.docker.keeping.images import DockerPlace
from harness.environments.docker.keeping.inventory import docker_inventory
from harness.environments.docker.running.containers import run_in_containers
from harness.environments.docker.running.sandbox import isolation
from harness.environments.docker.running.transfer import Sent
from harness.environments.docker.sight import Sight
from harness.environments.engine import (
    CellFailure,
    Environment,
    Lock,
    Progress,
    Run,
    RunOutcome,
)
from harness.environments.folders import remove_folder
from harness.environments.gpu import no_gpu
from harness.environments.interpreters import Interpreter, find_interpreter, host_platform
from harness.environments.keeping.kept import EVERYTHING, Inventory, Selection
from harness.environments.keeping.room import Room
from harness.environments.keeping.uses import Uses
from harness.environments.lock import resolve
from harness.environments.options import Options
from harness.environments.process import stop_programs
from harness.environments.stopping import stopped_build, stopped_run
from harness.errors import NoEngineError

__all__ = ["DockerEngine", "connect"]


def connect(options: Options = Options()) -> DockerEngine | str:  # noqa: B008 - immutable
    """Return the engine on the daemon that answers, or one line that says why there is none."""
    with ThreadPoolExecutor() as executor:
        cli = executor.submit(find_cli)
        daemon = find_daemon()
        if isinstance(daemon, str):
            return daemon
        return DockerEngine(
            daemon, Cli(None, "classic") if daemon.podman else cli.result(), options
        )


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
        self._bases = Bases(daemon, options.base)
        self._cpus = CpuPool()
        self._sight = Sight(daemon)
        self._sent = Sent(daemon)
        self._stopped = threading.Event()
        self._uses = Uses("docker")
        self._room = Room(DockerPlace(daemon, self._uses), self._uses, options.disk_bytes)
        self._bakery = Bakery(
            daemon=daemon,
            cli=cli,
            bases=self._bases,
            room=self._room,
            uses=self._uses,
            sight=self._sight,
            pulls=Registry(daemon, options.pull, self._stopped),
            pushes=Registry(daemon, options.push, self._stopped),
            stopped=self._stopped,
        )

    @property
    def platform(self) -> Platform:
        """The daemon's, which need not be this machine's."""
        return Platform(system="linux", machine=self._daemon.machine)

    def describe(self) -> str:
        """Return one line for the first line of the output and every report."""
        made = "mounted, not baked" if self._options.bake == "never" else f"with {self._cli}"
        return (
            f"docker engine: {self._daemon.version} {made}, {self._bases.describe()};"
            f"{self._reach()} sandbox: {isolation(self._daemon)}"
        )

    def unobtainable(self, pythons: frozenset[str]) -> dict[str, str]:
        """Return the Pythons that get no base here, each with the reason.

        Raises:
            NoEngineError: the daemon answered before and does not now.
        """
        try:
            with ThreadPoolExecutor() as executor:
                why = executor.map(self._bases.obstacle, sorted(pythons))
                obstacles = dict(zip(sorted(pythons), why, strict=True))
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
        gpu = cell.device is Device.CUDA and self._daemon.has_gpus
        if cell.device is Device.CUDA and not (gpu or self._options.check_cuda):
            return no_gpu()
        try:
            # CUDA that is taken from an image lies outside the packages: that cannot be mounted.
            if self._options.bake == "never" and system_cuda(cell) is None:
                made = self._mount(cell, lock, progress)
            else:
                made = self._bakery.bake(cell, lock, progress)
        except DOCKER_ERRORS as error:
            return daemon_failure(error)
        return made if isinstance(made, CellFailure) else made.model_copy(update={"gpu": gpu})

    def run(self, environment: Environment, run: Run, progress: Progress) -> tuple[RunOutcome, ...]:
        """Run every attempt; returns when nothing of them is left running."""
        if self._stopped.is_set():
            return (stopped_run(),) * len(run.attempts)
        return run_in_containers(
            self._daemon,
            environment,
            run,
            sight=self._sight,
            sent=self._sent,
            cpus=self._cpus,
            stopped=self._stopped,
            progress=progress,
        )

    def release(self, environment: Environment) -> None:
        """Let the image go where there is a limit on what images take; else it stays."""
        self._room.leave(environment.location)

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

    def dropped(self) -> frozenset[str]:
        """Return the images that were removed to make room for others, and not made again."""
        return self._room.dropped

    def inventory(self) -> Inventory:
        """Return what the harness keeps in Docker.

        Raises:
            NoEngineError: the daemon answered before and does not now.
        """
        try:
            return docker_inventory(self._daemon, self._uses)
        except DOCKER_ERRORS as error:
            raise NoEngineError(
                f"engine docker: what is there cannot be listed ({explain(error)[1]})"
            ) from error

    def clean(self, which: Selection = EVERYTHING) -> tuple[str, ...]:
        """Remove containers, images and build caches of the harness, or some of them."""
        self._bases.forget()
        said: tuple[str, ...] = ()
        try:
            said = clean_docker(self._daemon, self._uses, which)
            if which.everything and not which.dry_run:
                said = (*said, *filter(None, map(remove_folder, self._notes())))
            return said
        except DOCKER_ERRORS as error:
            return (*said, f"could not clean Docker: {explain(error)[1]}")

    def _reach(self) -> str:
        """Return what there is to say of the way to the daemon."""
        with suppress(*DOCKER_ERRORS):
            if not self._sight.shares_files():
                return " the daemon does not see this machine's files: models are sent to it;"
        return ""

    def _interpreter(self, python: str) -> Interpreter | None:
        if host_platform() != self.platform:
            return None
        return movable_interpreter(python) or find_interpreter(python)

    def _mount(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        """Make the environment of `lock` to be mounted, or find it."""
        base = self._bases.get(cell.python, progress)
        if isinstance(base, CellFailure):
            return base
        return mounted_environment(
            MountedBuild(
                daemon=self._daemon,
                cell=cell,
                lock=lock,
                base=base,
                obstacle=partial(index_out_of_reach, self._sight),
                progress=progress,
                stopped=self._stopped,
            )
        )

    def _notes(self) -> tuple[Path, ...]:
        """Return the folders of what is noted, which are of no use without the images."""
        return () if self._uses.others_at_work() else (docker_directory(), self._uses.folder)
