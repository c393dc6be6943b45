"""The truth check: whether what is installed in an environment is what its lock says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import requests
from docker.models.containers import Container
from docker.types import LogConfig, Mount
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

import harness
from harness.environments.docker import names
from harness.environments.docker.daemon import DOCKER_ERRORS, Daemon, docker_directory
from harness.environments.engine import CellFailure, Lock
from harness.environments.owner import owner
from harness.files import write_atomically
from harness.installed import NOT_AS_LOCKED, unlike_lock
from harness.observation import Ending, Stage
from harness.text import last_lines, one_line
from harness.versions import same_minor

__all__ = ["Installed", "check_environment", "check_image", "not_as_locked"]

_MACHINE = Path(harness.__file__).parent / "probe" / "probing" / "machine.py"
_ASK = """
import json
print(json.dumps({"python": platform.python_version(), "packages": installed_packages(sys.path)}))
"""
_SECONDS = 120.0
_MEMORY_BYTES = 512 * 1024**2
_PROCESSES = 64
_LOG = LogConfig(type="json-file", config={"max-size": "2m", "max-file": "1"})
_KILLED = 137

_Word = Annotated[str, StringConstraints(max_length=1_000)]


class Installed(BaseModel):
    """What a container said is in it; hostile, since an image may be a stranger's."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    python: _Word
    packages: Annotated[dict[_Word, _Word], Field(max_length=2_000)]
    """Normalised name (PEP 503) to version."""


def check_image(daemon: Daemon, image: str, lock: Lock) -> CellFailure | None:
    """Return in what the image with the id `image` is not what `lock` says, or None.

    An image that was found to be right is not looked at again.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon could not.
    """
    return check_environment(daemon, image, lock, known_as=image.rpartition(":")[2])


def check_environment(
    daemon: Daemon,
    image: str,
    lock: Lock,
    *,
    known_as: str,
    mounts: Mapping[str, str] | None = None,
) -> CellFailure | None:
    """Return in what containers of `image` with `mounts` are not what `lock` says, or None.

    `known_as` names their content: what was right under this name is not looked at again.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon could not.
    """
    note = docker_directory() / "checked" / known_as
    with suppress(OSError):
        if note.read_text(encoding="ascii") == lock.digest:
            return None
    failure = _compare(daemon, image, lock, mounts or {})
    if failure is None:
        with suppress(OSError):  # then a later run looks again
            write_atomically(note, lock.digest)
    return failure


def _compare(
    daemon: Daemon, image: str, lock: Lock, mounts: Mapping[str, str]
) -> CellFailure | None:
    container = daemon.client.containers.create(**_arguments(image, mounts))
    try:
        container.start()
        seen = _installed(container)
    finally:
        with suppress(*DOCKER_ERRORS):  # else it is found by its label later
            container.remove(force=True, v=True)
    if isinstance(seen, CellFailure):
        return seen
    differences = not_as_locked(lock, seen)
    return _failure(differences, seen.packages) if differences else None


def _arguments(image: str, mounts: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of `containers.create`; the container may do nothing but tell."""
    return {
        "image": image,
        "entrypoint": ["python"],
        "command": ["-c", _MACHINE.read_text(encoding="utf-8") + _ASK],
        "working_dir": "/",
        "environment": {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"},
        "labels": {names.ROLE: "check", names.OWNER: owner()},
        "mounts": [
            Mount(place, source, type="bind", read_only=True) for place, source in mounts.items()
        ],
        "user": "65534:65534",
        "init": True,
        "network_mode": "none",
        "read_only": True,
        "mem_limit": _MEMORY_BYTES,
        "memswap_limit": _MEMORY_BYTES,
        "pids_limit": _PROCESSES,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "log_config": _LOG,
        "use_config_proxy": False,
    }


def _installed(container: Container) -> Installed | CellFailure:
    """Return what a container that was started tells, or why that is not known."""
    try:
        status = int(container.wait(timeout=_SECONDS)["StatusCode"])
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout):
        return _infrastructure(f"did not end within {_SECONDS:g} s")
    if status == _KILLED:
        return _infrastructure("was killed, as a machine does that is out of memory")
    if status != 0:
        said = last_lines(container.logs().decode(errors="replace"), 3, 2_000)
        return _unseen(said or f"status {status}")
    try:
        return Installed.model_validate_json(container.logs(stderr=False))
    except ValidationError:
        return _unseen("what was said of it is not what was asked for")


def not_as_locked(lock: Lock, seen: Installed) -> tuple[str, ...]:
    """Return, a sentence each, in what `seen` is not what `lock` says.

    Packages beside the lock (pip, setuptools) do not count: the base has them.
    """
    return (*_python(lock, seen), *unlike_lock(lock.packages, seen.packages))


def _python(lock: Lock, seen: Installed) -> Iterator[str]:
    if not same_minor(seen.python, lock.python):
        yield f"Python {one_line(seen.python, 80)} is installed, the lock is for {lock.python}"


def _unseen(why: str) -> CellFailure:
    return _failure((f"what is installed cannot be seen: {why}",), {})


def _failure(differences: Sequence[str], packages: dict[str, str]) -> CellFailure:
    return CellFailure(
        stage=Stage.BUILD,
        ending=Ending.EXCEPTION,
        type=NOT_AS_LOCKED,
        message="\n".join(differences),
        packages=packages,
    )


def _infrastructure(what: str) -> CellFailure:
    return CellFailure(
        stage=Stage.BUILD,
        ending=Ending.INFRASTRUCTURE,
        type="CheckFailed",
        message=f"the container that tells what is installed {what}",
    )
