"""What was seen of a task goes into its sweep: taken over or new, the first loader's last."""

from __future__ import annotations

from collections.abc import Mapping

from harness.environments.engine import CellFailure, Environment, Lock
from harness.model.loaders import loaders
from harness.observation import Ending, Observation
from harness.store.observations import forget_further, rewrite, save_observation, take_over
from harness.store.results import keep_inputs
from harness.sweep.observe import Asked, observe_failure, observe_run
from harness.sweep.readings import Earlier, Reading, TaskState
from harness.sweep.tries import Ended
from harness.sweep.work import Sweep, Task

__all__ = ["keep_failure", "keep_task"]


def keep_failure(sweep: Sweep, task: Task, lock: Lock | None, failure: CellFailure) -> Observation:
    """Keep that a task ended before anything of it could run; return the observation."""
    installed = lock.packages if lock is not None else {}
    asked = Asked(
        cell=task.cell.id,
        key="",
        engine=sweep.engine.name,
        loader=loaders(task.model, task.cell.tensorflow, installed)[0],
        lock=lock,
        inputs=task.material.inputs,
    )
    observation = observe_failure(asked, failure)
    folder = task.folder(task.swept.folder)
    forget_further(folder)
    save_observation(
        folder,
        observation,
        log=failure.log or failure.message,
        lock=lock.text if lock is not None else None,
    )
    return observation


def keep_task(
    state: TaskState, ended: Mapping[str, Ended], *, stopping: bool
) -> tuple[Observation, ...] | None:
    """Keep what is known of a task: earlier observations, and how its attempts ended.

    Returns the observations in the order of its readings. While the sweep is `stopping`, only
    attempts that completed count, since the others may have been stopped; then None, and without
    the first loader's observation, where that is not all.
    """
    kept: list[Observation] = []
    for reading in reversed(state.readings):
        if reading.is_first and len(kept) < len(state.readings) - 1:
            return None
        earlier = state.earlier.get(reading.asked.loader)
        if earlier is not None:
            kept.append(_take(reading, earlier))
            continue
        end = ended[reading.attempt.name]
        if not stopping or end.outcome.ending is Ending.COMPLETED:
            kept.append(_save(reading, end))
    kept.reverse()
    return tuple(kept) if len(kept) == len(state.readings) else None


def _take(reading: Reading, earlier: Earlier) -> Observation:
    source, observation = earlier
    observation = _as_of_now(observation, reading.asked.environment)
    sweep = reading.task.swept.folder
    here = reading.place(sweep)
    if source == here:
        return observation if observation == earlier[1] else rewrite(here, observation)
    generated = reading.asked.inputs == "generated"
    if reading.is_first and generated and source.sweep.inputs.exists():
        keep_inputs(sweep, source.sweep.inputs)
    return take_over(source, observation, here)


def _as_of_now(observation: Observation, made: Environment | None) -> Observation:
    """Return an earlier observation with what has become of its environment's image since."""
    facts = observation.environment
    if facts is None or facts.image is None or made is None or made.facts.image is None:
        return observation
    now = made.facts.image
    notes = tuple(note for note in made.notes if note not in observation.warnings)
    # The image that was run then may have been built again: the registry has another then.
    pushed = now.pushed if now.digest == facts.image.digest else None
    image = facts.image.model_copy(update={"pushed": pushed or facts.image.pushed})
    return observation.model_copy(
        update={
            "environment": facts.model_copy(update={"image": image}),
            "warnings": (*observation.warnings, *notes),
        }
    )


def _save(reading: Reading, ended: Ended) -> Observation:
    asked, out = reading.asked, ended.out
    observation, arrays = observe_run(asked, ended.outcome, out)
    sweep = reading.task.swept.folder
    completed = observation.ending is Ending.COMPLETED
    if reading.is_first and completed and asked.inputs == "generated":
        keep_inputs(sweep, out / "inputs.npz")
    save_observation(
        reading.place(sweep),
        observation,
        log=_log(reading, ended),
        lock=asked.lock.text if asked.lock is not None and reading.is_first else None,
        arrays=arrays,
    )
    return observation


def _log(reading: Reading, ended: Ended) -> str:
    """Return what was printed; of the environment too where it is the cell's own log."""
    made = reading.asked.environment
    above = f"{made.log}\n" if made is not None and reading.is_first else ""
    return f"{above}{ended.outcome.log}".lstrip()
