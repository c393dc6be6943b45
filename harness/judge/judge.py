"""Observations and a reference to exactly one verdict per cell, and what every loader came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from harness.cell import Cell
from harness.judge.noise import Floor
from harness.judge.preprocess import with_preprocess
from harness.judge.seen import Seen
from harness.judge.tasks import rules_of
from harness.judge.training import judge_training, measures
from harness.judge.varied import Floors
from harness.judge.weigh import Yardstick, unknown, weigh
from harness.model.model import Task, Tolerance
from harness.observation import Observation
from harness.plan.plan import PlannedCell
from harness.tensor import Tensor
from harness.verdict import Judgement, LoaderJudgement, Reference, TrainingJudgement, Verdict

__all__ = ["judge"]


def judge(
    cells: Sequence[PlannedCell],
    seen: Seen,
    reference: Reference,
    reference_outputs: Mapping[str, Tensor] | None,
    *,
    reference_inputs: Mapping[str, Tensor] | None,
    tolerances: Mapping[str, Tolerance],
    labels: NDArray[Any] | None,
    tasks: Mapping[str, Task] | None = None,
    floors: Floors | None = None,
    top_k: int = 5,
) -> tuple[Judgement, ...]:
    """Return the verdict of every cell, in the plan's order, with every loader's beside it.

    `reference_outputs` are those of `expected.npz` or of the reference's cell, None where there is
    no reference; `reference_inputs` what `preprocess.py` made there, None where there is none.
    `labels` are the ground truth (see `harness.judge.scores`); with more classes than `top_k` the
    share of samples with the label among so many is told too. `tasks` are what `model.yaml` says
    the outputs are for. `floors` may know some noise already. Failures have no reason yet:
    `harness.explain` gives it.
    """
    told = seen.observations.get(reference.cell) if reference.cell is not None else None
    floors = floors or Floors(seen, tolerances)
    yardstick = Yardstick(
        outputs=reference_outputs,
        observation=told,
        floors=floors,
        floor=Floor()
        if told is None or reference_outputs is None
        else floors.of(told, reference_outputs),
        inputs=reference_inputs,
        tolerances=tolerances,
        labels=labels,
        rules=rules_of(reference_outputs or {}, labels, tasks or {}),
        top_k=top_k,
    )
    trained = measures(seen, reference.cell)
    return tuple(_judge(planned, seen, yardstick, trained) for planned in cells)


def _judge(
    planned: PlannedCell, seen: Seen, yardstick: Yardstick, trained: Mapping[str, Observation]
) -> Judgement:
    cell = planned.cell.id
    if planned.unavailable is not None:
        verdict = Verdict.SKIPPED if planned.infrastructure else Verdict.UNAVAILABLE
        return Judgement(cell=cell, verdict=verdict, reason=planned.unavailable)
    observation = seen.observations.get(cell)
    if observation is None and cell in seen.unusable:
        return unknown(cell, "unreadable-observation", seen.unusable[cell])
    if observation is None:
        return unknown(cell, "not-run", "it was not run")
    judgement = _outcome(planned.cell, observation, seen, yardstick, first=True)
    others = seen.others.get(cell, ())
    judgements = (
        judgement,
        *(_outcome(planned.cell, other, seen, yardstick, first=False) for other in others),
    )
    loaders = tuple(
        _loader(one, came_to, judge_training(one, trained.get(one.loader)))
        for one, came_to in zip((observation, *others), judgements, strict=True)
    )
    training = next((one.training for one in loaders if one.training is not None), None)
    return judgement.model_copy(update={"loaders": loaders, "training": training})


def _outcome(
    cell: Cell, observation: Observation, seen: Seen, yardstick: Yardstick, *, first: bool
) -> Judgement:
    judgement = weigh(cell, observation, seen, yardstick, first=first)
    return with_preprocess(judgement, observation, seen, yardstick, first=first)


def _loader(
    observation: Observation, came_to: Judgement, training: TrainingJudgement | None
) -> LoaderJudgement:
    return LoaderJudgement(
        name=observation.loader,
        verdict=came_to.verdict,
        stage=came_to.stage,
        reason=came_to.reason,
        divergence=came_to.divergence,
        training=training,
    )
