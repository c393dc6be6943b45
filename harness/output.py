"""What is printed, and how wide: results to standard output, all else to standard error."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

__all__ = ["colored", "shown", "tell", "width", "write"]


def write(text: str) -> None:
    """Print what was asked for."""
    sys.stdout.write(text)
    sys.stdout.flush()


def tell(text: str) -> None:
    """Print a message, in lines that fit a terminal."""
    if sys.stderr.isatty():
        from harness.report.layout import reflowed  # noqa: PLC0415  (only on a terminal)

        text = reflowed(text, width())
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def width() -> int:
    """Return how many characters a line has room for; 120 where that is not known."""
    return shutil.get_terminal_size((120, 24)).columns


def colored() -> bool:
    """Tell whether colours may be used (https://no-color.org)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def shown(path: Path) -> str:
    """Return a path as a person in this folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
