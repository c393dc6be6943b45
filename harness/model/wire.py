"""Walking the fields of a protocol buffer in a file, without holding what is not wanted.

A frozen graph may have gigabytes of weights and needs a few kilobytes read. The wire format:
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["Budget", "Field", "Part", "WireError", "load", "slim", "varint", "walk", "whole"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT = 10
_MAX_FIELD = 2**29 - 1
_MAX_FIELDS = 2_000_000
"""More than any graph has; a forged file could have a thousand million."""
_LAST = 0x80
"""Bytes from here on are not the last of their varint."""


class WireError(ValueError):
    """The bytes are no protocol buffer; the text completes `FILE is damaged: ...`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file: a message without its length."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    number: int
    begin: int
    """Where its tag is."""
    content: Part | None
    """Of a message, text or bytes; else None."""
    end: int


class Budget:
    """How many fields may still be walked over, by all walks it is given to."""

    def __init__(self, fields: int = _MAX_FIELDS) -> None:
        self._left = fields

    def spend(self) -> None:
        """Count a field; raises `WireError` where there were too many."""
        self._left -= 1
        if self._left < 0:
            raise WireError("it has more fields than any model")


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the varint at `position` and where it ends.

    Raises:
        WireError: it is cut off or has too many bytes.
    """
    value = 0
    for index in range(position, min(position + _MAX_VARINT, len(data))):
        value |= (data[index] & 0x7F) << 7 * (index - position)
        if data[index] < _LAST:
            return value, index + 1
    raise WireError("a number in it is cut off")


def whole(stream: BinaryIO) -> Part:
    """Return all of a file."""
    return Part(0, stream.seek(0, 2))


def walk(stream: BinaryIO, part: Part, budget: Budget | None = None) -> Iterator[Field]:
    """Yield the fields of a message; the position in the file may be moved between them.

    Raises:
        WireError: this is no message, or has more fields than `budget` allows.
    """
    budget = budget if budget is not None else Budget()
    position = part.start
    while position < part.end:
        budget.spend()
        field = _field(stream, position, part.end)
        yield field
        position = field.end


def load(stream: BinaryIO, part: Part, limit: int) -> bytes:
    """Return the bytes of `part`.

    Raises:
        WireError: there are more than `limit`, or the file has become shorter.
    """
    if part.size > limit:
        raise WireError(f"it has a part of {part.size} bytes where few are expected")
    stream.seek(part.start)
    data = stream.read(part.size)
    if len(data) != part.size:
        raise WireError("it is cut off")
    return data


def slim(
    stream: BinaryIO,
    part: Part,
    *,
    wanted: Callable[[Field], bool],
    whole_up_to: int,
    limit: int,
    budget: Budget | None = None,
) -> bytes:
    """Return a message without the fields that are not wanted, itself a message.

    Up to `whole_up_to` bytes it is returned as it is.

    Raises:
        WireError: this is no message, or more than `limit` bytes are wanted.
    """
    if part.size <= whole_up_to:
        return load(stream, part, whole_up_to)
    kept = bytearray()
    for field in walk(stream, part, budget):
        if wanted(field):
            kept += load(stream, Part(field.begin, field.end), limit - len(kept))
    return bytes(kept)


def _field(stream: BinaryIO, begin: int, end: int) -> Field:
    stream.seek(begin)
    # A tag and a length, at most ten bytes each.
    head = stream.read(min(2 * _MAX_VARINT, end - begin))
    tag, used = varint(head, 0)
    number, kind = tag >> 3, tag & 7
    if not 0 < number <= _MAX_FIELD:
        raise WireError(f"it has a field of the impossible number {number}")
    if kind == _VARINT:
        return Field(number, begin, None, begin + varint(head, used)[1])
    if kind in _SIZES:
        return _bounded(Field(number, begin, None, begin + used + _SIZES[kind]), end)
    if kind != _BYTES:
        raise WireError("it has a field of a kind that no message of today has")
    length, used = varint(head, used)
    content = Part(begin + used, begin + used + length)
    return _bounded(Field(number, begin, content, content.end), end)


def _bounded(field: Field, end: int) -> Field:
    if field.end > end:
        raise WireError("a field of it is longer than what it is in")
    return field
