"""Environments that are no images: folders of one volume, mounted into containers of their bases.

The volume also holds uv's cache, so that uv links packages from it: what several environments have
in common takes room once, and an environment whose packages are there is made in under a second.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume
from docker.types import Mount

from harness.cell import Cell, Value
from harness.environments.docker import names
from harness.environments.docker.building.check import check_environment
from harness.environments.docker.building.image_folder import image_file
from harness.environments.docker.building.installer import installer_program
from harness.environments.docker.building.network import needs_host_network, network_files
from harness.environments.docker.building.output import install_failure, phrase, shown
from harness.environments.docker.building.recipe import INSTALL, LEFT_OUT, wanted_file
from harness.environments.docker.daemon import DOCKER_ERRORS, Daemon, docker_directory
from harness.environments.engine import CellFailure, Environment, Lock, Progress
from harness.environments.folders import locked
from harness.environments.owner import owner
from harness.environments.process import Completed
from harness.environments.resolver import date_options
from harness.environments.stopping import stopped_build
from harness.environments.uv import uv_environment
from harness.environments.uv_failures import RETRIED
from harness.files import write_atomically
from harness.observation import Base, EnvironmentFacts

__all__ = ["MountedBuild", "mounted_environment", "mounted_identity"]

_PAUSES_SECONDS = (2.0, 10.0)
"""Before an installation that the network broke is tried again."""
_TIMEOUT_SECONDS = 7_200.0
_PATIENCE_SECONDS = 1.0
_SITE = "import site; print(site.getsitepackages()[0])"
_MARK = f"{names.ENVIRONMENTS}.volume"
"""Label of the volume: what tells it from another of its name, made after it was removed."""


@dataclass(frozen=True, kw_only=True)
class MountedBuild:
    """One environment to make, and what with."""

    daemon: Daemon
    cell: Cell
    lock: Lock
    base: Base
    obstacle: Callable[[], CellFailure | None]
    """Returns why packages cannot be downloaded there."""
    progress: Progress
    stopped: threading.Event

    @property
    def identity(self) -> str:
        """sha256 (hex) of what decides the environment's content."""
        return mounted_identity(self.lock, self.base)


class _Note(Value):
    """What is noted of an environment that is whole."""

    volume: str
    compiled: bool


def mounted_identity(lock: Lock, base: Base) -> str:
    """Return the sha256 (hex) of what decides the content of a mounted environment."""
    made_by = (image_file(INSTALL), image_file(LEFT_OUT), lock.installer)
    return hashlib.sha256(json.dumps((*made_by, lock.digest, base.digest)).encode()).hexdigest()


def mounted_environment(build: MountedBuild) -> Environment | CellFailure:
    """Make the environment in the volume, or find it there.

    It has no bytecode until it is used a second time: compiling takes longer than one run without
    loses.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon or the disk failed.
    """
    with locked(docker_directory() / "locks" / f"{build.identity}.lock", build.stopped) as held:
        return _provide(build) if held else stopped_build()


def _provide(build: MountedBuild) -> Environment | CellFailure:
    volume = _volume(build.daemon)
    mark = volume.attrs["Labels"][_MARK]
    started = time.monotonic()
    known = _known(build)
    reused = known is not None and known.volume == mark
    log = ""
    if known is None or not reused or not known.compiled:
        said = _install(build, "compiled" if reused else "plain")
        if isinstance(said, CellFailure):
            return said
        log = said
    made = _environment(build, volume, reused=reused, log=log)
    seconds = 0.0 if reused else time.monotonic() - started
    failure = check_environment(
        build.daemon,
        build.base.reference,
        build.lock,
        known_as=f"{mark}-{build.identity}",
        mounts=made.mounts,
    )
    if failure is not None:
        return failure
    note = _Note(volume=mark, compiled=reused)
    if note != known:
        with suppress(OSError):  # then it is linked once more, and that is all
            write_atomically(_note(build), note.model_dump_json())
    return made.model_copy(update={"build_seconds": seconds})


def _environment(build: MountedBuild, volume: Volume, *, reused: bool, log: str) -> Environment:
    folder = f"{volume.attrs['Mountpoint']}/environments/{build.identity}"
    return Environment(
        identity=f"mounted-{build.identity}",
        facts=EnvironmentFacts(
            lock_digest=build.lock.digest,
            distribution=build.lock.distribution,
            base=build.base,
            builder="mounted",
            installer=build.lock.installer,
        ),
        location=build.base.reference,
        mounts={_site(build.daemon, build.base): folder},
        build_seconds=0.0,
        reused=reused,
        log=log,
    )


def _volume(daemon: Daemon) -> Volume:
    """Return the volume, made if it is not there."""
    with suppress(NotFound):
        return daemon.client.volumes.get(names.VOLUME)
    labels = {names.ROLE: "cache", _MARK: uuid.uuid4().hex}
    daemon.client.volumes.create(names.VOLUME, labels=labels)
    return daemon.client.volumes.get(names.VOLUME)  # another harness may have been first


def _known(build: MountedBuild) -> _Note | None:
    try:
        return _Note.model_validate_json(_note(build).read_bytes())
    except (OSError, ValueError):
        return None


def _note(build: MountedBuild) -> Path:
    return docker_directory() / "mounted" / f"{build.identity}.json"


def _site(daemon: Daemon, base: Base) -> str:
    """Return where the base's Python has its packages; asked once for each base."""
    known = docker_directory() / "sites" / (base.digest or base.reference).rpartition(":")[2]
    with suppress(OSError):
        return known.read_text(encoding="utf-8")
    answer = daemon.client.containers.run(
        base.reference,
        entrypoint=["python"],
        command=["-c", _SITE],
        labels={names.ROLE: "check", names.OWNER: owner()},
        network_mode="none",
        read_only=True,
        remove=True,
    )
    site = answer.decode().strip()
    with suppress(OSError):
        write_atomically(known, site)
    return site


def _install(build: MountedBuild, how: str) -> str | CellFailure:
    """Make the environment, or give one that is there its bytecode; return what was printed.

    An installation that the network broke is tried twice more.
    """
    obstacle = build.obstacle() if how == "plain" else None
    if obstacle is not None:
        return obstacle
    pauses: tuple[float | None, ...] = (*_PAUSES_SECONDS, None)
    for pause in pauses:
        completed = _run(build, how)
        if build.stopped.is_set():
            return stopped_build()
        if isinstance(completed, CellFailure):
            return completed
        if completed.status == 0:
            return shown(completed.output)
        failure = install_failure(completed, distribution=build.lock.distribution)
        if failure.type not in RETRIED or pause is None:
            return failure
        build.progress("waiting for the network")
        build.stopped.wait(pause)
    raise AssertionError("unreachable")


def _run(build: MountedBuild, how: str) -> Completed | CellFailure:
    """Run `install.sh` in a container of the base, with the volume; it is removed afterwards."""
    build.progress("compiling bytecode" if how == "compiled" else "downloading packages")
    with installer_program(build.daemon) as program:
        if isinstance(program, CellFailure):
            return program
        archive = _archive(build, program, how)
    with _container(build.daemon, build.base) as container:
        container.put_archive("/", archive)
        container.start()
        return _ended(build, container)


def _archive(build: MountedBuild, program: Path, how: str) -> bytes:
    """Return a tar file of what the container is given; it holds credentials."""
    wanted = wanted_file(build.identity, date_options(build.cell), mounted=how)
    files: Mapping[str, bytes] = {
        "uv": program.read_bytes(),
        "install.sh": image_file(INSTALL).encode(),
        "left-out": image_file(LEFT_OUT).encode(),
        "requirements.lock": build.lock.text.encode(),
        "wanted": wanted.encode(),
        **network_files(uv_environment()),
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{names.FOLDER.lstrip('/')}/{name}")
            entry.size = len(content)
            entry.mode = 0o755 if name == "uv" else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@contextmanager
def _container(daemon: Daemon, base: Base) -> Iterator[Container]:
    """Make the container that installs; it is removed afterwards, with what it was given."""
    arguments: dict[str, Any] = {
        "image": base.reference,
        "entrypoint": ["sh"],
        "command": [f"{names.FOLDER}/install.sh"],
        "user": "0:0",
        "init": True,
        "labels": {names.ROLE: "install", names.OWNER: owner()},
        "mounts": [Mount(f"{names.FOLDER}/store", names.VOLUME, type="volume")],
        "network_mode": "host" if needs_host_network(uv_environment()) else None,
    }
    container = daemon.client.containers.create(**arguments)
    try:
        yield container
    finally:
        with suppress(*DOCKER_ERRORS):  # else it is found by its label later
            container.remove(force=True, v=True)


def _ended(build: MountedBuild, container: Container) -> Completed:
    """Wait for the end of an installation; end it where the harness stops."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    told: set[str] = set()
    while True:
        try:
            status = int(container.wait(timeout=_PATIENCE_SECONDS)["StatusCode"])
            break
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout):
            if build.stopped.is_set() or time.monotonic() > deadline:
                with suppress(*DOCKER_ERRORS):  # it may have ended just now
                    container.kill()
            for line in container.logs(tail=20).decode(errors="replace").splitlines():
                said = phrase(line)
                if said is not None and said not in told:
                    told.add(said)
                    build.progress(said)
    output = container.logs().decode(errors="replace")
    return Completed(status, "", output)
