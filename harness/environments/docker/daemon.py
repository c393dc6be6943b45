"""The Docker daemon: finding it, what it is, and what its errors mean."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import warnings
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
import urllib3
from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image

from harness.environments.engine import CellFailure
from harness.environments.folders import locked
from harness.observation import Ending, Stage
from harness.paths import cache_directory
from harness.text import one_line

__all__ = [
    "DOCKER_ERRORS",
    "Daemon",
    "daemon_failure",
    "docker_directory",
    "explain",
    "find_daemon",
    "find_image",
    "import_archive",
]

DOCKER_ERRORS = (
    DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""Everything the `docker` package lets through when the daemon, the disk or the way there fails."""

_GPU_ADVICE = (
    "the Docker daemon cannot hand out GPUs: install the NVIDIA Container Toolkit on its machine"
)
_HASTY_SECONDS = 15
_PATIENT_SECONDS = 300
"""How long the daemon may be silent: removing an image from a busy disk takes minutes."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that answered, and what it said of itself."""

    client: docker.DockerClient
    hasty: docker.DockerClient
    """For questions whose answer is not worth waiting for, such as a registry's."""
    version: str
    machine: str
    """As wheel tags spell it: `x86_64`, `aarch64`."""
    cpus: int
    security: tuple[str, ...]
    """Security options, such as `name=seccomp,profile=default` or `name=rootless`."""

    def has(self, option: str) -> bool:
        """Tell whether the security option `rootless` or `userns` is in force."""
        return any(f"name={option}" in entry.split(",") for entry in self.security)

    @property
    def shares_cpus(self) -> bool:
        """Whether its containers run on this machine's own CPUs, not on a virtual machine's."""
        return sys.platform == "linux" and self.cpus == os.cpu_count()


def find_daemon() -> Daemon | str:
    """Return the daemon that the Docker command line would use, or why there is none.

    `DOCKER_HOST`, `DOCKER_CONTEXT` and the context chosen by `docker context use` are followed.
    """
    connected = _connect()
    if isinstance(connected, str):
        # The docker package leaves the socket of an attempt that failed to the garbage collector.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        return connected
    client, hasty, info = connected
    if info.get("OSType") != "linux":
        return f"it runs {info.get('OSType')} containers, and Linux ones are needed"
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(info["Architecture"])
    return Daemon(
        client=client,
        hasty=hasty,
        version=info["ServerVersion"],
        machine=machine or info["Architecture"],
        cpus=info["NCPU"],
        security=tuple(info.get("SecurityOptions") or ()),
    )


def _connect() -> tuple[docker.DockerClient, docker.DockerClient, dict[str, Any]] | str:
    """Return a patient client, a hasty one and what the daemon says of itself, or why not."""
    try:
        hasty = _client(_HASTY_SECONDS)
        return _client(_PATIENT_SECONDS), hasty, hasty.info()
    except Exception as error:  # a damaged Docker context raises a bare Exception
        return _root_cause(error)


def _client(timeout_seconds: int) -> docker.DockerClient:
    client = docker.from_env(timeout=timeout_seconds, max_pool_size=32)
    weakref.finalize(client, client.api.close)  # it does not close its connections by itself
    return client


def _root_cause(error: Exception) -> str:
    """Return what the operating system said, below all that was wrapped around it."""
    cause: BaseException | None = error
    said: list[str] = []
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            hint = ": is this user in the group `docker`?" * isinstance(cause, PermissionError)
            said.append(f"{cause.strerror}{hint}")
        cause = cause.__cause__ or cause.__context__
    return said[-1] if said else explain(error)[1]


def docker_directory() -> Path:
    """Return the folder of what is noted about Docker: locks, and which base was made from what."""
    return cache_directory() / "docker"


def explain(error: Exception) -> tuple[str, str]:
    """Return a short word for the kind of `error` and one line that says what happened."""
    text = one_line(str(getattr(error, "explanation", None) or error), limit=1_000)
    if "no space left on device" in text.lower():
        return ("DiskFull", f"no space is left for Docker: {text}")
    if "could not select device driver" in text:
        return ("NoGpuRuntime", _GPU_ADVICE)
    if isinstance(error, requests.exceptions.HTTPError | DockerException):
        return ("DockerError", text)
    if isinstance(error, requests.exceptions.RequestException | urllib3.exceptions.HTTPError):
        return ("DaemonUnavailable", f"the Docker daemon does not answer: {text}")
    return ("DockerError", text)


def daemon_failure(error: Exception, log: str = "") -> CellFailure:
    """Return what becomes of a build that `error` ended."""
    kind, message = explain(error)
    return CellFailure(
        stage=Stage.BUILD, ending=Ending.INFRASTRUCTURE, type=kind, message=message, log=log
    )


def find_image(daemon: Daemon, name: str) -> Image | None:
    """Return the image `name` (reference or id) of this machine, or None."""
    try:
        return daemon.client.images.get(name)
    except ImageNotFound:
        return None


def import_archive(
    daemon: Daemon, archive: Path, *, repository: str, tag: str, changes: tuple[str, ...]
) -> None:
    """Make the image `repository:tag` of the file system in the tar file `archive`, once.

    Every import has another id: a second one would leave the first behind without a name.

    Raises:
        DockerException and the others of `DOCKER_ERRORS`: the daemon could not.
    """
    with locked(docker_directory() / "import.lock", threading.Event()):
        if find_image(daemon, f"{repository}:{tag}") is not None:
            return
        answer = daemon.client.api.import_image_from_file(
            str(archive), repository=repository, tag=tag, changes=list(changes)
        )
    # The status is 200 even where it fails; the last line says so.
    last = json.loads(answer.strip().splitlines()[-1])
    if "error" in last:
        raise DockerException(last["error"])
