"""The command line: one command, and what becomes of an error; exit codes."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module

from harness.arguments import help_text, parse
from harness.errors import HarnessError, InterruptedSweepError, UsageError
from harness.output import tell

__all__ = ["main"]

_INTERNAL_ERROR = 70
"""EX_SOFTWARE of sysexits.h: a fault of the harness itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `harness.errors`)."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except HarnessError as error:
        wanted = isinstance(error, InterruptedSweepError)
        tell(str(error) if wanted else f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        tell("stopped")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does; Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _internal_error(error)


def _run(arguments: Sequence[str]) -> int:
    if not arguments:
        tell(help_text().rstrip())
        return UsageError.exit_code
    options = parse(arguments)
    # Only that command's: importing all of them would take as long as a small one runs.
    command = import_module(f"harness.commands.{options.command}")
    code: int = command.run(options)
    return code


def _internal_error(error: Exception) -> int:
    tell(
        f"error: a fault in the harness itself ({type(error).__name__}: {error})\n"
        f"  Observations made so far are kept. {_details(error)}"
    )
    return _INTERNAL_ERROR


def _details(error: Exception) -> str:
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="harness-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as stream:
            stream.write("".join(traceback.format_exception(error)))
    except OSError as refused:
        return f"Details cannot be written ({refused.strerror})."
    return f"Details are in {stream.name}: please report them."
