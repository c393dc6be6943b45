"""Which base image a Python gets: a registry's, one of this machine, or one made here."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from docker.errors import NotFound

from harness.environments.docker import names
from harness.environments.docker.bases.archive import write_archive
from harness.environments.docker.bases.host_slice import (
    CHANGES,
    EPOCH,
    SliceError,
    fingerprint,
    make_root,
    obstacle,
)
from harness.environments.docker.daemon import (
    DOCKER_ERRORS,
    Daemon,
    daemon_failure,
    docker_directory,
    explain,
    find_image,
    import_archive,
)
from harness.environments.engine import CellFailure, Progress
from harness.environments.folders import private_folder
from harness.environments.interpreters import (
    Interpreter,
    Places,
    inspect_interpreter,
    provide_interpreter,
    search,
)
from harness.files import write_atomically
from harness.observation import Base, Ending, Stage

__all__ = ["Bases", "movable_interpreter"]

_ANY_PYTHON = "3.11"
_SYSTEM_FOLDERS = (Path("/usr/bin"), Path("/bin"))


class Bases:
    """The base of each Python, looked for once in the life of the harness.

    The order is: `python:X.Y-slim` from a registry, pinned by digest; an image of that name on
    this machine; one made from a CPython of this machine. A registry that failed once is not
    asked again, so that a sweep does not wait for it with every cell; what it answered in earlier
    runs holds then, where that base was pulled.
    """

    def __init__(self, daemon: Daemon, prefix: str | None = None) -> None:
        self._daemon = daemon
        self._prefix = os.environ.get("HARNESS_BASE_REGISTRY", "") if prefix is None else prefix
        self._found: dict[str, Base] = {}
        self._digests: dict[str, str | None] = {}
        self._silence: str | None = None
        self._lock = threading.RLock()

    def describe(self) -> str:
        """Say where bases come from; asks the registry if it was not asked yet."""
        if not self._digests:
            self._digest(_ANY_PYTHON)
        if self._silence is None:
            return f"bases {self._reference('X.Y')} from a registry, by digest"
        pulled = "pulled before, else " if any(_digests_directory().glob("*")) else ""
        return f"bases {pulled}made from this machine's interpreters (no registry answers)"

    def obstacle(self, python: str) -> str | None:
        """Return why `python` (`X.Y`) cannot get a base here, or None where it can."""
        with self._lock:
            if self._digest(python) is not None or self._local(python) is not None:
                return None
            found = _provide(python, self._daemon.machine)
            if not isinstance(found, str):
                return None
            registry = self._silence or f"the registry has no {self._reference(python)}"
            return f"{registry}; no local image {self._reference(python)}; {found}"

    def get(self, python: str, progress: Progress) -> Base | CellFailure:
        """Return the base of `python` (`X.Y`), pulled or made if it is not there."""
        with self._lock:
            try:
                if python not in self._found:
                    found = self._get(python, progress)
                    if isinstance(found, CellFailure):
                        return found
                    self._found[python] = found
            except (SliceError, *DOCKER_ERRORS) as error:
                return daemon_failure(error)
            return self._found[python]

    def _get(self, python: str, progress: Progress) -> Base | CellFailure:
        digest = self._digest(python)
        if digest is not None:
            return self._pull(python, digest, progress)
        local = self._local(python)
        if local is not None:
            return local
        interpreter = _provide(python, self._daemon.machine)
        if isinstance(interpreter, str):
            return CellFailure(
                stage=Stage.BUILD,
                ending=Ending.SKIPPED,
                type="NoBase",
                message=self.obstacle(python) or interpreter,
            )
        return _make(self._daemon, interpreter, progress)

    def _reference(self, python: str) -> str:
        return f"{self._prefix}python:{python}-slim"

    def _digest(self, python: str) -> str | None:
        """Return the digest the registry has for `python`, or had when it answered; or None."""
        with self._lock:
            if python not in self._digests:
                digest = self._ask(python) if self._silence is None else None
                self._digests[python] = digest or self._pulled_before(python)
            return self._digests[python]

    def _ask(self, python: str) -> str | None:
        try:
            data = self._daemon.hasty.images.get_registry_data(self._reference(python))
        except NotFound:
            return None
        except DOCKER_ERRORS as error:
            self._silence = f"no registry answers ({explain(error)[1]})"
            return None
        with suppress(
            OSError
        ):  # a cache that cannot be written serves no later run, and that is all
            write_atomically(self._note(python), str(data.id))
        return str(data.id)

    def _pulled_before(self, python: str) -> str | None:
        """Return the digest of an earlier run where no registry answers and its base is here."""
        if self._silence is None:
            return None
        with suppress(*DOCKER_ERRORS):
            digest = self._note(python).read_text(encoding="ascii")
            if find_image(self._daemon, f"{self._reference(python)}@{digest}") is not None:
                return digest
        return None

    def _note(self, python: str) -> Path:
        return _digests_directory() / quote(self._reference(python), safe="")

    def _pull(self, python: str, digest: str, progress: Progress) -> Base | CellFailure:
        reference = f"{self._reference(python)}@{digest}"
        if find_image(self._daemon, reference) is None:
            progress(f"downloading the base {self._reference(python)}")
            self._daemon.client.images.pull(f"{self._prefix}python@{digest}")
        return Base(kind="registry", reference=reference, digest=digest)

    def _local(self, python: str) -> Base | None:
        image = find_image(self._daemon, self._reference(python))
        if image is None or names.ROLE in image.labels:
            return None
        return Base(kind="local-image", reference=self._reference(python), digest=image.id)


def _digests_directory() -> Path:
    """Return the folder of the digests that registries answered with."""
    return docker_directory() / "digests"


def movable_interpreter(python: str) -> Interpreter | None:
    """Return the newest CPython `python` of this machine that can be moved into an image.

    The system's own cannot, even where it is newer: it is spread over `/usr`.
    """
    places = Places.of_this_machine()
    path = tuple(folder for folder in places.path if folder not in _SYSTEM_FOLDERS)
    return search(python, replace(places, path=path), inspect_interpreter)


def _provide(python: str, machine: str) -> Interpreter | str:
    """Return a CPython `python` to make a base for `machine` from, or why there is none."""
    found = movable_interpreter(python) or provide_interpreter(python)
    return found if isinstance(found, str) else obstacle(found, machine) or found


def _make(daemon: Daemon, interpreter: Interpreter, progress: Progress) -> Base:
    """Return the base made from `interpreter`, made anew only where something in it changed."""
    known = docker_directory() / "bases" / fingerprint(interpreter)
    if known.exists():
        made = _base(interpreter, known.read_text(encoding="ascii"))
        if find_image(daemon, made.reference) is not None:
            return made
    progress(f"making a base from {interpreter}")
    with private_folder() as folder:
        root, archive = folder / "root", folder / "base.tar"
        root.mkdir()
        make_root(interpreter, root)
        base = _base(interpreter, f"sha256:{write_archive(root, archive, mtime=EPOCH)}")
        import_archive(
            daemon,
            archive,
            repository=names.BASES,
            tag=base.reference.rpartition(":")[2],
            changes=(*CHANGES, f"LABEL {names.ROLE}=base"),
        )
    write_atomically(known, base.digest or "")
    return base


def _base(interpreter: Interpreter, digest: str) -> Base:
    reference = f"{names.BASES}:py{interpreter.python}-{digest.removeprefix('sha256:')[:12]}"
    return Base(kind="host-slice", reference=reference, digest=digest)
