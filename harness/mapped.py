"""Arrays seen through a memory map of their file: nothing is copied, and what was read is let go.

A mapped page that was touched counts as resident memory until it is let go, even though the
system may take it back at any time; whoever walks over arrays of gigabytes calls `release` as it
goes. What is touched again later is simply mapped again.
"""

from __future__ import annotations

import math
import mmap
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["array_in", "map_file", "release"]


def map_file(stream: BinaryIO) -> mmap.mmap | None:
    """Map an open file whole, to be read; it stays mapped after it is closed.

    None where the system refuses, as with too many open files or a file system that cannot map.
    """
    try:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError, OverflowError):
        return None


def array_in(
    pages: mmap.mmap, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return a read-only array over the bytes of a mapped file from `offset` on.

    They must be there. What is cut off a file later is no exception but a signal when it is read:
    files that may be, such as a user's, are copied first.
    """
    return np.frombuffer(pages, dtype, math.prod(shape), offset).reshape(shape)


def release(array: NDArray[Any]) -> None:
    """Let go of the pages that a contiguous part of a mapped array lies in.

    Does nothing to arrays that are in memory of their own, whatever they are views of.
    """
    pages = _pages(array)
    if pages is None or array.size == 0:
        return
    # The map itself starts with a page; its address is that of its first byte.
    start = _address(array) - _address(np.frombuffer(pages, np.uint8, 1))
    end = start + array.nbytes
    start -= start % mmap.PAGESIZE
    pages.madvise(mmap.MADV_DONTNEED, start, end - start)


def _pages(array: NDArray[Any]) -> mmap.mmap | None:
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else base
    return owner if isinstance(owner, mmap.mmap) else None


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
