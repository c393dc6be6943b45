"""The disk on which Docker keeps what it has."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path
from typing import Any

from docker.errors import APIError

from harness.environments.docker.daemon import Daemon

__all__ = ["disk_usage", "free_bytes", "local_storage", "storage"]

_BUSY = "disk usage operation is already running"
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Before a daemon that answers this question once at a time is asked again."""
_FIRST_WITH_TYPES = (1, 42)
"""The first API that can be asked for one kind; older ones measure every volume each time."""


def disk_usage(daemon: Daemon, *kinds: str) -> dict[str, Any]:
    """Return what takes up the daemon's disk (`GET /system/df`); of `kinds` alone where it can.

    `kinds` are such as `build-cache`; without any, it is everything.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer, or is asked by others all the time.
    """
    api = daemon.client.api
    version = tuple(int(part) for part in str(api.api_version).split("."))
    asked = {"type": list(kinds)} if version >= _FIRST_WITH_TYPES and kinds else None
    for pause in _PAUSES_SECONDS:
        try:
            return _asked(api, asked)
        except APIError as error:
            if _BUSY not in str(error.explanation):
                raise
            time.sleep(pause)
    return _asked(api, asked)


def _asked(api: Any, parameters: dict[str, list[str]] | None) -> dict[str, Any]:
    if parameters is None:
        return dict(api.df())
    # The docker package's own method does not know the parameter.
    answer = api._get(api._url("/system/df"), params=parameters)
    return dict(api._result(answer, json=True))


def free_bytes(daemon: Daemon) -> int | None:
    """Return what is left where the daemon keeps images; None where it is another machine's disk.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer.
    """
    folder = local_storage(daemon.client.info(), daemon.client.api.base_url)
    try:
        return None if folder is None else shutil.disk_usage(folder).free
    except OSError:  # such as a folder of root's that this user may not reach
        return None


def storage(daemon: Daemon) -> str:
    """Return where the daemon keeps images, in a few words.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer.
    """
    info = daemon.client.info()
    folder = info.get("DockerRootDir", "a folder it does not tell")
    if local_storage(info, daemon.client.api.base_url) is not None:
        return f"where Docker keeps images ({folder})"
    return f"where Docker keeps images ({folder} on {info.get('Name', 'another machine')})"


def local_storage(info: dict[str, Any], base_url: str) -> Path | None:
    """Return the daemon's folder, from what it says of itself; None unless it is on this machine.

    A socket may lead into a virtual machine or to a host far away, so the daemon must have this
    machine's name, too.
    """
    folder = Path(info.get("DockerRootDir") or "/nonexistent")
    local = base_url.startswith("http+docker://") and info.get("Name") == socket.gethostname()
    return folder if local and folder.is_dir() else None
