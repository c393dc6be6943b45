"""Opening files that may not be what their names say, and reading no more of them than allowed."""

from __future__ import annotations

import errno
import io
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "ZIP_ERRORS",
    "BoundedReader",
    "UntrustedFileError",
    "open_regular",
    "open_zip",
    "os_reason",
]

_MAX_NAME = 1_000
_DIRECTORY_BYTES = 8 * 1024**2
"""Most bytes of a zip's central directory: about 80,000 members."""

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    OSError,
    ValueError,
)
"""What `zipfile` was seen to raise on damaged or forged archives."""


class UntrustedFileError(ValueError):
    """A file is not what it should be; the text completes a sentence that begins with its name."""


def os_reason(error: OSError) -> str:
    """Return what the system says, such as `permission denied`."""
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


@contextmanager
def open_regular(path: Path) -> Iterator[io.BufferedReader]:
    """Open a regular file: never a symbolic link, a pipe, a device or a folder.

    Raises:
        FileNotFoundError: there is nothing.
        UntrustedFileError: it is no regular file, or cannot be opened.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UntrustedFileError("is a symbolic link, not a file") from None
        raise UntrustedFileError(f"cannot be read: {os_reason(error)}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UntrustedFileError("is not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


class BoundedReader(io.RawIOBase):
    """A view of an open file for parsers that believe the sizes they find in it.

    A read is cut at the end of the file before anything is allocated. One beyond `max_read`
    bytes, or beyond `max_total` bytes altogether, raises `UntrustedFileError`.
    """

    def __init__(self, stream: BinaryIO, *, max_read: int, max_total: int | None = None) -> None:
        super().__init__()
        self._stream = stream
        self._size = os.fstat(stream.fileno()).st_size
        self._max_read = max_read
        self._left = max_total

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that this can be positioned."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset`; positions no file can have are an error of the file."""
        if abs(offset) >= 2**63:
            raise UntrustedFileError("points outside itself")
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._stream.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes."""
        rest = max(0, self._size - self._stream.tell())
        count = rest if size is None or size < 0 else min(size, rest)
        if count > self._max_read:
            raise UntrustedFileError(f"has a part of {count} bytes where few are expected")
        if self._left is not None:
            self._left -= count
            if self._left < 0:
                raise UntrustedFileError("makes its reader read the same parts again and again")
        return self._stream.read(count)


@contextmanager
def open_zip(stream: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive with unambiguous members that can be read.

    Raises:
        UntrustedFileError: it is not a zip file, or damaged, encrypted, or has two members of one
            name or compressed in an unusual way. What is read later may raise `ZIP_ERRORS`.
    """
    try:
        archive = zipfile.ZipFile(BoundedReader(stream, max_read=_DIRECTORY_BYTES))
    except UntrustedFileError:
        raise
    except ZIP_ERRORS as error:
        raise UntrustedFileError(f"is not a whole zip archive ({error})") from None
    with archive:
        _check_members(archive.infolist())
        yield archive


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for member in members:
        name = member.filename
        if len(name) > _MAX_NAME or not name.isprintable():
            raise UntrustedFileError("has a member with an unusable name")
        if name in seen:
            raise UntrustedFileError(f"has two members named {name!r}")
        seen.add(name)
        if member.flag_bits & 0x1:
            raise UntrustedFileError(f"has an encrypted member, {name!r}")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UntrustedFileError(f"has a member compressed in an unusual way, {name!r}")
