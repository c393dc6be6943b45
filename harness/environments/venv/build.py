"""Making a venv from a lock: in a folder beside its place, moved there when it is whole."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path

from harness.cell import Cell
from harness.environments.engine import CellFailure, Environment, Lock, Progress
from harness.environments.folders import locked
from harness.environments.interpreters import Interpreter
from harness.environments.owner import owner
from harness.environments.process import Completed, run_program
from harness.environments.resolver import date_options
from harness.environments.stopping import stopped_build
from harness.environments.uv import run_uv
from harness.environments.uv_failures import RETRIED, classify
from harness.observation import Base, Ending, EnvironmentFacts, Stage
from harness.paths import cache_directory

__all__ = [
    "TEMPORARY",
    "build_venv",
    "environments_directory",
    "is_whole",
    "venv_location",
]

TEMPORARY = ".tmp-"
"""Between the name of a venv in the making and the label of the process that makes it."""

_MARKER = "complete.json"
_LOCK_FILE = "requirements.lock"
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 3_600.0


def environments_directory() -> Path:
    """Return the folder of the venvs."""
    return cache_directory() / "environments"


def venv_location(lock: Lock, interpreter: Interpreter) -> Path:
    """Return where the venv of `lock` is, or will be."""
    return environments_directory() / f"{lock.digest[:16]}-{interpreter.version}"


def is_whole(location: Path) -> bool:
    """Tell whether a folder is a venv that was made to its end."""
    return TEMPORARY not in location.name and (location / _MARKER).is_file()


def build_venv(
    cell: Cell,
    lock: Lock,
    interpreter: Interpreter,
    *,
    progress: Progress,
    stopped: threading.Event,
) -> Environment | CellFailure:
    """Return the venv of `lock`, made if it is not there yet.

    Of several builders of one venv, in this process or others, one works and the others wait.
    """
    location = venv_location(lock, interpreter)
    try:
        with locked(location.with_name(f"{location.name}.lock"), stopped) as held:
            if not held:
                return stopped_build()
            if _is_complete(location, lock):
                return _environment(location, lock, interpreter, seconds=0.0, reused=True)
            return _make(cell, lock, interpreter, location, progress)
    except OSError as error:
        return CellFailure(
            stage=Stage.BUILD,
            ending=Ending.INFRASTRUCTURE,
            type="CannotWrite",
            message=f"the venv cannot be written: {error.strerror}: {error.filename or location}",
        )


def _make(
    cell: Cell, lock: Lock, interpreter: Interpreter, location: Path, progress: Progress
) -> Environment | CellFailure:
    started = time.monotonic()
    temporary = location.with_name(f"{location.name}{TEMPORARY}{owner()}")
    for leftover in (temporary, location):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        progress("making the venv")
        made = _create(temporary, lock, interpreter)
        progress("installing packages")
        completed = _install(cell, lock, temporary, progress) if made.status == 0 else made
        if completed.status != 0:
            return classify(Stage.BUILD, completed, distribution=lock.distribution)
        progress("compiling bytecode")
        if _compile(temporary).status < 0:
            return stopped_build()
        _mark(temporary, lock, interpreter)
        temporary.rename(location)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    seconds = time.monotonic() - started
    log = made.output + completed.output
    return _environment(location, lock, interpreter, seconds=seconds, reused=False, log=log)


def _create(folder: Path, lock: Lock, interpreter: Interpreter) -> Completed:
    # Relocatable, because it is moved when it is whole.
    completed = run_uv(
        ["venv", "--relocatable", "--no-project", "--python", interpreter.path, folder],
        timeout_seconds=_TIMEOUT_SECONDS,
    )
    if completed.status == 0:
        (folder / _LOCK_FILE).write_text(lock.text)
    return completed


def _install(cell: Cell, lock: Lock, folder: Path, progress: Progress) -> Completed:
    """Install the lock's packages, from uv's cache alone where all of them are there."""
    arguments: list[str | Path] = [
        *("pip", "install", "--python", folder / "bin" / "python", "--no-deps"),
        *("--require-hashes", "--requirement", folder / _LOCK_FILE),
        *date_options(cell),
    ]
    completed = run_uv([*arguments, "--offline"], timeout_seconds=_TIMEOUT_SECONDS)
    for _ in range(_ATTEMPTS):
        if completed.status <= 0:
            return completed
        completed = run_uv(
            arguments,
            timeout_seconds=_TIMEOUT_SECONDS,
            on_stderr_line=lambda line: _report(line, progress),
        )
        failure = classify(Stage.BUILD, completed, distribution=lock.distribution)
        if failure.type not in RETRIED:
            return completed
    return completed


def _compile(folder: Path) -> Completed:
    """Compile bytecode once: without it every import of TensorFlow takes 2 to 4 s longer.

    By CPython itself, as in images (`images/install.sh`): uv's own option fails on 3.6. Many
    packages hold files for other Pythons, which do not compile and do no harm.
    """
    python = folder / "bin" / "python"
    return run_program(
        [python, "-I", "-m", "compileall", "-q", "-j", "0", folder / "lib"],
        timeout_seconds=_TIMEOUT_SECONDS,
    )


def _report(line: str, progress: Progress) -> None:
    match line.split(maxsplit=1):
        case ["Downloading" | "Building" as verb, what]:
            progress(f"{verb.lower()} {what}")
        case ["Prepared", _]:
            progress("installing packages")


def _mark(folder: Path, lock: Lock, interpreter: Interpreter) -> None:
    content = {
        "schema": 1,
        "lock": lock.digest,
        "packages": lock.packages,
        "installer": lock.installer,
        "python": interpreter.version,
        "interpreter": str(interpreter.path),
    }
    (folder / _MARKER).write_text(json.dumps(content, indent=1))


def _is_complete(location: Path, lock: Lock) -> bool:
    try:
        marker = json.loads((location / _MARKER).read_text())
    except (OSError, ValueError):
        return False
    # The interpreter a venv stands on may have been uninstalled since: then the link leads nowhere.
    return marker.get("lock") == lock.digest and (location / "bin" / "python").exists()


def _environment(
    location: Path,
    lock: Lock,
    interpreter: Interpreter,
    *,
    seconds: float,
    reused: bool,
    log: str = "",
) -> Environment:
    return Environment(
        identity=f"venv-{lock.digest}-{interpreter.version}-{interpreter.source}",
        facts=EnvironmentFacts(
            lock_digest=lock.digest,
            distribution=lock.distribution,
            base=Base(kind="interpreter", reference=str(interpreter)),
            builder="venv",
            installer=lock.installer,
        ),
        location=str(location),
        build_seconds=seconds,
        reused=reused,
        log=log,
    )
