"""What a run prints, kept within bounds: the beginning and the end."""

from __future__ import annotations

from collections import deque

__all__ = ["BoundedLog"]


class BoundedLog:
    """Takes in any amount of bytes and keeps the first and the last `half_bytes` of them."""

    def __init__(self, half_bytes: int = 256 * 1024) -> None:
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
        tail = b"".join(self._tail)[-self._half :]
        left_out = self.total_bytes - len(self._head) - len(tail)
        between = f"\n[... {left_out} bytes left out ...]\n".encode() if left_out else b""
        return (self._head + between + tail).decode("utf-8", "replace")
