"""The process: what Ctrl-C and SIGTERM do to it, from its first moment to its last."""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["main"]

_INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Stop:
    """The first signal stops the harness; those after it must not disturb its clearing up."""

    def __init__(self) -> None:
        self.asked = False
        self.has_begun = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            return
        self.asked = True
        if not self.has_begun:
            os._exit(_INTERRUPTED)
        raise KeyboardInterrupt


def main() -> int:
    """Run the command line as a process of its own; return its exit code."""
    stop = _Stop()
    for number in _SIGNALS:
        signal.signal(number, stop)
    # Imported here because that takes a second, in which Ctrl-C would show a stack trace.
    from harness.cli import main as run  # noqa: PLC0415

    stop.has_begun = True
    try:
        return run()
    finally:
        # Python gives signals back to the system before it has ended.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    raise SystemExit(main())
