"""Unpacking what comes back from a daemon: tar streams of folders that hostile runs wrote."""

from __future__ import annotations

import os
import tarfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from harness.untrusted import UntrustedFileError

__all__ = ["unpack"]

_MOST_MEMBERS = 20_000
_MOST_DEPTH = 64
_HEADER_BYTES = 4096
"""More than a member takes beside its content, most of the time."""
_SECONDS = 1_800.0
_CHUNK_BYTES = 1024**2


def unpack(
    chunks: Iterable[bytes],
    folder: Path,
    *,
    most_bytes: int,
    left_out: int = 1,
    seconds: float = _SECONDS,
) -> None:
    """Write the files and folders of a tar stream below `folder`, which is ours alone.

    The first `left_out` parts of every name are left out: a daemon begins with the name of the
    folder that was asked for. So are links, pipes and devices. What has been written stays where
    this fails.

    Raises:
        UntrustedFileError: it is no tar stream, holds more than `most_bytes`, more members than
            any run makes, a name that leads elsewhere, or does not end within `seconds`.
        OSError: this machine cannot store it.
    """
    stream = _Stream(chunks, most_bytes + _MOST_MEMBERS * _HEADER_BYTES, seconds)
    try:
        # Chunks the daemon cuts as it likes: "r|" reads any stream from front to back.
        with tarfile.open(
            fileobj=cast("IO[bytes]", stream), mode="r|", bufsize=_CHUNK_BYTES
        ) as archive:
            left = most_bytes
            for number, member in enumerate(archive, start=1):
                if number > _MOST_MEMBERS:
                    raise UntrustedFileError(f"holds more than {_MOST_MEMBERS} files")
                left -= member.size if member.isreg() else 0
                if left < 0:
                    raise UntrustedFileError(f"holds more than {most_bytes:,} bytes")
                _write(archive, member, folder, left_out)
    except UntrustedFileError:
        raise
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise UntrustedFileError("holds two files of one name") from None
    except (tarfile.TarError, ValueError) as error:
        raise UntrustedFileError(f"is no whole tar stream ({error})") from None


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, left_out: int) -> None:
    place = _parts(member.name)[left_out:]
    target = folder.joinpath(*place)
    if not place:
        return
    if member.isdir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif member.isreg() and not member.issparse():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Nothing below the folder is a link: none is ever made there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
            for chunk in _content(archive, member):
                file.write(chunk)


def _parts(name: str) -> tuple[str, ...]:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\0" in name or len(parts) > _MOST_DEPTH:
        raise UntrustedFileError("holds a file whose name leads elsewhere")
    return parts


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    stream = archive.extractfile(member)
    if stream is not None:
        with stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk


class _Stream:
    """Chunks as `tarfile` reads them: so many bytes at a time, within bounds."""

    def __init__(self, chunks: Iterable[bytes], most_bytes: int, seconds: float) -> None:
        self._chunks = iter(chunks)
        self._buffer = b""
        self._left = most_bytes
        self._until = time.monotonic() + seconds

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        parts, wanted = [], size
        while wanted > 0 and (self._buffer or self._fill()):
            part, self._buffer = self._buffer[:wanted], self._buffer[wanted:]
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def _fill(self) -> bool:
        self._buffer = next(self._chunks, b"")
        self._left -= len(self._buffer)
        if self._left < 0:
            raise UntrustedFileError("is larger than it may be")
        if time.monotonic() > self._until:
            raise UntrustedFileError("takes too long to be read")
        return bool(self._buffer)
