"""Whether the Docker daemon sees this machine's files, as paths it could mount.

It does not where it runs on another machine, and where the harness itself runs in a container with
the daemon's socket.
"""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path

from docker.errors import APIError, DockerException, ImageNotFound
from docker.types import Mount

from harness.environments.docker.daemon import Daemon
from harness.environments.folders import private_folder
from harness.environments.owner import LABEL

__all__ = ["Sight"]

_BY_SOCKET = "http+docker://localhost"
"""What the `docker` package calls every Unix socket."""


class Sight:
    """What one daemon sees of this machine; learnt when first asked, by 3 ms for each question.

    It is asked to make a container with something mounted, of an image that does not exist: what
    is mounted is looked for first (Docker 18.09 and newer), so that the answer tells whether it is
    there. Nothing is made.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._lock = threading.Lock()
        self._shares: bool | None = None

    def shares_files(self) -> bool:
        """Tell whether a file just made in the folder for temporary files is seen.

        Raises:
            Those of `DOCKER_ERRORS`: the daemon does not answer.
        """
        with self._lock:
            if self._shares is None:
                self._shares = self._look()
            return self._shares

    def sees(self, paths: Iterable[Path]) -> bool:
        """Tell whether all of `paths` can be mounted, beside what is temporary.

        Raises:
            Those of `DOCKER_ERRORS`: the daemon does not answer.
        """
        return self.shares_files() and self._finds(paths)

    def shares_loopback(self) -> bool:
        """Tell whether 127.0.0.1 is the same for a container on its machine's network as here.

        A harness in a container on its machine's network has that machine's name.

        Raises:
            Those of `DOCKER_ERRORS`: the daemon does not answer.
        """
        if self.shares_files():
            return True
        return bool(self._daemon.client.info().get("Name") == socket.gethostname())

    def _look(self) -> bool:
        with private_folder() as folder:
            if self._finds([folder / uuid.uuid4().hex]):
                # It does not look first (Podman): but a socket's daemon is most often at home.
                return self._daemon.client.api.base_url == _BY_SOCKET
            return self._finds([folder / "owner"])

    def _finds(self, paths: Iterable[Path]) -> bool:
        mounts = [
            Mount(f"/{number}", str(path), type="bind", read_only=True)
            for number, path in enumerate(paths)
        ]
        image = f"{LABEL}-no-such-image:{uuid.uuid4().hex}"
        try:
            self._daemon.client.containers.create(image, mounts=mounts)
        except ImageNotFound:
            return True
        except APIError as error:
            if error.is_client_error():
                return False
            raise
        raise DockerException("the daemon made a container of an image that does not exist")
