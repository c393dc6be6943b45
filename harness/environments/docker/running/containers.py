"""Probe runs in containers: watched to their end, and how they ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

from docker.models.containers import Container

from harness.environments.attempts import Attempts, attempts_in
from harness.environments.cpus import CpuPool
from harness.environments.docker.daemon import DOCKER_ERRORS, Daemon, explain
from harness.environments.docker.running.place import Place, place_of
from harness.environments.docker.running.sandbox import container_arguments, cpu_shares
from harness.environments.docker.running.transfer import Sent
from harness.environments.docker.sight import Sight
from harness.environments.ended import Ended, outcome_of
from harness.environments.endings import ending_of
from harness.environments.engine import Environment, Limits, Progress, Run, RunOutcome
from harness.environments.log import BoundedLog
from harness.environments.stopping import stopped_run
from harness.observation import Ending

__all__ = ["outcome_of_attempt", "outcome_of_container", "run_in_containers"]

_KILLED_WITHIN = 121
"""What the probe's `guard.py` ends with where nothing outside has killed the probe's parent."""
_ALONE = 2
"""Processes of a container in which no attempt runs: the guard and the probe's parent."""
_ASK_SECONDS = 2.0
_READER_SECONDS = 5.0


def run_in_containers(
    daemon: Daemon,
    environment: Environment,
    run: Run,
    *,
    sight: Sight,
    sent: Sent,
    cpus: CpuPool,
    stopped: threading.Event,
    progress: Progress,
) -> tuple[RunOutcome, ...]:
    """Run every attempt and return when the containers are removed.

    One container, and another one after each attempt that broke its own.
    """
    arguments = container_arguments(environment, run)
    try:
        with (
            cpus.chosen(run.limits.cpus) as numbers,
            place_of(
                daemon, sight, sent, run, arguments, stopped=stopped, progress=progress
            ) as place,
            attempts_in(place.folders, run, stopped=stopped, progress=progress) as attempts,
        ):
            arguments |= cpu_shares(daemon, run.limits, numbers)
            while attempts.left:
                _run_left(daemon, run, attempts, place, arguments=arguments, cpus=cpus)
            return attempts.outcomes
    except DOCKER_ERRORS as error:
        given = stopped_run() if stopped.is_set() else _infrastructure(error)
        return (given,) * len(run.attempts)


def _run_left(
    daemon: Daemon,
    run: Run,
    attempts: Attempts,
    place: Place,
    *,
    arguments: dict[str, Any],
    cpus: CpuPool,
) -> None:
    """Run what is left in a container of its own; only what computes takes its turn at the CPUs."""
    try:
        attempts.make_folders()
        seen = [*arguments["mounts"], *place.mounts(attempts.left)]
        given = {"mounts": seen, "user": place.user}
        with _created(daemon, arguments | given) as container, cpus.turn():
            if attempts.stopped:  # while it waited
                attempts.give_up(stopped_run())
                return
            container.start()
            attempts.watch(_StartedContainer(container, run.limits))
    except DOCKER_ERRORS as error:
        attempts.give_up(_infrastructure(error))


def _infrastructure(error: Exception) -> RunOutcome:
    return RunOutcome(ending=Ending.INFRASTRUCTURE, message=explain(error)[1])


def outcome_of_container(state: Mapping[str, Any], limits: Limits) -> RunOutcome:
    """Return the outcome of a container that ended by itself, from Docker's `State` of it."""
    status = int(state["ExitCode"])
    if status == _KILLED_WITHIN:
        message = "it killed the process that had started it"
        return RunOutcome(ending=Ending.SIGNAL, exit_status=137, signal="SIGKILL", message=message)
    outcome = ending_of(status)
    return _with_memory(outcome, limits, oom_killed=bool(state["OOMKilled"]))


def outcome_of_attempt(ended: Ended, limits: Limits) -> RunOutcome:
    """Return the outcome of an attempt that nothing but itself ended."""
    return _with_memory(outcome_of(ended), limits, oom_killed=bool(ended.oom_kills))


def _with_memory(outcome: RunOutcome, limits: Limits, *, oom_killed: bool) -> RunOutcome:
    if not oom_killed:
        return outcome
    if outcome.exit_status == 0:  # a child of the probe's was killed, and the probe went on
        message = "a process that the probe started was killed for want of memory"
        return outcome.model_copy(update={"message": message})
    message = f"needed more than the {limits.memory_bytes:,} bytes of memory that are allowed"
    return RunOutcome(ending=Ending.OUT_OF_MEMORY, exit_status=outcome.exit_status, message=message)


@contextmanager
def _created(daemon: Daemon, arguments: dict[str, Any]) -> Iterator[Container]:
    """Create a container; it is removed afterwards."""
    container = daemon.client.containers.create(**arguments)
    try:
        yield container
    finally:
        with suppress(*DOCKER_ERRORS):  # else it is found by its label later
            container.remove(force=True, v=True)


class _StartedContainer:
    """A container in which the probe's parent runs."""

    def __init__(self, container: Container, limits: Limits) -> None:
        self.log = BoundedLog()
        self._container = container
        self._limits = limits
        self._ended: RunOutcome | None = None
        self._ask_at = time.monotonic() + _ASK_SECONDS
        self._reader = threading.Thread(target=_read, args=(container, self.log), daemon=True)
        self._reader.start()

    def runs(self, seconds: float) -> bool:
        """Wait for the end of what it prints; the daemon is asked at that, and now and then.

        Raises:
            DockerException and the others of `DOCKER_ERRORS`: the daemon does not answer.
        """
        self._reader.join(seconds)
        prints = self._reader.is_alive()
        if prints and time.monotonic() < self._ask_at:
            return True
        self._container.reload()
        self._ask_at = time.monotonic() + _ASK_SECONDS
        running = bool(self._container.attrs["State"]["Running"])
        if running and not prints:
            time.sleep(seconds)
        return running

    def broken(self) -> RunOutcome | None:
        return None  # the kernel holds it to its memory

    def is_quiet(self) -> bool:
        try:
            return len(self._container.top()["Processes"] or ()) <= _ALONE
        except (*DOCKER_ERRORS, KeyError):
            return False

    def outcome(self, ended: Ended) -> RunOutcome:
        return outcome_of_attempt(ended, self._limits)

    def end(self) -> RunOutcome:
        if self._ended is None:
            with suppress(*DOCKER_ERRORS):  # it may have ended just now
                self._container.kill()
            self._reader.join(_READER_SECONDS)
            self._container.reload()
            self._ended = outcome_of_container(self._container.attrs["State"], self._limits)
        return self._ended


def _read(container: Container, log: BoundedLog) -> None:
    # Where the daemon went away, closing the stream fails in ways of its own.
    ended = (*DOCKER_ERRORS, AttributeError)
    with suppress(*ended), closing(container.logs(stream=True, follow=True)) as stream:
        for chunk in stream:
            log.add(chunk)
