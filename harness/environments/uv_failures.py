"""What a failure of uv means: the cell's own, or the infrastructure's.

uv 0.9 to 0.13 say both with status 1 or 2, so the words decide. Whatever is not recognised as
something that was published being wrong is infrastructure: `unknown`, never `failed`.
"""

from __future__ import annotations

import re
import signal
from typing import Literal

from harness.environments.engine import CellFailure
from harness.environments.process import Completed
from harness.observation import Ending, Stage

__all__ = ["NO_DATES", "RETRIED", "classify"]

RETRIED = frozenset({"DamagedDownload", "IndexUnavailable"})
"""Types of failures that may be gone the next time."""

NO_DATES = "missing an upload date"
"""uv warns with these words of each file that has none; a cut-off hides such files."""

_DISK_FULL = re.compile(r"No space left on device|os error 28\b|Disk quota exceeded")
_UNREACHABLE = re.compile(
    r"Request failed after|Failed to fetch|error sending request|client error \(Connect\)"
    r"|dns error|tcp connect|timed out|[Cc]onnection (refused|reset)|ConnectionRefusedError"
    r"|Name or service not known|Temporary failure in name resolution|Network is unreachable"
    r"|invalid peer certificate|CERTIFICATE_VERIFY_FAILED|HTTP status (server|client) error"
    r"|401 Unauthorized|403 Forbidden|could not be queried|network was disabled"
    r"|(not|n.t) found in the cache|error decoding response body|error reading a body"
)
_DAMAGED = re.compile(
    r"Hash mismatch for|Failed to extract archive|Bad CRC|Failed to read from zip file"
)
_NO_SOLUTION = "No solution found when resolving"
_BUILD_FAILED = re.compile(r"Failed to build|build backend returned an error")
_NEEDS_BUILDING = re.compile(r"has no usable wheels|building from source is disabled")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")

_DATES_ADVICE = (
    "The package index gives no upload dates, so nothing can be resolved as of a release. "
    "Use an index that gives them (`upload-time`, PEP 700), or `resolution: [today]`."
)
_BUILD_ADVICE = (
    "A dependency has no wheel, and building it needs this Python on this machine. Install the "
    "interpreter, or pin a version of the dependency that has wheels."
)
_LOCK_ADVICE = (
    "The package index lacks what the lock names. Resolve again (`--fresh`), or use the index the "
    "lock was made with."
)
_MOST_LINES = 12


def classify(
    stage: Literal[Stage.RESOLVE, Stage.BUILD],
    completed: Completed,
    *,
    distribution: str,
    native: bool = True,
) -> CellFailure:
    """Return the failure that uv's output describes.

    `distribution` is known to be on the index, because planning saw it there. `native` is False
    where packages could not be built for want of an interpreter.
    """
    log = _CREDENTIALS.sub("", completed.output)
    kind, ending, advice = _kind(stage, completed, log, distribution, native)
    message = "\n".join(part for part in (advice, _essence(log)) if part)
    return CellFailure(stage=stage, ending=ending, type=kind, message=message, log=log)


_Kind = tuple[str, Literal[Ending.EXCEPTION, Ending.SKIPPED, Ending.INFRASTRUCTURE], str]


def _kind(stage: Stage, completed: Completed, log: str, distribution: str, native: bool) -> _Kind:
    infrastructure = _infrastructure(completed, log, distribution)
    if infrastructure is not None:
        return (infrastructure[0], Ending.INFRASTRUCTURE, infrastructure[1])
    if _NO_SOLUTION in log and stage is Stage.BUILD:
        return ("NotOnIndex", Ending.INFRASTRUCTURE, _LOCK_ADVICE)
    if _NO_SOLUTION in log and not native and _NEEDS_BUILDING.search(log):
        return ("NoInterpreter", Ending.SKIPPED, _BUILD_ADVICE)
    if _NO_SOLUTION in log:
        return ("NoSolution", Ending.EXCEPTION, "")
    if _BUILD_FAILED.search(log):
        return ("BuildFailed", Ending.EXCEPTION, "")
    return ("ResolverError", Ending.INFRASTRUCTURE, "")


def _infrastructure(completed: Completed, log: str, distribution: str) -> tuple[str, str] | None:
    if completed.timed_out:
        return ("ResolverTimeout", "uv took too long and was ended.")
    if completed.status < 0:
        return ("Stopped", f"uv was ended by {signal.Signals(-completed.status).name}.")
    unlisted = f"{distribution} was not found in the package registry"
    causes = (
        (_DISK_FULL, "DiskFull", "No space is left for packages."),
        (_UNREACHABLE, "IndexUnavailable", "The package index did not answer as it should."),
        (_DAMAGED, "DamagedDownload", "What was downloaded is not what the index describes."),
        (re.compile(NO_DATES), "IndexHasNoDates", _DATES_ADVICE),
        (
            re.compile(re.escape(unlisted)),
            "IndexUnavailable",
            "The package index no longer lists it.",
        ),
    )
    return next(((kind, advice) for words, kind, advice in causes if words.search(log)), None)


def _essence(log: str) -> str:
    """Return what uv said from its error on, the middle left out where it is long."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    start = max((i for i, line in enumerate(lines) if line.startswith("error: ")), default=0)
    lines = [line.removeprefix("error: ") for line in lines[start:]]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:3], "[...]", *lines[4 - _MOST_LINES :]]
    return "\n".join(lines)
