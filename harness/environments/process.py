"""The one place that runs programs of the host: uv, the Docker CLI, interpreters."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from harness.environments.owner import VARIABLE, owner

__all__ = ["Completed", "run_program", "stop_programs"]

_running: set[subprocess.Popen[str]] = set()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ended."""

    status: int
    """Exit status; negative: the signal that ended it."""
    stdout: str
    stderr: str
    timed_out: bool = False

    @property
    def output(self) -> str:
        """Everything that was printed."""
        return self.stdout + self.stderr


def run_program(
    arguments: Sequence[str | os.PathLike[str]],
    *,
    environment: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_seconds: float | None = None,
    on_stdout_line: Callable[[str], None] | None = None,
    on_stderr_line: Callable[[str], None] | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> Completed:
    """Run a program in a session of its own and wait for it.

    A status other than 0 is not an error here: what it means is the caller's to say.
    `environment` replaces the harness's own environment where given; whose program it is, is added
    to either, so that it can be found where the harness is killed. Past `timeout_seconds` the
    program and all it started are killed and `timed_out` is True.

    Raises:
        FileNotFoundError, PermissionError: the program cannot be started.
    """
    process = subprocess.Popen(
        [os.fspath(argument) for argument in arguments],
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**(os.environ if environment is None else environment), VARIABLE: owner()},
        cwd=directory,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with _lock:
        _running.add(process)
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        _kill_group(process)

    timer = threading.Timer(timeout_seconds, expire) if timeout_seconds is not None else None
    stdout: list[str] = []
    stderr: list[str] = []
    readers = [
        threading.Thread(target=_read, args=(process.stdout, stdout, on_stdout_line), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, stderr, on_stderr_line), daemon=True),
    ]
    try:
        for reader in readers:
            reader.start()
        if timer is not None:
            timer.start()
        if stdin is not None and process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.write(stdin)
            with suppress(BrokenPipeError):
                process.stdin.close()
        status = process.wait()
        for reader in readers:
            reader.join()
    finally:
        if timer is not None:
            timer.cancel()
        if process.poll() is None:
            _kill_group(process)
            process.wait()
        with _lock:
            _running.discard(process)
    return Completed(status, "".join(stdout), "".join(stderr), expired.is_set())


def stop_programs() -> None:
    """Kill every program that is running, with all it started."""
    with _lock:
        running = tuple(_running)
    for process in running:
        _kill_group(process)


def _read(stream: IO[str] | None, into: list[str], on_line: Callable[[str], None] | None) -> None:
    if stream is None:
        return
    with stream:
        for line in stream:
            into.append(line)
            if on_line is not None:
                on_line(line.rstrip("\n"))


def _kill_group(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
