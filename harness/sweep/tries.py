"""Attempts are made; those that infrastructure broke are made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from harness.environments.engine import Environment, Run, RunOutcome
from harness.observation import Ending
from harness.sweep.readings import Reading
from harness.sweep.work import Sweep
from harness.sweep.workspace import new_run, unless_full

__all__ = ["Ended", "run_readings"]

_RETRY_SECONDS = (2.0, 8.0)
"""Pauses before attempts that infrastructure broke are made again."""


class Ended(NamedTuple):
    """An attempt that was made."""

    outcome: RunOutcome
    out: Path
    """The folder it wrote into."""


def run_readings(
    sweep: Sweep,
    environment: Environment,
    readings: Sequence[Reading],
    folders: ExitStack,
    say: Callable[[str], None],
) -> Mapping[str, Ended]:
    """Return how each attempt ended at last, by its name; `readings` share a cell.

    What they wrote is there until `folders` are closed.
    """
    ended: dict[str, Ended] = {}
    left = tuple(readings)
    for pause in (*_RETRY_SECONDS, None):
        out = folders.enter_context(new_run(sweep.workspace))
        say("running")
        outcomes = sweep.engine.run(environment, _run(sweep, left, out, gpu=environment.gpu), say)
        for reading, outcome in zip(left, outcomes, strict=True):
            ended[reading.attempt.name] = Ended(
                unless_full(out, outcome), out / reading.attempt.name
            )
        broken = tuple(each for each in left if _is_broken(ended[each.attempt.name]))
        if not broken or pause is None or sweep.stopping.wait(pause):
            break
        left = broken
        say(f"running again: {ended[left[0].attempt.name].outcome.message}")
    return ended


def _is_broken(ended: Ended) -> bool:
    return ended.outcome.ending is Ending.INFRASTRUCTURE


def _run(sweep: Sweep, readings: Sequence[Reading], out: Path, *, gpu: bool) -> Run:
    task = readings[0].task
    return Run(
        cell=task.cell.id,
        sweep=task.swept.folder.id,
        probe=sweep.probe,
        attempts=tuple(reading.attempt for reading in readings),
        out=out,
        flags=task.cell.flags,
        limits=sweep.limits,
        gpu=gpu,
    )
