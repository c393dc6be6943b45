"""Where runs find what they are given and write what they make: here, or at a daemon far away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from docker.types import Mount

from harness.environments.attempts import Folders
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.running.remote import Keeper, RemoteFolders, keeping
from harness.environments.docker.running.sandbox import NOBODY, mounts, sandbox_user, seen_by
from harness.environments.docker.running.transfer import Sent
from harness.environments.docker.sight import Sight
from harness.environments.engine import Attempt, Progress, Run
from harness.environments.folders import private_folder
from harness.environments.out_folders import OutFolders

__all__ = ["Place", "place_of"]


class Place(Protocol):
    """What containers of one run are given."""

    @property
    def user(self) -> str:
        """`uid:gid` of the run."""

    @property
    def folders(self) -> Folders:
        """What attempts write into."""

    def mounts(self, attempts: tuple[Attempt, ...]) -> list[Mount]:
        """Return what a container sees that is to do `attempts`.

        Raises:
            OSError: a file cannot be read.
            DockerException and the others of `DOCKER_ERRORS`: the daemon could not.
        """


@contextmanager
def place_of(
    daemon: Daemon,
    sight: Sight,
    sent: Sent,
    run: Run,
    arguments: dict[str, Any],
    *,
    stopped: threading.Event,
    progress: Progress,
) -> Iterator[Place]:
    """Yield the place of `run`, whose containers are made with `arguments`.

    Raises:
        OSError: folders cannot be made here.
        DockerException and the others of `DOCKER_ERRORS`: the daemon could not.
    """
    if sight.sees(seen_by(run, run.attempts).places.values()):
        with private_folder() as folder:
            yield _Here(daemon, run, folder)
        return
    image, labels = arguments["image"], arguments["labels"]
    send = partial(sent.mounts, image=image, stopped=stopped, progress=progress)
    with keeping(daemon, {"image": image, "labels": labels}) as keeper:
        yield _There(run, keeper, send)


class _Here:
    """Files of this machine, mounted."""

    def __init__(self, daemon: Daemon, run: Run, folder: Path) -> None:
        self.user, foreign = sandbox_user(daemon)
        self.folders: Folders = OutFolders(run.out, foreign=foreign)
        self._daemon = daemon
        self._run = run
        self._folder = folder

    def mounts(self, attempts: tuple[Attempt, ...]) -> list[Mount]:
        return mounts(self._daemon, self._run, attempts, self._folder)


class _There:
    """Volumes of a daemon that does not see this machine's files."""

    user = f"{NOBODY}:{NOBODY}"
    """Not the keeper, who is root there; nothing there is this user's."""

    def __init__(
        self, run: Run, keeper: Keeper, send: Callable[[Mapping[str, Path]], list[Mount]]
    ) -> None:
        self.folders: Folders = RemoteFolders(keeper, run.out, run.limits.output_bytes)
        self._run = run
        self._keeper = keeper
        self._send = send

    def mounts(self, attempts: tuple[Attempt, ...]) -> list[Mount]:
        seen = seen_by(self._run, attempts)
        sent = self._send(seen.places)
        self._keeper.put_requests(seen.requests)
        return [*sent, *self._keeper.mounts]
