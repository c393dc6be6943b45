"""Sending what runs see to a daemon that does not see this machine's files.

Each model, each set of files and the probe become a volume on the daemon's machine, once for all
runs of this process, however big they are. The volumes carry the labels of runs and are removed
when the process ends, or by the next one where it was killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tarfile
import threading
import uuid
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from docker.models.containers import Container
from docker.types import Mount

from harness.environments.docker import names
from harness.environments.docker.daemon import DOCKER_ERRORS, Daemon, explain
from harness.environments.engine import Progress
from harness.environments.owner import owner

__all__ = [
    "Entry",
    "Sent",
    "archive",
    "by_folder",
    "content_digest",
    "entries",
    "new_volume",
    "put",
    "remove_volumes",
    "text_entry",
]

_CHUNK_BYTES = 1024**2
_WORTH_TELLING_BYTES = 8 * 1024**2
_PLACE = "/sent"


class Entry(NamedTuple):
    """A file, a folder or a link that is sent."""

    name: str
    """Where it lands, relative; `/` between its parts."""
    status: os.stat_result | None
    """None: a file with the content `source`."""
    source: Path | bytes


class Sent:
    """What was sent to one daemon; safe for several threads."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._volumes: dict[str, str] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()
        self._is_used = False

    def mounts(
        self,
        places: Mapping[str, Path],
        image: str,
        *,
        stopped: threading.Event,
        progress: Progress,
    ) -> list[Mount]:
        """Return what shows a container the folders and files `places`, which are sent if need be.

        `image` is any that the daemon has: no container of it is started.

        Raises:
            OSError: a file cannot be read, or `stopped` was set.
            DockerException and the others of `DOCKER_ERRORS`: the daemon could not.
        """
        with self._lock:
            if not self._is_used:
                weakref.finalize(self, _remove_own, self._daemon)
                self._is_used = True
        mounted = []
        for folder, content in by_folder(places).items():
            sent = [entry for name, path in content.items() for entry in entries(name, path)]
            digest = content_digest(sent)
            with self._lock:
                lock = self._locks[digest]
            with lock:  # of several runs that want it, one sends it
                # Looked for each time: somebody may have removed what no container uses.
                if self._volumes.get(digest) not in _own_volumes(self._daemon):
                    _tell(sent, progress)
                    self._volumes[digest] = self._send(sent, image, stopped)
                volume = self._volumes[digest]
            mounted.append(Mount(folder, volume, type="volume", read_only=True, no_copy=True))
        return mounted

    def _send(self, sent: Iterable[Entry], image: str, stopped: threading.Event) -> str:
        """Make a volume of entries and return its name; where that fails there is none."""
        volume = new_volume(self._daemon)
        try:
            container = self._daemon.client.containers.create(
                image,
                entrypoint=["python"],
                labels={names.ROLE: "run", names.OWNER: owner()},
                network_mode="none",
                mounts=[Mount(_PLACE, volume, type="volume", no_copy=True)],
            )
            try:
                put(container, _PLACE, sent, stopped)
            finally:
                with suppress(*DOCKER_ERRORS):
                    container.remove(force=True)
        except BaseException:
            with suppress(*DOCKER_ERRORS):
                self._daemon.client.volumes.get(volume).remove()
            raise
        return volume


def new_volume(daemon: Daemon) -> str:
    """Make an empty volume that is known as this process's; return its name."""
    name = f"{names.ENVIRONMENTS}-{uuid.uuid4().hex}"
    labels = {names.ROLE: "run", names.OWNER: owner()}
    daemon.client.volumes.create(name=name, labels=labels)
    return name


def remove_volumes(daemon: Daemon, gone: Callable[[str], bool]) -> tuple[str, ...]:
    """Remove volumes whose owner's label is `gone`, and that no container has; say which.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer.
    """
    said = []
    for volume in daemon.client.volumes.list(filters={"label": names.ROLE}):
        if gone((volume.attrs.get("Labels") or {}).get(names.OWNER, "")):
            try:
                volume.remove()
            except DOCKER_ERRORS as error:
                said.append(f"could not remove volume {volume.name}: {explain(error)[1]}")
            else:
                said.append(f"removed volume {volume.name}")
    return tuple(said)


def put(container: Container, folder: str, sent: Iterable[Entry], stopped: threading.Event) -> None:
    """Put entries below `folder`, which is a volume of a container that need not run.

    Raises:
        OSError: a file cannot be read, or `stopped` was set.
        DockerException and the others of `DOCKER_ERRORS`: the daemon could not.
    """
    container.put_archive(folder, archive(sent, stopped))


def text_entry(name: str, text: str) -> Entry:
    """Return a file with the content `text`."""
    return Entry(name, None, text.encode())


def entries(name: str, path: Path) -> Iterator[Entry]:
    """Yield the file or folder `path` under `name` with all that is below it, sorted.

    Links are sent as links. What is neither file, folder nor link is left out. The folder called
    `` is the volume itself.

    Raises:
        OSError: it cannot be read.
    """
    status = path.lstat()
    if name:
        yield Entry(name, status, path)
    if stat.S_ISDIR(status.st_mode):
        for inner in sorted(path.iterdir()):
            yield from entries(f"{name}/{inner.name}" if name else inner.name, inner)


def archive(sent: Iterable[Entry], stopped: threading.Event) -> Iterator[bytes]:
    """Yield a tar file in which everything belongs to root and everyone can read it.

    Raises:
        OSError: a file cannot be read, is shorter than it was, or `stopped` was set.
    """
    for entry in sent:
        header = _header(entry)
        if header is None:
            continue
        yield header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        if header.isreg():
            yield from _content(entry, header.size, stopped)
            yield bytes(-header.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(entry: Entry) -> tarfile.TarInfo | None:
    header = tarfile.TarInfo(entry.name)
    header.mode = 0o644
    if isinstance(entry.source, bytes) or entry.status is None:
        header.size = len(entry.source) if isinstance(entry.source, bytes) else 0
        return header
    mode = entry.status.st_mode
    header.mtime = int(entry.status.st_mtime)
    if stat.S_ISREG(mode):
        header.size = entry.status.st_size
    elif stat.S_ISDIR(mode):
        header.type, header.mode = tarfile.DIRTYPE, 0o755
    elif stat.S_ISLNK(mode):
        header.type, header.mode = tarfile.SYMTYPE, 0o777
        header.linkname = str(entry.source.readlink())
    else:
        return None
    return header


def _content(entry: Entry, size: int, stopped: threading.Event) -> Iterator[bytes]:
    """Yield exactly `size` bytes of a file."""
    if isinstance(entry.source, bytes):
        yield entry.source
        return
    with entry.source.open("rb") as stream:
        while size > 0:
            if stopped.is_set():
                raise OSError("stopped")
            chunk = stream.read(min(size, _CHUNK_BYTES))
            if not chunk:
                raise OSError(f"{entry.source} became shorter while it was sent")
            size -= len(chunk)
            yield chunk


def by_folder(places: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """Return what volumes are mounted where, each with its content by name.

    A folder is a volume, under the name ``; files that lie in one folder are one together.
    """
    folders: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    for target, path in places.items():
        if path.is_dir():
            folders[target][""] = path
        else:
            place = PurePosixPath(target)
            folders[str(place.parent)][place.name] = path
    return dict(folders)


def content_digest(sent: Iterable[Entry]) -> str:
    """Return what changes when the files do, without reading them."""
    digest = hashlib.sha256()
    for name, status, source in sent:
        known: list[object] = [name, str(source)]
        if status is not None:
            known += [status.st_dev, status.st_ino, status.st_mode]
            known += [status.st_size, status.st_mtime_ns]
        digest.update(json.dumps(known).encode())
    return digest.hexdigest()


def _tell(sent: Iterable[Entry], progress: Progress) -> None:
    size = sum(each.status.st_size for each in sent if each.status is not None)
    if size >= _WORTH_TELLING_BYTES:
        progress(f"sending {size / 1e6:,.0f} MB")


def _own_volumes(daemon: Daemon) -> set[str]:
    mine = {"label": f"{names.OWNER}={owner()}"}
    return {str(volume.name) for volume in daemon.client.volumes.list(filters=mine)}


def _remove_own(daemon: Daemon) -> None:
    mine = owner()
    with suppress(*DOCKER_ERRORS):
        remove_volumes(daemon, lambda label: label == mine)
