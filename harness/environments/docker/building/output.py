"""What the output of a build says: what it is doing now, and why it failed."""

from __future__ import annotations

import re

from harness.environments.engine import CellFailure
from harness.environments.process import Completed
from harness.environments.uv_failures import classify
from harness.observation import Ending, Stage
from harness.text import last_lines, printable

__all__ = ["build_failure", "install_failure", "phrase", "shown"]

_PHRASES = (
    ("load build definition", "starting the build"),
    ("Step 1/", "starting the build"),
    ("Resolved", "downloading packages"),
    ("Downloading", "downloading packages"),
    ("Building", "building packages without wheels"),
    ("Prepared", "installing packages"),
    ("Compiling bytecode", "compiling bytecode"),
    ("exporting to image", "exporting the image"),
)

# BuildKit's `--progress=plain` puts the step and the seconds before what a program prints.
_PRINTED = re.compile(r"^#\d+ \d+\.\d+ ?(.*)$", re.MULTILINE)
# BuildKit 0.8, later BuildKit, and the classic builder, of a RUN that ended with a status.
_STEP_FAILED = re.compile(
    r"(?:executor failed running|did not complete successfully:|returned a non-zero code:)"
    r"(?:.*exit code:)?\D*(\d+)",
)
_DISK_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_DAEMON = re.compile(
    r"Cannot connect to the Docker daemon|error during connect|failed to dial"
    r"|unexpected EOF|the daemon is shutting down|transport is closing"
)
_KILLED = 137
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def phrase(line: str) -> str | None:
    """Return what a line of the output says is being done, in a few words, or None."""
    text = printable(line)
    return next((said for begin, said in _PHRASES if begin in text[:80]), None)


def shown(output: str) -> str:
    """Return what a build printed without control characters and without credentials in URLs."""
    return _CREDENTIALS.sub("", printable(output))


def build_failure(completed: Completed, *, distribution: str) -> CellFailure:
    """Return why the build that printed `completed` failed.

    Only what uv says of the packages is the cell's own; everything else is infrastructure.
    """
    log = shown(completed.output)
    step = _STEP_FAILED.search(log)
    if _DISK_FULL.search(log):
        return _infrastructure("DiskFull", "No space is left for images.", log)
    if _NO_DAEMON.search(log):
        return _infrastructure("DaemonUnavailable", "The Docker daemon went away.", log)
    if completed.status < 0:
        return _infrastructure("Stopped", "docker build was ended from outside.", log)
    if step is None:
        return _infrastructure(
            "BuilderError", f"docker build failed:\n{last_lines(log, 5, 4_000)}", log
        )
    printed = "\n".join(_PRINTED.findall(log)) or log[: step.start()]
    return _of_install(int(step[1]), printed, log, distribution)


def install_failure(completed: Completed, *, distribution: str) -> CellFailure:
    """Return why `install.sh`, run in a container of its own, failed with `completed`."""
    log = shown(completed.output)
    if _DISK_FULL.search(log):
        return _infrastructure("DiskFull", "No space is left for environments.", log)
    return _of_install(completed.status, log, log, distribution)


def _of_install(status: int, printed: str, log: str, distribution: str) -> CellFailure:
    if status == _KILLED:
        message = "The installation was killed, as a machine does that is out of memory."
        return _infrastructure("Killed", message, log)
    failure = classify(Stage.BUILD, Completed(status, "", printed), distribution=distribution)
    return failure.model_copy(update={"log": log})


def _infrastructure(kind: str, message: str, log: str) -> CellFailure:
    return CellFailure(
        stage=Stage.BUILD, ending=Ending.INFRASTRUCTURE, type=kind, message=message, log=log
    )
