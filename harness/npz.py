"""Reading .npz files without trusting them: no pickles, and never more than was agreed.

The files are inputs of users, and arrays that come back from a container whose code nobody has
seen. numpy's own reader believes what a file says of itself; this one checks it first.

Arrays are read, or mapped where they are large and stored as they are (what the probe writes).
Headers are checked alike. The checksum, for which every byte must be looked at, is checked by
`read` and by `check`: whoever takes in a file that nobody has looked at yet calls one of them.
"""

from __future__ import annotations

import ast
import math
import mmap
import os
import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from harness.mapped import array_in, map_file
from harness.untrusted import ZIP_ERRORS, UntrustedFileError, open_regular, open_zip

__all__ = ["ArrayHeader", "NpzError", "NpzReader", "open_npz", "read_npz"]

_MAX_ARRAYS = 10_000
_MAX_RANK = 32
_HEADER_BYTES = 8_192
"""A plain array's header has 118 bytes; numpy's own limit is 10,000."""
_MIN_HEADER_BYTES = 12
_CHUNK_BYTES = 1024**2
_MAPPED_FROM = 1024**2
"""Bytes from which on an array is mapped: a smaller one is read sooner than mapped."""
_MAX_CODE_POINT = 0x10FFFF

_MAGIC = b"\x93NUMPY"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Of a zip's member (APPNOTE.TXT, 4.3.7): signature, length of the name, length of the extras."""
_PLAIN_TYPE = re.compile(r"[<>|=]?[biufcSUV][1-9][0-9]{0,9}")


class NpzError(ValueError):
    """A file is no sound .npz; the text says what is wrong in words."""


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What an array says of itself."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    fortran_order: bool
    offset: int
    """Bytes before the array's own."""


class NpzReader:
    """An open .npz file: names at once, arrays one at a time. Made by `open_npz`."""

    def __init__(self, archive: zipfile.ZipFile, stream: BinaryIO, what: str) -> None:
        self._archive = archive
        self._stream = stream
        self._what = what
        self._members = {member.filename[:-4]: member for member in archive.infolist()}

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays' names, in the order of the file."""
        return tuple(self._members)

    def header(self, name: str) -> ArrayHeader:
        """Return type and shape of an array; raises `NpzError` where they cannot be believed."""
        with self._open(name) as stream:
            return self._header(name, stream.read(_HEADER_BYTES))

    def read(self, name: str) -> np.ndarray:
        """Return an array in the machine's byte order; raises `NpzError` where it is not sound."""
        with self._open(name) as stream:
            start = stream.read(_HEADER_BYTES)
            header = self._header(name, start)
            data = np.empty(self._members[name].file_size - header.offset, np.uint8)
            self._fill(name, data, start[header.offset :], stream)
        array = _shaped(f"{self._what}: array {name!r}", data, header)
        if array.dtype.kind == "U" and not _is_text(array):
            raise NpzError(f"{self._what}: array {name!r} holds characters that do not exist")
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    @cached_property
    def _pages(self) -> mmap.mmap | None:
        """The whole file, mapped once for all of its arrays; None where it cannot be."""
        return map_file(self._stream)

    def mapped(self, name: str) -> np.ndarray:
        """Return an array as `read` does; a large one that is stored as it is, read-only, mapped.

        A mapped array stays whole after the file is closed. Its checksum is not checked.
        """
        member = self._members[name]
        if member.compress_type == zipfile.ZIP_STORED and member.file_size >= _MAPPED_FROM:
            header = self.header(name)
            if header.dtype.kind in "biufc" and header.dtype.isnative and not header.fortran_order:
                offset = self._start(name) + header.offset
                if self._pages is not None:
                    return array_in(self._pages, offset, header.dtype, header.shape)
        return self.read(name)

    def check(self, name: str) -> None:
        """Look at every byte of an array, of any size; raises `NpzError` as `read` does."""
        with self._open(name) as stream:
            chunk = stream.read(_HEADER_BYTES)
            self._header(name, chunk)
            size = 0
            while chunk:
                size += len(chunk)
                chunk = stream.read(_CHUNK_BYTES)
        if size != self._members[name].file_size:
            raise NpzError(f"{self._what}: array {name!r} ends early")

    def _start(self, name: str) -> int:
        """Return where the bytes of a stored member begin; they are there to their end.

        `zipfile` has compared the two headers of the member by then, when it opened it.
        """
        member = self._members[name]
        self._stream.seek(member.header_offset)
        start = self._stream.read(_LOCAL_HEADER.size)
        if len(start) == _LOCAL_HEADER.size:
            signature, name_length, extra_length = _LOCAL_HEADER.unpack(start)
            offset: int = member.header_offset + len(start) + name_length + extra_length
            whole = offset + member.file_size <= os.fstat(self._stream.fileno()).st_size
            if signature == b"PK\x03\x04" and whole and member.compress_size == member.file_size:
                return offset
        raise NpzError(f"{self._what}: array {name!r} is damaged (it is not where it should be)")

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._archive.open(self._members[name]) as stream:
                yield stream
        except NpzError:
            raise
        except ZIP_ERRORS as error:
            raise NpzError(f"{self._what}: array {name!r} is damaged ({error})") from None

    def _header(self, name: str, start: bytes) -> ArrayHeader:
        header = _parse_header(f"{self._what}: array {name!r}", start)
        needed = math.prod(header.shape) * header.dtype.itemsize
        there = self._members[name].file_size - header.offset
        if needed != there:
            raise NpzError(
                f"{self._what}: array {name!r} says it has {needed} bytes but has {there}"
            )
        return header

    def _fill(self, name: str, data: np.ndarray, start: bytes, stream: IO[bytes]) -> None:
        filled, chunk = 0, start
        while chunk:
            data[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
            filled += len(chunk)
            chunk = stream.read(_CHUNK_BYTES)
        if filled != len(data):
            raise NpzError(f"{self._what}: array {name!r} ends early")


@contextmanager
def open_npz(path: Path, *, max_bytes: int, what: str) -> Iterator[NpzReader]:
    """Open `path` if its arrays, unpacked, have at most `max_bytes` bytes together.

    `what` names the file in messages.

    Raises:
        NpzError: there is no such file, it is a link or no regular file, no zip, too big, or it
            holds anything but uniquely named arrays.
    """
    try:
        with open_regular(path) as stream:
            if stream.read(len(_MAGIC)) == _MAGIC:
                raise NpzError(f"{what} is one .npy array; save it with numpy.savez, by name")
            stream.seek(0)
            with open_zip(stream) as archive:
                _check_members(archive.infolist(), max_bytes, what)
                yield NpzReader(archive, stream, what)
    except FileNotFoundError:
        raise NpzError(f"{what} does not exist") from None
    except UntrustedFileError as error:
        raise NpzError(f"{what} {error}") from None


def read_npz(path: Path, *, max_bytes: int, what: str) -> dict[str, np.ndarray]:
    """Return every array of `path` by name; see `open_npz`.

    Raises:
        NpzError: the file is not sound, see `open_npz`, or one of its arrays is not.
    """
    with open_npz(path, max_bytes=max_bytes, what=what) as reader:
        return {name: reader.read(name) for name in reader.names}


def _check_members(members: list[zipfile.ZipInfo], max_bytes: int, what: str) -> None:
    if len(members) > _MAX_ARRAYS:
        raise NpzError(f"{what} holds {len(members)} arrays; at most {_MAX_ARRAYS} are read")
    for member in members:
        if len(member.filename) <= len(".npy") or not member.filename.endswith(".npy"):
            raise NpzError(f"{what} holds {member.filename!r}, which is not NAME.npy")
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise NpzError(f"{what} holds {total} bytes of arrays; at most {max_bytes} are read")


def _parse_header(array: str, start: bytes) -> ArrayHeader:
    """Parse the `.npy` header (numpy's NEP 1, versions 1.0 and 2.0) at the start of a member."""
    if start[: len(_MAGIC)] != _MAGIC or len(start) < _MIN_HEADER_BYTES:
        raise NpzError(f"{array} does not begin like a .npy array")
    major, length_bytes = start[6], 2 if start[6] == 1 else 4
    if major not in (1, 2):
        raise NpzError(f"{array} is a .npy of version {major}; 1 and 2 are read")
    offset = 8 + length_bytes + int.from_bytes(start[8 : 8 + length_bytes], "little")
    if offset > len(start):
        raise NpzError(f"{array} has a header that is cut off or longer than any array needs")
    try:
        fields = _literal(start[8 + length_bytes : offset].decode("ascii").strip())
        descr, order, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        raise NpzError(f"{array} has an unreadable header") from None
    if not isinstance(order, bool) or not _is_shape(shape):
        raise NpzError(f"{array} has an impossible shape or order in its header")
    return ArrayHeader(_plain_type(array, descr), shape, order, offset)


@lru_cache(maxsize=64)
def _literal(text: str) -> Any:
    """Return what a header says: a dictionary, written as Python. Most arrays of a sweep are alike.

    `ast.literal_eval` runs nothing.
    """
    return ast.literal_eval(text)


def _is_shape(shape: object) -> bool:
    if not isinstance(shape, tuple) or len(shape) > _MAX_RANK:
        return False
    return all(type(size) is int and 0 <= size < 2**63 for size in shape)


def _plain_type(array: str, descr: object) -> np.dtype[np.generic]:
    if isinstance(descr, str) and descr.lstrip("<>|=").startswith("O"):
        raise NpzError(
            f"{array} holds Python objects, stored as a pickle; pickles can run code and are "
            "never read"
        )
    if not isinstance(descr, str) or not _PLAIN_TYPE.fullmatch(descr):
        raise NpzError(f"{array} has the type {str(descr)[:80]}; plain numbers and text are read")
    try:
        return np.dtype(descr)
    except (TypeError, ValueError):
        raise NpzError(f"{array} has the type {descr}, which does not exist") from None


def _shaped(array: str, data: np.ndarray, header: ArrayHeader) -> np.ndarray:
    try:
        return data.view(header.dtype).reshape(
            header.shape, order="F" if header.fortran_order else "C"
        )
    except ValueError as error:
        raise NpzError(f"{array} has an impossible shape ({error})") from None


def _is_text(array: np.ndarray) -> bool:
    if array.size == 0:
        return True
    units = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
    flat = array.reshape(-1, order="A")
    return int(flat.view(units).max()) <= _MAX_CODE_POINT
