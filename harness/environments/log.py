"""What a run prints, kept within bounds: the beginning and the end."""

from __future__ import annotations

import os
from collections import deque
from typing import BinaryIO

__all__ = ["BoundedLog", "bounded_text"]

_HALF_BYTES = 256 * 1024


class BoundedLog:
    """Takes in any amount of bytes and keeps the first and the last `half_bytes` of them."""

    def __init__(self, half_bytes: int = _HALF_BYTES) -> None:
        self._half = half_bytes
        self._head = b""
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.total_bytes = 0
        """How much was taken in."""

    def add(self, chunk: bytes) -> None:
        """Take in the next bytes; chunks of some kilobytes are kept best."""
        self.total_bytes += len(chunk)
        room = self._half - len(self._head)
        self._head += chunk[:room]
        rest = chunk[room:]
        if rest:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
        while self._tail and self._tail_bytes - len(self._tail[0]) >= self._half:
            self._tail_bytes -= len(self._tail.popleft())

    def text(self) -> str:
        """Return what was kept, with a line for what was left out."""
        return _text(self._head, b"".join(self._tail)[-self._half :], self.total_bytes)


def bounded_text(stream: BinaryIO, half_bytes: int = _HALF_BYTES) -> str:
    """Return the first and the last `half_bytes` of a file, with a line for what was left out."""
    size = os.fstat(stream.fileno()).st_size
    head = stream.read(half_bytes)
    stream.seek(max(len(head), size - half_bytes))
    return _text(head, stream.read(half_bytes), size)


def _text(head: bytes, tail: bytes, total_bytes: int) -> str:
    left_out = total_bytes - len(head) - len(tail)
    between = f"\n[... {left_out} bytes left out ...]\n".encode() if left_out > 0 else b""
    return (head + between + tail).decode("utf-8", "replace")
