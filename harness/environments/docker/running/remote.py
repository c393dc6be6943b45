"""The folders of attempts on the machine of a daemon that does not see this machine's files.

They lie in a volume. A container of its own, the keeper, looks into it while a run writes there and
moves what has ended out of reach; the daemon packs that for us. The run is another user than the
keeper, without capabilities, so that it can change nothing but its attempts' own folders.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from docker.types import Mount
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.environments.docker.daemon import DOCKER_ERRORS, Daemon, explain
from harness.environments.docker.running.received import unpack
from harness.environments.docker.running.sandbox import NOBODY
from harness.environments.docker.running.transfer import new_volume, put, text_entry
from harness.environments.ended import Ended, parse_ended
from harness.environments.log import bounded_text
from harness.environments.written import Written
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["Keeper", "Looked", "RemoteFolders", "keeping"]

_LOOK_SECONDS = 0.3
"""Between two looks. A look takes the keeper 0.1 s, most of it to start a program."""
_PATIENCE = 2
"""Looks that take long come as much later."""
_REPORT_BYTES = 128 * 1024
"""Most bytes that the probe's parent writes for an attempt before that begins."""
_ROOM_BYTES = 1024**2
"""With less room than this left, even a report may have been too much."""
_MEMORY_BYTES = 128 * 1024**2
_OUT = "/out"
_WAITS = "import signal\nsignal.pause()"
_SMALL_FILES = ("report.json", "probe.log", "ended.json")


class _InFolder(BaseModel):
    """What there is of one attempt."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    ended: str | None
    """Beginning of its `ended.json`, as Latin-1."""
    begun: bool
    report_bytes: int
    bytes: int
    entries: int
    hidden: bool


class Looked(BaseModel):
    """What the keeper answers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    attempts: dict[str, _InFolder]
    free_bytes: int
    taken: str | None = Field(default=None, pattern=r"^/out/\.taken/[0-9a-f]{32}$")
    """Where the folder is that was taken; None: it was gone."""


class Keeper:
    """A container that keeps the volume that one run writes into, and another for its requests."""

    def __init__(self, container: Container, mounts: list[Mount]) -> None:
        self.mounts = mounts
        """What shows a run the volumes."""
        self._container = container

    def ask(self, action: str, *words: str) -> Looked:
        """Have something done, or just look; see `keeper.py`.

        Raises:
            DockerException and the others of `DOCKER_ERRORS`: it could not be done.
        """
        script = resources.files(__package__).joinpath("keeper.py").read_text(encoding="utf-8")
        program = ["python", "-I", "-S", "-B", "-c", script]
        arguments = [action, _OUT, str(NOBODY), *words]
        answer: Any = self._container.exec_run([*program, *arguments], demux=True)
        status, (said, complained) = answer
        text = (complained or b"").decode("utf-8", "replace").strip()
        try:
            if status == 0:
                return Looked.model_validate_json(said or b"")
        except ValidationError as error:
            text = str(error)
        raise DockerException(f"the volume of a run cannot be looked into: {text}")

    def put_requests(self, text: str) -> None:
        """Tell the run that is started next what to do.

        Raises:
            DockerException and the others of `DOCKER_ERRORS`: it could not be done.
        """
        put(self._container, "/request", [text_entry("requests.json", text)], threading.Event())

    def fetch(self, path: str, folder: Path, *, most_bytes: int) -> None:
        """Write what is below `path` there below `folder` here; files of one name are not expected.

        Of more than `most_bytes`, only some files: those that say how far the attempt came.

        Raises:
            DockerException and the others of `DOCKER_ERRORS`: it cannot be brought here.
        """
        try:
            self._unpack(path, folder, most_bytes=most_bytes)
        except UntrustedFileError:
            for name in _SMALL_FILES:
                with suppress(NotFound, UntrustedFileError):
                    (folder / name).unlink(missing_ok=True)
                    self._unpack(f"{path}/{name}", folder, most_bytes=most_bytes, left_out=0)

    def _unpack(self, path: str, folder: Path, *, most_bytes: int, left_out: int = 1) -> None:
        chunks, _ = self._container.get_archive(path)
        unpack(chunks, folder, most_bytes=most_bytes, left_out=left_out)


@contextmanager
def keeping(daemon: Daemon, arguments: dict[str, Any]) -> Iterator[Keeper]:
    """Start a keeper; it is removed afterwards with its volumes.

    `arguments`: `image` and `labels` of `containers.create`.

    Raises:
        DockerException and the others of `DOCKER_ERRORS`: the daemon could not.
    """
    volumes: list[str] = []
    container = None
    try:
        volumes.append(out := new_volume(daemon))
        volumes.append(request := new_volume(daemon))
        container = daemon.client.containers.create(
            **arguments,
            entrypoint=["python"],
            command=["-I", "-S", "-B", "-c", _WAITS],
            init=True,
            network_mode="none",
            read_only=True,
            user="0:0",
            cap_drop=["ALL"],
            cap_add=["CHOWN", "DAC_OVERRIDE", "FOWNER"],
            security_opt=["no-new-privileges"],
            mem_limit=_MEMORY_BYTES,
            memswap_limit=_MEMORY_BYTES,
            pids_limit=64,
            use_config_proxy=False,
            mounts=[_mount(_OUT, out), _mount("/request", request)],
        )
        container.start()
        keeper = Keeper(container, [_mount(_OUT, out), _mount("/request", request, read_only=True)])
        keeper.ask("prepare")
        yield keeper
    finally:
        # What cannot be removed is found by its label later.
        with suppress(*DOCKER_ERRORS):
            if container is not None:
                container.remove(force=True, v=True)
        for volume in volumes:
            with suppress(*DOCKER_ERRORS):
                daemon.client.volumes.get(volume).remove()


def _mount(folder: str, volume: str, *, read_only: bool = False) -> Mount:
    return Mount(folder, volume, type="volume", read_only=read_only, no_copy=True)


class RemoteFolders:
    """What `OutFolders` is, for folders that a keeper keeps.

    An answer is at most a moment old. What an attempt wrote is here, below `out`, once taken.
    """

    def __init__(self, keeper: Keeper, out: Path, most_bytes: int) -> None:
        """Begin with the empty folder `out`; an attempt may write `most_bytes`."""
        self._keeper = keeper
        self._out = out
        self._most_bytes = most_bytes
        self._looked: Looked | None = None
        self._look_at = 0.0
        self._taken: dict[str, str | None] = {}
        self._lost: str | None = None
        """Why the keeper can no more be asked."""

    def make(self, name: str) -> None:
        """Make the folder of an attempt; whatever is in its place is moved aside.

        Raises:
            DockerException and the others of `DOCKER_ERRORS`: the daemon could not.
        """
        self._ask("make", name)

    def refresh(self) -> None:
        """Answer what is asked next by a new look."""
        self._looked = None

    def begun(self, name: str) -> bool:
        """Tell whether the probe's parent has started the attempt: then there is a log."""
        attempt = self._look().attempts.get(name)
        return attempt is not None and attempt.begun

    def ended(self, name: str) -> Ended | None:
        """Return how the attempt ended; None: it has not."""
        attempt = self._look().attempts.get(name)
        if attempt is None or attempt.ended is None:
            return None
        return parse_ended(attempt.ended.encode("latin-1", "replace"))

    def written_bytes(self, waiting: Collection[str]) -> int:
        """Return what the attempt in use has written; not its parent's reports for the `waiting`.

        Where it has ended, that is all that it wrote.
        """
        attempts = self._look().attempts
        reports = (attempts[name].report_bytes for name in waiting if name in attempts)
        written = sum(attempt.bytes for attempt in attempts.values())
        return written - sum(min(size, _REPORT_BYTES) for size in reports)

    def excess(self) -> str | None:
        """Return what there was too much of, beside bytes, when those were counted."""
        attempts = self._look().attempts.values()
        return Written(
            entries=sum(attempt.entries for attempt in attempts),
            hidden=any(attempt.hidden for attempt in attempts),
        ).excess

    def space(self) -> None:
        """Watch nothing: what is free on another machine is not this one's to free."""

    def take(self, name: str) -> str | None:
        """Bring here what an attempt that has ended wrote, out of reach; return why it is lost."""
        if name not in self._taken:
            folder = self._out / name
            folder.mkdir(mode=0o700)
            self._taken[name] = self._lost if self._lost is not None else self._take(name, folder)
        return self._taken[name]

    def printed(self, name: str) -> str:
        """Return what an attempt printed whose folder was taken, the middle left out if long."""
        try:
            with open_regular(self._out / name / "probe.log") as stream:
                return bounded_text(stream)
        except (OSError, UntrustedFileError):
            return ""

    def put_back(self) -> None:
        """Do nothing: what was taken is where it belongs, and nothing else is."""

    def _take(self, name: str, folder: Path) -> str | None:
        try:
            looked = self._ask("take", name)
            if looked.taken is not None:
                most = self._most_bytes + 2 * _REPORT_BYTES
                self._keeper.fetch(looked.taken, folder, most_bytes=most)
        except DOCKER_ERRORS as error:
            self._lost = explain(error)[1]
            return self._lost
        if looked.free_bytes < _ROOM_BYTES:
            return "no space is left for volumes on the machine of the Docker daemon"
        return None

    def _look(self) -> Looked:
        if self._looked is None or time.monotonic() >= self._look_at:
            return self._ask("look")
        return self._looked

    def _ask(self, action: str, *words: str) -> Looked:
        asked = time.monotonic()
        self._looked = self._keeper.ask(action, *words)
        answered = time.monotonic()
        self._look_at = answered + max(_LOOK_SECONDS, _PATIENCE * (answered - asked))
        return self._looked
