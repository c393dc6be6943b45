"""Whether a model's training state came through loading, apart from what it infers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from harness.judge.seen import Seen
from harness.observation import Observation, Training
from harness.text import one_line
from harness.verdict import TrainingJudgement, TrainingState

__all__ = ["judge_training", "measures"]

_RTOL = 1e-3
"""How far a loss may be from the reference's, as a share of it. Measured with a CNN saved by 2.4
and read by 2.4, 2.8 and 2.15 on one CPU: the loss after one step in float32 differs by 1e-7 of
itself; deep models, GPUs and other orders of adding up take more. Without its slot variables Adam
made a step whose loss was 1e-1 off (1e-2 at a tenth of its learning rate), RMSprop 5e-2. SGD's lost
momentum was only 1e-5: that is told by the count of slot variables."""

_ATOL = 1e-6
"""The same for losses near zero: a few float32 roundings of terms of order 1."""


def measures(seen: Seen, reference: str | None) -> Mapping[str, Observation]:
    """Return, by loader, the run that training states are held against.

    That of the reference's cell. Where it has none (or the reference is no cell), the run that
    kept the most: all its slot variables, the most steps, and the training step could be made;
    of several the last, which is the newest.
    """
    found: dict[str, Observation] = {}
    for observation in _with_training(seen):
        best = found.get(observation.loader)
        if best is not None and best.cell == reference:
            continue
        if observation.cell == reference or _whole(observation) >= _whole(best):
            found[observation.loader] = observation
    return {loader: one for loader, one in found.items() if one.cell == reference or _is_whole(one)}


def judge_training(
    observation: Observation, measure: Observation | None
) -> TrainingJudgement | None:
    """Return what became of the training state in one run, beside the run it is held against.

    None where the loader read none, or where neither run has an optimizer.
    """
    training = observation.training
    if training is None:
        return None
    other = None if measure is None else measure.training
    had = training.optimizer or training.slots_expected or (other and other.optimizer)
    if not had:
        return None
    lost = _lost(training, other)
    if lost:
        return TrainingJudgement(state=TrainingState.LOST, message="; ".join(lost))
    why = _untold(training, other)
    if why is not None:
        return TrainingJudgement(state=TrainingState.UNTOLD, message=why)
    assert other is not None
    assert measure is not None
    return _beside(training, other, measure.cell)


def _with_training(seen: Seen) -> Iterator[Observation]:
    for cell, first in seen.observations.items():
        for observation in (first, *seen.others.get(cell, ())):
            if observation.training is not None:
                yield observation


def _is_whole(observation: Observation) -> bool:
    training = observation.training
    return (
        training is not None
        and training.optimizer is not None
        and training.loss_after is not None
        and training.problem is None
        and (training.slots_found or 0) >= (training.slots_expected or 0)
    )


def _whole(observation: Observation | None) -> tuple[bool, int]:
    if observation is None or observation.training is None:
        return (False, -1)
    return (_is_whole(observation), observation.training.iterations or 0)


def _lost(training: Training, other: Training | None) -> list[str]:
    """Return what the files, or the other run, have and the optimizer has not."""
    lost = []
    if training.optimizer is None:
        had = other.optimizer if other is not None and other.optimizer else "the optimizer"
        lost.append(f"{one_line(had, 80)} was not loaded")
    expected, found = training.slots_expected, training.slots_found
    if expected is not None and (found or 0) < expected:
        lost.append(f"{found or 0} of {expected} slot variables hold what the files hold")
    made = None if other is None else other.iterations
    if made and not training.iterations:
        lost.append(f"its steps count from {training.iterations or 0}, not from {made}")
    return lost


def _untold(training: Training, other: Training | None) -> str | None:
    """Return why the step of a state that is there says nothing; None where it does."""
    if training.slots_expected == 0 and not training.iterations:
        return f"the files hold no training state, it begins anew: {_held(training)}"
    if training.problem is not None:
        return f"no training step could be made: {one_line(training.problem)}"
    if training.loss_after is None or other is None or other.loss_after is None:
        return f"{_held(training)}; nothing to compare its training step with"
    return None


def _held(training: Training) -> str:
    """Return what is there of the state: optimizer, slot variables, steps."""
    said = [one_line(training.optimizer or "", 80)]
    if training.slots_found is not None:
        of = "" if training.slots_expected is None else f" of {training.slots_expected}"
        said.append(f"{training.slots_found}{of} slot variables")
    if training.iterations is not None:
        said.append(f"{training.iterations} steps made")
    return ", ".join(part for part in said if part)


def _beside(training: Training, other: Training, cell: str) -> TrainingJudgement:
    """Judge the step of a state that is there by another, of `cell`."""
    changes = []
    if training.iterations != other.iterations:
        changes.append(f"{training.iterations} steps made, {other.iterations} in {cell}")
    if not _alike(training.loss_before, other.loss_before):
        numbers = f"{_number(training.loss_before)}, {_number(other.loss_before)} in {cell}"
        changes.append(
            f"loss before any step {numbers} (the model itself, or dropout that draws otherwise)"
        )
    if not _alike(training.loss_after, other.loss_after):
        numbers = f"{_number(training.loss_after)}, {_number(other.loss_after)} in {cell}"
        changes.append(f"loss after one step {numbers}")
    if changes:
        return TrainingJudgement(state=TrainingState.CHANGED, message="; ".join(changes))
    message = f"{_held(training)}; loss {_short(training.loss_before)} before and "
    message += f"{_short(training.loss_after)} after one step"
    return TrainingJudgement(state=TrainingState.KEPT, message=message)


def _alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=_RTOL, abs_tol=_ATOL)


def _number(loss: float | None) -> str:
    return "none" if loss is None else f"{loss:.6g}"


def _short(loss: float | None) -> str:
    """Return a loss as far as it is compared, so that those that are alike look alike."""
    return "none" if loss is None else f"{loss:.3g}"
