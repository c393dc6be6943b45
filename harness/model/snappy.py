"""Unpacking Snappy, which some checkpoints' indices are compressed with.

https://github.com/google/snappy/blob/main/format_description.txt
"""

from __future__ import annotations

from harness.model.wire import WireError, varint

__all__ = ["unpack"]

_LITERAL = 0
_SHORT_COPY = 1
_LONG_LITERAL = 60
"""Lengths from here on say how many bytes the length has."""


def unpack(data: bytes, limit: int) -> bytes:
    """Return what one block was made of.

    Raises:
        WireError: it is damaged, or would unpack to more than `limit` bytes.
    """
    size, position = varint(data, 0)
    if size > limit:
        raise WireError(f"a block of it unpacks to {size} bytes")
    made = bytearray()
    while position < len(data):
        tag = data[position]
        position += 1
        if tag & 3 == _LITERAL:
            length, position = _literal(data, tag >> 2, position)
            made += data[position : position + length]
            position += length
        else:
            length, back, position = _copy(data, tag, position)
            _repeat(made, length, back)
        if len(made) > size or position > len(data):
            raise WireError("a block of it does not unpack to what it says")
    if len(made) != size:
        raise WireError("a block of it does not unpack to what it says")
    return bytes(made)


def _literal(data: bytes, length: int, position: int) -> tuple[int, int]:
    if length < _LONG_LITERAL:
        return length + 1, position
    end = position + length - _LONG_LITERAL + 1
    return int.from_bytes(data[position:end], "little") + 1, end


def _copy(data: bytes, tag: int, position: int) -> tuple[int, int, int]:
    """Return how many bytes are repeated, from how far back, and where the next tag is."""
    if tag & 3 == _SHORT_COPY:
        low = data[position : position + 1]
        return (tag >> 2 & 7) + 4, tag >> 5 << 8 | int.from_bytes(low, "little"), position + 1
    end = position + (2 if tag & 3 == 2 else 4)  # noqa: PLR2004
    return (tag >> 2) + 1, int.from_bytes(data[position:end], "little"), end


def _repeat(made: bytearray, length: int, back: int) -> None:
    if not 0 < back <= len(made):
        raise WireError("a block of it refers to what is before its beginning")
    start = len(made) - back
    # A copy may reach into what it makes: a run of one byte is a copy from one back.
    pattern = made[start : start + length]
    made += (pattern * (length // len(pattern) + 1))[:length]
