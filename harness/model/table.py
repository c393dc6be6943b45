"""Reading a table of sorted keys: the format of a checkpoint's index (and of LevelDB).

tensorflow/core/lib/io/table_format.txt and format.{h,cc}: blocks of entries whose keys share
prefixes, an index block of blocks, and a footer of 48 bytes. Blocks may be packed with Snappy.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from harness.model.snappy import unpack
from harness.model.wire import WireError, varint
from harness.text import one_line

__all__ = ["TABLE_END", "TableError", "crc32c", "masked", "read_table"]

TABLE_END: Final = bytes.fromhex("57fb808b247547db")
"""How a table ends: format.h, kTableMagicNumber."""

_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
"""After each block: how it is compressed, and a checksum."""
_MAX_BLOCK_BYTES = 64 * 1024**2
_MAX_KEY_BYTES = 16 * 1024
_MAX_BLOCKS = 100_000
_STORED, _SNAPPY = 0, 1


class TableError(ValueError):
    """The file is no sound table; the text completes `FILE is damaged: ...`."""


def read_table(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table of `size` bytes, in their order.

    Each block is read once and checked against its checksum.

    Raises:
        TableError: the file is cut off, damaged or forged.
    """
    try:
        yield from _entries(stream, size)
    except WireError as error:
        raise TableError(str(error)) from None


def _entries(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    if size < _FOOTER_BYTES:
        raise TableError("it is cut off")
    stream.seek(size - _FOOTER_BYTES)
    footer = stream.read(_FOOTER_BYTES)
    if footer[-len(TABLE_END) :] != TABLE_END:
        raise TableError("it does not end like a table of tensors")
    _, position = _handle(footer, 0)  # of a block about the blocks, which nobody writes
    handle, _ = _handle(footer, position)
    end, last = 0, b""
    for count, (_, value) in enumerate(_block(stream, handle, size)):
        handle, _ = _handle(value, 0)
        # Blocks that lie in a row are read once each, however a forged index repeats itself.
        if handle[0] < end or count >= _MAX_BLOCKS:
            raise TableError("its blocks are not in a row")
        end = sum(handle)
        for key, content in _block(stream, handle, size):
            if key <= last and last:
                raise TableError(f"its keys are not in order at {one_line(repr(key), 80)}")
            last = key
            yield key, content


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = varint(data, position)
    length, position = varint(data, position)
    return (offset, length), position


def _block(stream: BinaryIO, handle: tuple[int, int], size: int) -> Iterator[tuple[bytes, bytes]]:
    offset, length = handle
    if length > _MAX_BLOCK_BYTES or offset + length + _TRAILER_BYTES > size - _FOOTER_BYTES:
        raise TableError("it points outside itself")
    stream.seek(offset)
    data = stream.read(length + _TRAILER_BYTES)
    if len(data) != length + _TRAILER_BYTES:
        raise TableError("it is cut off")
    return _split(_unpacked(data, length))


def _unpacked(data: bytes, length: int) -> bytes:
    """Check a block's checksum, over its contents and how they are kept; return the contents."""
    (stored,) = struct.unpack_from("<I", data, length + 1)
    if masked(crc32c(data[: length + 1])) != stored:
        raise TableError("a block of it does not have its checksum")
    if data[length] == _STORED:
        return data[:length]
    if data[length] == _SNAPPY:
        return unpack(data[:length], _MAX_BLOCK_BYTES)
    raise TableError("a block of it is kept in an unknown way")


def _split(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block; after them come the restart points, which searches need."""
    if len(block) < 4:  # noqa: PLR2004  (their number)
        raise TableError("a block of it is cut off")
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise TableError("a block of it is cut off")
    position, key = 0, b""
    while position < end:
        shared, position = varint(block, position)
        rest, position = varint(block, position)
        length, position = varint(block, position)
        value = position + rest
        if shared > len(key) or value + length > end or shared + rest > _MAX_KEY_BYTES:
            raise TableError("an entry of it is longer than its block")
        key = key[:shared] + block[position:value]
        position = value + length
        yield key, block[value:position]


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (RFC 3720, appendix B.4) of `data`."""
    crc, table = 0xFFFFFFFF, _CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """Return the checksum as it is stored: tensorflow/core/lib/hash/crc32c.h, Mask."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC_TABLE = [_crc_entry(byte) for byte in range(256)]
