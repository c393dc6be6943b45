"""Images of environments: found, pulled or built, then checked and pushed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from harness.cell import Cell
from harness.environments.cuda import system_cuda
from harness.environments.docker.bases.choose import Bases
from harness.environments.docker.bases.cuda import CudaImage
from harness.environments.docker.building.build import ImageBuild, build_image
from harness.environments.docker.building.check import check_image
from harness.environments.docker.building.cli import Cli
from harness.environments.docker.building.installer import provide_installer
from harness.environments.docker.building.origin import pulled_from
from harness.environments.docker.building.reach import index_out_of_reach
from harness.environments.docker.building.recipe import Recipe, recipe
from harness.environments.docker.building.registry import Answer, Registry
from harness.environments.docker.daemon import Daemon, find_image
from harness.environments.docker.keeping.images import build_lock
from harness.environments.docker.sight import Sight
from harness.environments.engine import CellFailure, Environment, Lock, Progress
from harness.environments.folders import locked
from harness.environments.keeping.room import Room
from harness.environments.keeping.uses import Uses
from harness.environments.stopping import stopped_build
from harness.observation import EnvironmentFacts, Image

__all__ = ["Bakery"]


@dataclass(frozen=True, kw_only=True)
class Bakery:
    """What images are made with. Every method can be called from any thread."""

    daemon: Daemon
    cli: Cli
    bases: Bases
    room: Room
    uses: Uses
    sight: Sight
    pulls: Registry
    pushes: Registry
    stopped: threading.Event

    def bake(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        """Make the image of `lock`, or find it.

        Raises:
            Those of `DOCKER_ERRORS`: the daemon or the disk failed.
        """
        wanted = self._recipe(cell, lock, progress)
        if isinstance(wanted, CellFailure):
            return wanted
        return self._build_in_room(cell, wanted, progress)

    def _recipe(self, cell: Cell, lock: Lock, progress: Progress) -> Recipe | CellFailure:
        """Return what the image of `lock` is made from; all of it is there then."""
        base = self.bases.get(cell.python, progress)
        if isinstance(base, CellFailure):
            return base
        cuda = self._cuda(cell, progress)
        if isinstance(cuda, CellFailure):
            return cuda
        installer = provide_installer(self.daemon)
        if isinstance(installer, CellFailure):
            return installer
        return recipe(*(cell, lock, base), installer=installer, builder=self.cli.builder, cuda=cuda)

    def _cuda(self, cell: Cell, progress: Progress) -> CudaImage | CellFailure | None:
        """Return the image to take CUDA from; None where the cell's packages bring what it needs.

        A release that no table knows brings its own, as all have done since 2.14.
        """
        pair = system_cuda(cell)
        if pair is None:
            return None
        return self.bases.cuda(pair.cuda, pair.cudnn, cell.tensorflow, progress)

    def _build_in_room(
        self, cell: Cell, wanted: Recipe, progress: Progress
    ) -> Environment | CellFailure:
        """Build the image `wanted`, or find it, once the disk has room for it."""
        expected = self.uses.expected_bytes(cell)
        full = self.room.enter(wanted.tag, expected, stopped=self.stopped, progress=progress)
        if full is not None:
            return full
        made: Environment | CellFailure | None = None
        try:
            # One of several builders of one image works, in this process or others.
            with locked(build_lock(wanted.tag), self.stopped) as held:
                made = self._build(wanted, progress) if held else stopped_build()
        finally:
            if isinstance(made, Environment):
                self.room.made(wanted.tag)
            else:
                self.room.leave(wanted.tag)
        if isinstance(made, Environment) and made.facts.image is not None:
            self.uses.note_size(cell, made.facts.image.size_bytes)
        return made

    def _build(self, wanted: Recipe, progress: Progress) -> Environment | CellFailure:
        """Return the environment of the image `wanted`, built if it is not there; checked."""
        there = find_image(self.daemon, wanted.tag)
        if there is not None:
            wrong = check_image(self.daemon, there.id or "", wanted.lock)
            return wrong or self._environment(wanted, progress, seconds=0.0, reused=True)
        started = time.monotonic()
        taken = self.pulls.take(
            wanted, lambda image: check_image(self.daemon, image, wanted.lock), progress
        )
        if self.stopped.is_set():
            return stopped_build()
        log = "" if taken.reference is not None else self._built(wanted, progress)
        if isinstance(log, CellFailure):
            return log
        seconds = time.monotonic() - started
        image = self.daemon.client.images.get(wanted.tag)
        return check_image(self.daemon, image.id or "", wanted.lock) or self._environment(
            wanted, progress, seconds=seconds, reused=False, log=log, taken=taken
        )

    def _built(self, wanted: Recipe, progress: Progress) -> str | CellFailure:
        return index_out_of_reach(self.sight) or build_image(
            ImageBuild(
                daemon=self.daemon,
                cli=self.cli,
                recipe=wanted,
                progress=progress,
                stopped=self.stopped,
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
        image = self.daemon.client.images.get(made.tag)
        base = find_image(self.daemon, made.base.reference)
        origin = pulled_from(made, image.id or "")
        given = self.pushes.give(made.tag, progress)
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
                builder="pulled" if origin is not None else self.cli.builder,
                installer=made.lock.installer,
            ),
            location=made.tag,
            build_seconds=seconds,
            reused=reused,
            notes=tuple(note for note in (taken.note, given.note) if note is not None),
            log=log,
        )
