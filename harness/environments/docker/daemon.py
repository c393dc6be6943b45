"""The Docker daemon: finding it, what it is, and what its errors mean."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
import urllib3
from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image
from packaging.version import Version

from harness.environments.engine import CellFailure
from harness.environments.folders import locked
from harness.environments.gpu import gives_gpus, gpu_names
from harness.observation import Ending, Stage
from harness.paths import cache_directory
from harness.text import one_line

__all__ = [
    "DOCKER_ERRORS",
    "Daemon",
    "api_version",
    "daemon_failure",
    "docker_directory",
    "explain",
    "find_daemon",
    "find_image",
    "import_archive",
    "stream_error",
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
_BY_SOCKET = "http+docker://localhost"
"""What the `docker` package calls every Unix socket."""
_API = "1.45"
"""Docker 26; every daemon from 20.10 to 29 at least speaks it or older ones."""
_SSH_ADVICE = (
    "a daemon is not reached by ssh:// but through a tunnel, such as"
    " ssh -nNT -L /tmp/d.sock:/var/run/docker.sock HOST; then DOCKER_HOST=unix:///tmp/d.sock"
)
_ADVICE = {
    "TLSParameterError": (
        "DOCKER_TLS_VERIFY asks for certificates that are not in DOCKER_CERT_PATH"
        " (~/.docker where that is not set): ca.pem, cert.pem and key.pem"
    )
}
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
    gives_gpus: bool = False
    """Whether it says that it can give containers NVIDIA GPUs."""
    podman: bool = False
    """Whether it is Podman, which has no BuildKit and does not say what a registry has."""

    def has(self, option: str) -> bool:
        """Tell whether the security option `rootless` or `userns` is in force."""
        return any(f"name={option}" in entry.split(",") for entry in self.security)

    @property
    def has_gpus(self) -> bool:
        """Whether its containers can be given GPUs: its own word where it may be elsewhere."""
        by_socket = self.client.api.base_url == _BY_SOCKET
        return bool(gpu_names()) if by_socket else self.gives_gpus

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
    client, hasty, info, podman = connected
    if info.get("OSType") != "linux":
        return f"it runs {info.get('OSType')} containers, and Linux ones are needed"
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(info["Architecture"])
    return Daemon(
        client=client,
        hasty=hasty,
        version=f"Podman {info['ServerVersion']}" if podman else info["ServerVersion"],
        machine=machine or info["Architecture"],
        cpus=info["NCPU"],
        security=tuple(info.get("SecurityOptions") or ()),
        gives_gpus=gives_gpus(info),
        podman=podman,
    )


def _connect() -> tuple[docker.DockerClient, docker.DockerClient, dict[str, Any], bool] | str:
    """Return a patient client, a hasty one, what the daemon says of itself, and if it is Podman.

    Where none answers, why not.
    """
    try:
        said = _client(_HASTY_SECONDS).version()
        api = api_version(said["ApiVersion"], said.get("MinAPIVersion") or "1.0")
        hasty = _client(_HASTY_SECONDS, api)
        return _client(_PATIENT_SECONDS, api), hasty, hasty.info(), _is_podman(said)
    except Exception as error:  # a damaged Docker context raises a bare Exception
        return _root_cause(error)


def _is_podman(version: dict[str, Any]) -> bool:
    return any(part.get("Name") == "Podman Engine" for part in version.get("Components") or ())


def api_version(newest: str, oldest: str) -> str:
    """Return the version of Docker's API to speak with a daemon that speaks `oldest` to `newest`.

    The docker package would speak the newest. Versions leave out what older ones had (1.53 what
    `system/df` told), so what is newer than this was written for is not spoken while it need not.
    """
    known = min(Version(newest), Version(_API))
    return str(max(known, Version(oldest)))


def _client(timeout_seconds: int, api: str | None = None) -> docker.DockerClient:
    client = docker.from_env(version=api, timeout=timeout_seconds, max_pool_size=32)
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
    text = said[-1] if said else explain(error)[1]
    return _SSH_ADVICE if "paramiko" in text else _ADVICE.get(type(error).__name__, text)


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
        # Podman leaves out a tag that is not said in one word with the repository.
        answer = daemon.client.api.import_image_from_file(
            str(archive), repository=f"{repository}:{tag}", changes=list(changes)
        )
    # The status is 200 even where it fails; the last line says so.
    failed = stream_error(json.loads(answer.strip().splitlines()[-1]))
    if failed is not None:
        raise DockerException(failed)


def stream_error(line: Mapping[str, Any]) -> str | None:
    """Return the error that a line of a build, pull, push or import reports, or None.

    `error` is to be left out one day (API 1.48); `errorDetail` says the same.
    """
    detail = line.get("errorDetail")
    said = line.get("error") or (detail.get("message") if isinstance(detail, Mapping) else None)
    return None if said is None and detail is None else str(said or "an error without words")
