"""`harness capture`: a script that records a model where it was made."""

from __future__ import annotations

import argparse

from harness.capture import write_capture
from harness.output import write

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Write the script and say what to do with it."""
    write(f"{write_capture(options.model_dir, options.output)}\n")
    return 0
