"""The Docker engine: one image for each environment, one locked-down container for each run."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

from harness.cell import Cell, Device, Platform
from harness.environments.cpus import CpuPool
from harness.environments.cuda import system_cuda
from harness.environments.docker.bases.choose import Bases, movable_interpreter
from harness.environments.docker.bases.cuda import CudaImage
from harness.environments.docker.building.build import ImageBuild, build_image
from harness.environments.docker.building.check import check_image
from harness.environments.docker.building.cli import Cli, find_cli
from harness.environments.docker.building.installer import provide_installer
from harness.environments.docker.building.mounted import MountedBuild, mounted_environment
from harness.environments.docker.building.network import needs_host_network
from harness.environments.docker.building.origin import pulled_from
from harness.environments.docker.building.recipe import Recipe, recipe
from harness.environments.docker.building.registry import Answer, Registry
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
from harness.environments.docker.keeping.images import DockerPlace, build_lock
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
from harness.environments.folders import locked, remove_folder
from harness.environments.gpu import no_gpu
from harness.environments.interpreters import Interpreter, find_interpreter, host_platform
from harness.environments.keeping.kept import EVERYTHING, Inventory, Selection
from harness.environments.keeping.room import Room
from harness.environments.keeping.uses import Uses
from harness.environments.lock import resolve
from harness.environments.options import Options
from harness.environments.process import stop_programs
from harness.environments.stopping import stopped_build, stopped_run
from harness.environments.uv import uv_environment
from harness.errors import NoEngineError
from harness.observation import Ending, EnvironmentFacts, Image, Stage

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
        self._pulls = Registry(daemon, options.pull, self._stopped)
        self._pushes = Registry(daemon, options.push, self._stopped)
        self._uses = Uses("docker")
        self._room = Room(DockerPlace(daemon, self._uses), self._uses, options.disk_bytes)

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
                made = self._bake(cell, lock, progress)
        except DOCKER_ERRORS as error:
            return daemon_failure(error)
        return made if isinstance(made, CellFailure) else made.model_copy(update={"gpu": gpu})

    def run(self, environment: Environment, run: Run, progress: Progress) -> tuple[RunOutcome, ...]:
        """Run every attempt; returns when nothing of them is left running."""
        if self._stopped.is_set():
            return (stopped_run(),) * len(run.attempts)
        with self._cpus.reserve(run.limits.cpus) as cpus:
            return run_in_containers(
                self._daemon,
                environment,
                run,
                sight=self._sight,
                sent=self._sent,
                cpus=cpus,
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
        self._bases = Bases(self._daemon, self._options.base)
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
                progress=progress,
                stopped=self._stopped,
            )
        )

    def _bake(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        """Make the image of `lock`, or find it."""
        wanted = self._recipe(cell, lock, progress)
        if isinstance(wanted, CellFailure):
            return wanted
        return self._build_in_room(cell, wanted, progress)

    def _recipe(self, cell: Cell, lock: Lock, progress: Progress) -> Recipe | CellFailure:
        """Return what the image of `lock` is made from; all of it is there then."""
        base = self._bases.get(cell.python, progress)
        if isinstance(base, CellFailure):
            return base
        cuda = self._cuda(cell, progress)
        if isinstance(cuda, CellFailure):
            return cuda
        installer = provide_installer(self._daemon)
        if isinstance(installer, CellFailure):
            return installer
        return recipe(
            *(cell, lock, base), installer=installer, builder=self._cli.builder, cuda=cuda
        )

    def _cuda(self, cell: Cell, progress: Progress) -> CudaImage | CellFailure | None:
        """Return the image to take CUDA from; None where the cell's packages bring what it needs.

        A release that no table knows brings its own, as all have done since 2.14.
        """
        pair = system_cuda(cell)
        if pair is None:
            return None
        return self._bases.cuda(pair.cuda, pair.cudnn, cell.tensorflow, progress)

    def _notes(self) -> tuple[Path, ...]:
        """Return the folders of what is noted, which are of no use without the images."""
        return () if self._uses.others_at_work() else (docker_directory(), self._uses.folder)

    def _build_in_room(
        self, cell: Cell, wanted: Recipe, progress: Progress
    ) -> Environment | CellFailure:
        """Build the image `wanted`, or find it, once the disk has room for it."""
        expected = self._uses.expected_bytes(cell)
        full = self._room.enter(wanted.tag, expected, stopped=self._stopped, progress=progress)
        if full is not None:
            return full
        made: Environment | CellFailure | None = None
        try:
            # One of several builders of one image works, in this process or others.
            with locked(build_lock(wanted.tag), self._stopped) as held:
                made = self._build(wanted, progress) if held else stopped_build()
        finally:
            if isinstance(made, Environment):
                self._room.made(wanted.tag)
            else:
                self._room.leave(wanted.tag)
        if isinstance(made, Environment) and made.facts.image is not None:
            self._uses.note_size(cell, made.facts.image.size_bytes)
        return made

    def _build(self, wanted: Recipe, progress: Progress) -> Environment | CellFailure:
        """Return the environment of the image `wanted`, built if it is not there; checked."""
        there = find_image(self._daemon, wanted.tag)
        if there is not None:
            wrong = check_image(self._daemon, there.id or "", wanted.lock)
            return wrong or self._environment(wanted, progress, seconds=0.0, reused=True)
        started = time.monotonic()
        taken = self._pulls.take(
            wanted, lambda image: check_image(self._daemon, image, wanted.lock), progress
        )
        if self._stopped.is_set():
            return stopped_build()
        log = "" if taken.reference is not None else self._built(wanted, progress)
        if isinstance(log, CellFailure):
            return log
        seconds = time.monotonic() - started
        image = self._daemon.client.images.get(wanted.tag)
        return check_image(self._daemon, image.id or "", wanted.lock) or self._environment(
            wanted, progress, seconds=seconds, reused=False, log=log, taken=taken
        )

    def _index_out_of_reach(self) -> CellFailure | None:
        """Return what becomes of a build whose index or proxy its machine cannot reach."""
        if not needs_host_network(uv_environment()) or self._sight.shares_loopback():
            return None
        return CellFailure(
            stage=Stage.BUILD,
            ending=Ending.INFRASTRUCTURE,
            type="IndexOutOfReach",
            message=(
                "the package index or proxy is on this machine's loopback, and the Docker daemon"
                " is not on this machine: give an address that its machine can reach"
            ),
        )

    def _built(self, wanted: Recipe, progress: Progress) -> str | CellFailure:
        return self._index_out_of_reach() or build_image(
            ImageBuild(
                daemon=self._daemon,
                cli=self._cli,
                recipe=wanted,
                progress=progress,
                stopped=self._stopped,
            )
        )

    def _environment(
        self,
        made: Recipe,
        progress: Progress,
        *,
        seconds: float,
        reused: bool,
        log: str = "",
        taken: Answer = Answer(),  # noqa: B008 - immutable
    ) -> Environment:
        image = self._daemon.client.images.get(made.tag)
        base = find_image(self._daemon, made.base.reference)
        origin = pulled_from(made, image.id or "")
        given = self._pushes.give(made.tag, progress)
        return Environment(
            identity=f"docker-{made.identity}",
            facts=EnvironmentFacts(
                lock_digest=made.lock.digest,
                distribution=made.lock.distribution,
                base=made.base,
                image=Image(
                    tag=made.tag,
                    digest=image.id or "",
                    size_bytes=image.attrs.get("Size"),
                    base_bytes=None if base is None else base.attrs.get("Size"),
                    pushed=given.reference or origin,
                ),
                builder="pulled" if origin is not None else self._cli.builder,
                installer=made.lock.installer,
            ),
            location=made.tag,
            build_seconds=seconds,
            reused=reused,
            notes=tuple(note for note in (taken.note, given.note) if note is not None),
            log=log,
        )
