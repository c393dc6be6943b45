"""What is found out once in the life of the harness, whichever thread asks first."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["once"]

T = TypeVar("T")


def once(function: Callable[[], T]) -> Callable[[], T]:
    """Call `function` once; `functools.cache` would let each thread do so that asks meanwhile."""
    lock = threading.Lock()
    cached = functools.cache(function)

    @functools.wraps(function)
    def called() -> T:
        with lock:
            return cached()

    return called
