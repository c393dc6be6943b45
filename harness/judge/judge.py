"""Observations and a reference to exactly one verdict per cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.compare import WITHOUT_DISTANCE, compare
from harness.judge.decisions import accuracy, decisions
from harness.judge.reference import Outputs
from harness.judge.truth import mislabels
from harness.judge.words import why_diverged
from harness.model.model import Tolerance
from harness.observation import Ending, Observation
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor
from harness.text import one_line
from harness.verdict import Divergence, Judgement, Reason, Reference, Verdict

__all__ = ["judge"]

_ENDED = {
    Ending.EXCEPTION: Verdict.FAILED,
    Ending.SIGNAL: Verdict.FAILED,
    Ending.EXIT: Verdict.FAILED,
    Ending.TIMEOUT: Verdict.FAILED,
    Ending.OUT_OF_MEMORY: Verdict.FAILED,
    Ending.OUTPUT_LIMIT: Verdict.FAILED,
    Ending.INVALID: Verdict.UNKNOWN,
    Ending.INFRASTRUCTURE: Verdict.UNKNOWN,
    Ending.SKIPPED: Verdict.SKIPPED,
}


@dataclass(frozen=True, slots=True)
class _Yardstick:
    """What a cell that completed is held against."""

    outputs: Mapping[str, Tensor] | None
    inputs_digest: str | None
    """Of what the reference's cell was fed; None where the reference is no cell."""
    tolerances: Mapping[str, Tolerance]
    labels: NDArray[Any] | None


def judge(
    cells: Sequence[PlannedCell],
    observations: Mapping[str, Observation],
    outputs: Outputs,
    reference: Reference,
    reference_outputs: Mapping[str, Tensor] | None,
    *,
    tolerances: Mapping[str, Tolerance],
    labels: NDArray[Any] | None,
) -> tuple[Judgement, ...]:
    """Return the verdict of every cell, in the plan's order.

    `observations` and `outputs` go by cell id; `reference_outputs` are those of `expected.npz` or
    of the reference's cell, None where there is no reference. `labels` are the right classes,
    integers of shape [samples]. Failures have no reason yet: `harness.explain` gives it.
    """
    told = observations.get(reference.cell) if reference.cell is not None else None
    fed = None if told is None or told.inputs is None else told.inputs.digest
    yardstick = _Yardstick(reference_outputs, fed, tolerances, labels)
    return tuple(
        _judge(planned, observations.get(planned.cell.id), outputs, yardstick) for planned in cells
    )


def _judge(
    planned: PlannedCell,
    observation: Observation | None,
    outputs: Outputs,
    yardstick: _Yardstick,
) -> Judgement:
    cell = planned.cell.id
    if planned.unavailable is not None:
        verdict = Verdict.SKIPPED if planned.infrastructure else Verdict.UNAVAILABLE
        return Judgement(cell=cell, verdict=verdict, reason=planned.unavailable)
    if observation is None:
        return _unknown(cell, "not-run", "it was not run")
    if observation.ending is not Ending.COMPLETED:
        return Judgement(cell=cell, verdict=_ENDED[observation.ending], stage=observation.stage)
    lies = mislabels(planned.cell, observation)
    if lies:
        more = f" (and {len(lies) - 1} more)" if len(lies) > 1 else ""
        reason = Reason(code="mislabelled", message=lies[0] + more, evidence="\n".join(lies))
        return Judgement(
            cell=cell,
            verdict=Verdict.MISLABELLED,
            reason=reason,
            deterministic=observation.deterministic,
        )
    return _weigh(observation, outputs, yardstick)


def _weigh(observation: Observation, outputs: Outputs, yardstick: _Yardstick) -> Judgement:
    """Judge a cell that completed and is what it says, by its outputs."""
    cell = observation.cell
    if yardstick.outputs is None:
        return _unknown(cell, "no-reference", "there is nothing to compare it with")
    fed = None if observation.inputs is None else observation.inputs.digest
    if yardstick.inputs_digest is not None and fed != yardstick.inputs_digest:
        message = "it was fed other inputs than the reference, so its outputs cannot be compared"
        return _unknown(cell, "inputs-differ", message)
    try:
        tensors = outputs(cell)
    except ValueError as error:
        return _unknown(cell, "unreadable-outputs", one_line(str(error)))
    divergence = compare(tensors, yardstick.outputs, yardstick.tolerances)
    verdict = _verdict(divergence)
    return Judgement(
        cell=cell,
        verdict=verdict,
        reason=why_diverged(divergence) if verdict is Verdict.DIVERGED else None,
        divergence=divergence,
        accuracy=_accuracy(tensors, yardstick.labels),
        deterministic=observation.deterministic,
    )


def _verdict(divergence: Divergence) -> Verdict:
    statuses = {output.status for output in divergence.outputs.values()}
    if statuses & (WITHOUT_DISTANCE | {"diverged"}):
        return Verdict.DIVERGED
    return Verdict.EQUIVALENT if "equivalent" in statuses else Verdict.IDENTICAL


def _accuracy(tensors: Mapping[str, Tensor], labels: NDArray[Any] | None) -> float | None:
    """Return top-1 accuracy of the first output of shape [samples, classes]; None without one."""
    if labels is None or labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        return None
    for tensor in tensors.values():
        if (
            isinstance(tensor, NumericTensor)
            and len(tensor.shape) == 2  # noqa: PLR2004
            and decisions(tensor) == labels.size > 0
        ):
            return accuracy(tensor, labels)
    return None


def _unknown(cell: str, code: str, message: str) -> Judgement:
    return Judgement(cell=cell, verdict=Verdict.UNKNOWN, reason=Reason(code=code, message=message))
