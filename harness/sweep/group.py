"""One environment: made once, and every model read in it, in every cell that shares it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from harness.environments.engine import CellFailure, Environment, Lock
from harness.environments.keeping.uses import Use, Uses
from harness.sweep.keep import keep_failure, keep_task
from harness.sweep.outcome import said_of
from harness.sweep.readings import TaskState, state_of
from harness.sweep.tries import run_readings
from harness.sweep.work import Sweep, Task, by_cell, title
from harness.sweep.workspace import refused_by_machine

__all__ = ["run_group"]

_MOST_ATTEMPTS = 32
"""Attempts in one run, unless one task has more: what they write lies on this machine's disk
together, and is lost where the harness is killed before the run ends."""


def run_group(sweep: Sweep, tasks: Sequence[Task]) -> None:
    """Make the environment that `tasks` share, then do each of them in it."""
    cells = tuple(by_cell(tasks))
    say = _teller(sweep, cells)
    with sweep.making:
        say("resolving")
        cell, requirements = tasks[0].cell, tasks[0].model.requirements
        lock = sweep.engine.lock(cell, requirements, say)
        made = lock if isinstance(lock, CellFailure) else sweep.engine.build(cell, lock, say)
    if isinstance(made, Environment):
        _note_use(sweep, tasks, made)
    try:
        for together in cells:
            if isinstance(lock, CellFailure):
                _keep_failures(sweep, together, None, lock)
            elif isinstance(made, CellFailure):
                _keep_failures(sweep, together, lock, made)
            else:
                _do_cell(sweep, together, lock, made)
    finally:
        if isinstance(made, Environment):
            sweep.engine.release(made)


def _note_use(sweep: Sweep, tasks: Sequence[Task], made: Environment) -> None:
    """Note, for who cleans up, which sweeps used the environment: once for each of them."""
    uses = Uses(sweep.engine.name)
    for swept in {task.swept.folder.path: task.swept for task in tasks}.values():
        uses.note(
            Use(
                place=made.location,
                cell=tasks[0].cell.environment_id,
                model=swept.model.name,
                sweep=swept.folder.id,
                at=datetime.now(UTC),
            )
        )


def _do_cell(sweep: Sweep, tasks: Sequence[Task], lock: Lock, made: Environment) -> None:
    states = [state_of(sweep, i, task, lock, made) for i, task in enumerate(tasks)]
    sweep.display.leave(title(sweep, tasks))
    for batch in _batches(states):
        if sweep.stopping.is_set():
            return
        _do_batch(sweep, batch, lock, made)


def _batches(states: Sequence[TaskState]) -> Iterator[Sequence[TaskState]]:
    """Yield what is there already, then what is run together."""
    if there := [state for state in states if not state.left]:
        yield there
    batch: list[TaskState] = []
    attempts = 0
    for state in states:
        if not state.left:
            continue
        if batch and attempts + len(state.left) > _MOST_ATTEMPTS:
            yield batch
            batch, attempts = [], 0
        batch.append(state)
        attempts += len(state.left)
    if batch:
        yield batch


def _do_batch(sweep: Sweep, states: Sequence[TaskState], lock: Lock, made: Environment) -> None:
    tasks = [state.task for state in states]
    left = [reading for state in states for reading in state.left]
    with ExitStack() as folders:
        try:
            say = _teller(sweep, (tasks,))
            ended = run_readings(sweep, made, left, folders, say) if left else {}
        except OSError as error:  # of this machine: what results refuse is a ResultsError
            _keep_failures(sweep, tasks, lock, refused_by_machine(error))
            return
        for state in states:
            kept = keep_task(state, ended, stopping=sweep.stopping.is_set())
            if kept is not None:
                outcome = said_of(kept, reused=not state.left)
                sweep.display.done(title(sweep, [state.task]), outcome)
    sweep.display.leave(title(sweep, tasks))


def _keep_failures(
    sweep: Sweep, tasks: Sequence[Task], lock: Lock | None, failure: CellFailure
) -> None:
    for task in tasks:
        if sweep.stopping.is_set():  # broken by our own stopping: not an observation
            return
        observation = keep_failure(sweep, task, lock, failure)
        sweep.display.done(title(sweep, [task]), said_of([observation]))
    sweep.display.leave(title(sweep, tasks))


def _teller(sweep: Sweep, cells: Sequence[Sequence[Task]]) -> Callable[[str], None]:
    def say(what: str) -> None:
        for tasks in cells:
            sweep.display.cell(title(sweep, tasks), what, len(tasks))

    return say
