"""One probe run in a container: watched to its end, and how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any

import requests
from docker.models.containers import Container

from harness.environments.docker.daemon import DOCKER_ERRORS, Daemon, explain
from harness.environments.docker.sandbox import (
    container_arguments,
    cpu_shares,
    mounts,
    sandbox_user,
)
from harness.environments.endings import ending_of
from harness.environments.engine import Environment, Limits, Run, RunOutcome
from harness.environments.folders import private_folder, tree_bytes
from harness.environments.log import BoundedLog
from harness.environments.stopping import stopped_run
from harness.observation import Ending

__all__ = ["outcome_of", "run_in_container"]

_POLL_SECONDS = 0.3
_READER_SECONDS = 5.0


def run_in_container(
    daemon: Daemon,
    environment: Environment,
    run: Run,
    *,
    cpus: frozenset[int],
    stopped: threading.Event,
) -> RunOutcome:
    """Run the probe once and return when its container is removed."""
    try:
        with private_folder() as folder:
            container = daemon.client.containers.create(
                **container_arguments(environment, run, mounts(daemon, run, folder)),
                **cpu_shares(daemon, run.limits, cpus),
                user=sandbox_user(daemon)[0],
            )
            try:
                return _watch(container, run, stopped)
            finally:
                with suppress(*DOCKER_ERRORS):  # else it is found by its label later
                    container.remove(force=True, v=True)
    except DOCKER_ERRORS as error:
        message = "stopped" if stopped.is_set() else explain(error)[1]
        return RunOutcome(ending=Ending.INFRASTRUCTURE, message=message)


def outcome_of(state: Mapping[str, Any], limits: Limits, written_bytes: int) -> RunOutcome:
    """Return the outcome of a container that ended by itself, from Docker's `State` of it."""
    status = int(state["ExitCode"])
    if written_bytes >= limits.output_bytes:
        return RunOutcome(
            ending=Ending.OUTPUT_LIMIT,
            exit_status=status,
            message=f"wrote {written_bytes} bytes where {limits.output_bytes} are allowed",
        )
    if state["OOMKilled"] and status != 0:
        message = f"needed more than the {limits.memory_bytes} bytes of memory that are allowed"
        return RunOutcome(ending=Ending.OUT_OF_MEMORY, exit_status=status, message=message)
    outcome = ending_of(status)
    if state["OOMKilled"]:  # a child of the probe's was killed, and the probe went on
        message = "a process that the probe started was killed for want of memory"
        return outcome.model_copy(update={"message": message})
    return outcome


def _watch(container: Container, run: Run, stopped: threading.Event) -> RunOutcome:
    """Start the container and return how it ended, ending it where it breaks a limit."""
    log = BoundedLog()
    started = time.monotonic()
    container.start()
    reader = threading.Thread(target=_read, args=(container, log), daemon=True)
    reader.start()
    broken: RunOutcome | None = None
    while broken is None and _is_running(container):
        broken = _broken(run, log, started, stopped)
    if broken is not None:
        with suppress(*DOCKER_ERRORS):  # it may have ended just now
            container.kill()
    seconds = time.monotonic() - started
    reader.join(_READER_SECONDS)
    container.reload()
    written = tree_bytes(run.out) + log.total_bytes
    outcome = broken or outcome_of(container.attrs["State"], run.limits, written)
    return outcome.model_copy(update={"log": log.text(), "seconds": seconds})


def _read(container: Container, log: BoundedLog) -> None:
    # Where the daemon went away, closing the stream fails in ways of its own.
    ended = (*DOCKER_ERRORS, AttributeError)
    with suppress(*ended), closing(container.logs(stream=True, follow=True)) as stream:
        for chunk in stream:
            log.add(chunk)


def _is_running(container: Container) -> bool:
    """Wait a moment for the end of the container; tell whether it still runs.

    A daemon that went away and a wait that is over look the same, so the daemon is asked again.
    """
    try:
        container.wait(timeout=_POLL_SECONDS)
    except (requests.exceptions.ConnectionError, requests.exceptions.ReadTimeout):
        container.reload()
        return bool(container.attrs["State"]["Running"])
    return False


def _broken(
    run: Run, log: BoundedLog, started: float, stopped: threading.Event
) -> RunOutcome | None:
    if stopped.is_set():
        return stopped_run()
    limits = run.limits
    if time.monotonic() - started > limits.timeout_seconds:
        message = f"still running after {limits.timeout_seconds:g} seconds"
        return RunOutcome(ending=Ending.TIMEOUT, message=message)
    written = tree_bytes(run.out) + log.total_bytes
    if written > limits.output_bytes:
        message = f"wrote {written} bytes where {limits.output_bytes} are allowed"
        return RunOutcome(ending=Ending.OUTPUT_LIMIT, message=message)
    return None
