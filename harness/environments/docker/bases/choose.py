"""Which base image a Python gets: a registry's, one of this machine, or one made here."""

from __future__ import annotations

import os
import threading

from harness.environments.docker.bases.cuda import CudaImage, CudaImages
from harness.environments.docker.bases.debian import DebianBases
from harness.environments.docker.bases.local_image import LocalImageBases
from harness.environments.docker.bases.pinned import PinnedBases, load_bases
from harness.environments.docker.bases.registry import Registry, RegistryBases
from harness.environments.docker.bases.slices import HostSliceBases, movable_interpreter
from harness.environments.docker.bases.source import Source
from harness.environments.docker.daemon import (
    DOCKER_ERRORS,
    Daemon,
    daemon_failure,
    docker_directory,
)
from harness.environments.engine import CellFailure, Progress
from harness.environments.options import BaseSource
from harness.observation import Base, Ending, Stage

__all__ = ["Bases", "CudaImage", "movable_interpreter"]

_VARIABLE = "HARNESS_BASE_REGISTRY"
"""What stands before the name of every image of a registry, such as `mirror.example/library/`."""
_ANY_PYTHON = "3.11"


class Bases:
    """The base of each Python, looked for once in the life of the harness.

    `wanted` names the source to take them from. With `auto` it is the first that has one: a
    registry, pinned by digest; an image of that name on this machine; one made from a CPython of
    this machine; one made of Debian's packages.
    """

    def __init__(
        self,
        daemon: Daemon,
        wanted: BaseSource = "auto",
        *,
        prefix: str | None = None,
        pinned: PinnedBases | None = None,
    ) -> None:
        """Prepare the sources; nothing is asked yet.

        Raises:
            BasesError: `bases.yaml` is wrong.
        """
        self.pinned = load_bases() if pinned is None else pinned
        prefix = os.environ.get(_VARIABLE, "") if prefix is None else prefix
        self.registry = Registry(daemon, prefix)
        self.cuda_images = CudaImages(daemon, self.registry, self.pinned, wanted)
        sources: tuple[Source, ...] = (
            RegistryBases(self.registry, self.pinned),
            LocalImageBases(daemon, prefix, self.pinned),
            HostSliceBases(daemon),
            DebianBases(daemon),
        )
        self._wanted = wanted
        self._sources = tuple(each for each in sources if wanted in ("auto", each.name))
        self._got: dict[str, Base] = {}
        self._lock = threading.RLock()

    def forget(self) -> None:
        """Look for every base anew, since some were removed."""
        with self._lock:
            self._got.clear()

    def describe(self) -> str:
        """Say where bases come from; asks the registry if it was not asked yet."""
        if self._wanted not in ("auto", "registry"):
            return self._sources[0].describe()
        self.registry.find(self.pinned.of_python(_ANY_PYTHON))
        if self.registry.silence is None:
            notes = "".join(f"; {note}" for note in self.registry.notes)
            return f"{self._sources[0].describe()}{notes}"
        if self._wanted == "registry":
            return f"bases pulled before from a registry ({self.registry.silence})"
        kept = any((docker_directory() / "digests").glob("*"))
        pulled = "pulled before, else " if kept else ""
        return f"bases {pulled}made from this machine's interpreters (no registry answers)"

    def obstacle(self, python: str) -> str | None:
        """Return why `python` (`X.Y`) cannot get a base here, or None where it can.

        Raises:
            Those of `DOCKER_ERRORS`: the daemon does not answer.
        """
        found = self.preview(python)
        return found if isinstance(found, str) else None

    def preview(self, python: str) -> Base | str:
        """Return the base that `python` (`X.Y`) would get, or why it gets none.

        Nothing is downloaded or made: what has to be made first has no digest yet.

        Raises:
            Those of `DOCKER_ERRORS`: the daemon does not answer.
        """
        chosen = self._choose(python)
        return chosen if isinstance(chosen, str) else chosen[1]

    def get(self, python: str, progress: Progress) -> Base | CellFailure:
        """Return the base of `python` (`X.Y`), pulled or made if it is not there."""
        with self._lock:
            if python in self._got:
                return self._got[python]
            try:
                chosen = self._choose(python)
                if isinstance(chosen, str):
                    return CellFailure(
                        stage=Stage.BUILD, ending=Ending.SKIPPED, type="NoBase", message=chosen
                    )
                got = chosen[0].get(python, progress)
            except DOCKER_ERRORS as error:
                return daemon_failure(error)
            if isinstance(got, Base):
                self._got[python] = got
            return got

    def cuda(
        self, version: str, cudnn: str, tensorflow: str, progress: Progress
    ) -> CudaImage | CellFailure:
        """Return an image that holds CUDA `version` and `cudnn` (both `X.Y`), pulled if need be.

        Of several official images of TensorFlow, that of release `tensorflow` comes first.
        """
        with self._lock:
            try:
                return self.cuda_images.get(version, cudnn, tensorflow, progress)
            except DOCKER_ERRORS as error:
                return daemon_failure(error)

    def _choose(self, python: str) -> tuple[Source, Base] | str:
        """Return the first source that has a base for `python`, and that base; or why none has."""
        reasons = []
        for source in self._sources:
            found = source.preview(python)
            if isinstance(found, Base):
                return source, found
            reasons.append(found)
        why = "; ".join(reasons)
        return why if self._wanted == "auto" else f"no base of source {self._wanted}: {why}"
