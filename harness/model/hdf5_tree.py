"""Listing what arrays an HDF5 file holds: their names, shapes and sizes, not their values.

A forged file can send its reader in circles, through as many nodes as it likes. So every object is
visited once, and reading has a budget: of bytes and of reads, for each object and for all.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from pyfive.dataobjects import DataObjects
from pyfive.misc_low_level import SuperBlock

from harness.text import one_line
from harness.untrusted import UntrustedFileError

__all__ = ["Hdf5Array", "list_arrays"]

_SYMBOL_TABLE, _LINK, _LINK_INFO = 0x11, 0x06, 0x02
"""Messages of an object header (HDF5 file format 3.0, IV.A.2)."""
_MAX_OBJECTS = 200_000
_MAX_DEPTH = 64
_MAX_NAME = 1_000
_ALL_BYTES = 64 * 1024**2
_ALL_READS = 2_000_000
_OBJECT_BYTES = 16 * 1024**2
_OBJECT_READS = 100_000
_HEADER_BYTES = 4 * 1024**2
_HEADER_READS = 2_000
"""A header's parts are joined one by one: many large ones would take quadratic time."""


@dataclass(frozen=True, slots=True)
class Hdf5Array:
    """A dataset."""

    name: str
    """Its path from the root, without the first slash."""
    shape: tuple[int, ...]
    item_bytes: int

    @property
    def elements(self) -> int:
        """Number of its elements."""
        return math.prod(self.shape)


def list_arrays(stream: BinaryIO, start: int, size: int, base: int = 0) -> tuple[Hdf5Array, ...]:
    """Return the arrays of the HDF5 file that is `size` bytes of `stream` from `start` on.

    `start` is where its superblock is; `base` where that says it is, as it does where a user's
    block comes before it.

    Raises:
        UntrustedFileError: it is damaged or forged.
        NotImplementedError: it uses a part of HDF5 that cannot be read without h5py.
    """
    window = _Window(stream, start, size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about types that no weights have
            return tuple(_walk(window, base))
    except (NotImplementedError, UntrustedFileError):
        raise
    # pyfive trusts the file: a damaged one makes it raise anything at all.
    except Exception as error:
        what = f"is damaged: its groups cannot be read ({type(error).__name__})"
        raise UntrustedFileError(what) from None


class _Window(io.RawIOBase):
    """A part of an open file as a file, of which only so much may be read."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._stream, self._start, self._size = stream, start, size
        self._position = 0
        self._bytes_left, self._reads_left = _ALL_BYTES, _ALL_READS
        self._object_bytes = self._object_reads = 0

    def allow(self, count: int, reads: int) -> None:
        """Allow so many bytes and reads from here on."""
        self._object_bytes, self._object_reads = count, reads

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; a position outside the file is an error of the file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        if not 0 <= self._position <= self._size:
            raise UntrustedFileError("is damaged: it points outside itself")
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes, as far as the budget goes."""
        rest = self._size - self._position
        count = rest if size is None or size < 0 else min(size, rest)
        self._object_bytes -= count
        self._object_reads -= 1
        self._bytes_left -= count
        self._reads_left -= 1
        if min(self._object_bytes, self._object_reads, self._bytes_left, self._reads_left) < 0:
            raise UntrustedFileError("is damaged or forged: reading its groups does not end")
        self._stream.seek(self._start + self._position)
        data = self._stream.read(count)
        self._position += len(data)
        return data


def _walk(window: _Window, base: int) -> Iterator[Hdf5Array]:
    window.allow(_HEADER_BYTES, _HEADER_READS)
    block = SuperBlock(window, 0)
    if block._contents["base_address"] != base:
        raise NotImplementedError
    waiting: list[tuple[str, int, int]] = [("", block.offset_to_dataobjects, 0)]
    seen: set[int] = set()
    while waiting:
        name, address, depth = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > _MAX_OBJECTS or depth > _MAX_DEPTH:
            raise UntrustedFileError("holds more groups than any model")
        window.allow(_HEADER_BYTES, _HEADER_READS)
        found = DataObjects(window, address)
        if found.is_dataset:
            yield _array(name, found)
            continue
        window.allow(_OBJECT_BYTES, _OBJECT_READS)
        links = sorted(_links(found), reverse=True)
        waiting += [(f"{name}/{link}".lstrip("/"), place, depth + 1) for link, place in links]


def _links(group: Any) -> Iterator[tuple[str, int]]:
    """Yield the names and addresses in a group; links by name lead to what is listed anyway."""
    for message in group.msgs:
        if message["type"] == _SYMBOL_TABLE:
            found = group._iter_links_from_symbol_tables(message)
        elif message["type"] == _LINK:
            found = [group._get_link_from_link_msg(message)]
        elif message["type"] == _LINK_INFO:
            # Links in a heap of their own: h5py writes that for `libver="latest"` only.
            if group._decode_link_info_msg(group.msg_data, message["offset_to_message"])[
                "heap_address"
            ]:
                raise NotImplementedError
            continue
        else:
            continue
        yield from ((_name(name), place) for name, place in found if isinstance(place, int))


def _name(name: str | bytes) -> str:
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    return one_line(text, _MAX_NAME)


def _array(name: str, found: Any) -> Hdf5Array:
    shape = found.shape or ()
    return Hdf5Array(name, tuple(int(size) for size in shape), int(found.ptype.dtype.itemsize))
