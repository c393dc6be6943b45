"""Probe runs in a venv: processes with a clean environment, watched to their end."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from harness.environments.attempts import Attempts, attempts_of
from harness.environments.cpus import CpuPool, pinned
from harness.environments.ended import Ended, outcome_of
from harness.environments.endings import ending_of
from harness.environments.engine import Attempt, Environment, Limits, Progress, Run, RunOutcome
from harness.environments.folders import private_folder
from harness.environments.given import Given
from harness.environments.log import BoundedLog
from harness.environments.owner import VARIABLE, owner
from harness.environments.request import Places, requests_text
from harness.environments.variables import probe_variables
from harness.environments.venv.watch import ProcessTree
from harness.observation import Ending

__all__ = ["run_in_venv"]

_RUN_VARIABLE = "TENSORFLOW_ENVIRONMENT_MATRIX_RUN"
_CHUNK_BYTES = 64 * 1024
_READER_SECONDS = 5.0


def run_in_venv(
    environment: Environment,
    run: Run,
    *,
    cpus: CpuPool,
    stopped: threading.Event,
    progress: Progress,
) -> tuple[RunOutcome, ...]:
    """Run every attempt and return when nothing of them is left running."""
    venv = Path(environment.location)
    try:
        with (
            attempts_of(run, foreign=False, stopped=stopped, progress=progress) as attempts,
            cpus.reserve(run.limits.cpus) as chosen,
        ):
            while attempts.left:
                _run_left(venv, run, attempts, chosen)
            return attempts.outcomes
    except OSError as error:
        return (_cannot_start(error),) * len(run.attempts)


def _run_left(venv: Path, run: Run, attempts: Attempts, cpus: frozenset[int]) -> None:
    try:
        attempts.make_folders()
        with private_folder() as folder, _started(venv, run, attempts.left, folder, cpus) as tree:
            attempts.watch(tree)
    except OSError as error:
        attempts.give_up(_cannot_start(error))


def _cannot_start(error: OSError) -> RunOutcome:
    message = f"the probe cannot be started: {error.strerror}: {error.filename}"
    return RunOutcome(ending=Ending.INFRASTRUCTURE, message=message)


@contextmanager
def _started(
    venv: Path, run: Run, attempts: tuple[Attempt, ...], folder: Path, cpus: frozenset[int]
) -> Iterator[_StartedProcesses]:
    """Start the probe; nothing of it is left running afterwards."""
    requests = folder / "requests.json"
    requests.write_text(_requests_text(attempts, folder), encoding="utf-8")
    variables = _variables(venv, folder, run)
    with pinned(cpus):
        process = subprocess.Popen(
            [
                *(venv / "bin" / "python", run.probe.absolute()),
                *("--requests", requests, "--out", run.out.absolute()),
            ],
            env=variables,
            cwd=folder / "tmp",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    tree = ProcessTree(process, _RUN_VARIABLE, variables[_RUN_VARIABLE])
    started = _StartedProcesses(process, tree, run.limits)
    try:
        yield started
    finally:
        started.end()


class _StartedProcesses:
    """The probe's parent and all that it has started."""

    def __init__(self, process: subprocess.Popen[bytes], tree: ProcessTree, limits: Limits) -> None:
        self.log = BoundedLog()
        self._process = process
        self._tree = tree
        self._limits = limits
        self._ended: RunOutcome | None = None
        self._reader = threading.Thread(target=_read, args=(process.stdout, self.log), daemon=True)
        self._reader.start()

    def runs(self, seconds: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is None

    def is_quiet(self) -> bool:
        return True  # nothing keeps what runs here from anything

    def broken(self) -> RunOutcome | None:
        self._tree.look()
        allowed = self._limits.memory_bytes
        memory = self._tree.memory_bytes(allowed)
        if memory <= allowed:
            return None
        message = f"used {memory:,} bytes of memory where {allowed:,} are allowed"
        return RunOutcome(ending=Ending.OUT_OF_MEMORY, message=message)

    def outcome(self, ended: Ended) -> RunOutcome:
        return outcome_of(ended)

    def end(self) -> RunOutcome:
        if self._ended is None:
            self._tree.kill()
            self._reader.join(_READER_SECONDS)
            self._ended = ending_of(self._process.wait())
        return self._ended


def _requests_text(attempts: tuple[Attempt, ...], folder: Path) -> str:
    """Return `requests.json`; the attempts' files are gathered in folders below `folder`."""
    given = Given.of(attempts)
    files = folder / "files"
    for name, sources in given.files.items():
        (files / name).mkdir(parents=True)
        for seen_as, source in sources.items():
            (files / name / seen_as).symlink_to(source.absolute())
        (files / name).chmod(0o555)
    return requests_text(
        (attempt, Places(str(attempt.model.absolute()), str(files / given.files_of(attempt))))
        for attempt in attempts
    )


def _variables(venv: Path, folder: Path, run: Run) -> dict[str, str]:
    """Return all the environment variables of the run: nothing of the harness's own is passed on.

    In particular no LD_LIBRARY_PATH, which would mix this machine's CUDA libraries with the
    environment's.
    """
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    return {
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        **probe_variables(run),
        VARIABLE: owner(),
        _RUN_VARIABLE: uuid.uuid4().hex,
    }


def _read(stream: IO[bytes], log: BoundedLog) -> None:
    with stream:
        while chunk := stream.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
            log.add(chunk)
