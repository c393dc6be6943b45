"""What one loader came to in one cell: its outputs beside the reference's, and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from harness.cell import Cell
from harness.judge.compare import WITHOUT_DISTANCE, compare
from harness.judge.cuda import cuda_trouble
from harness.judge.matching import NamedOtherwiseError, matched
from harness.judge.noise import Noise, floor, larger, noise
from harness.judge.scores import scores
from harness.judge.seen import Arrays, Seen
from harness.judge.tasks import Rule
from harness.judge.truth import mislabels, not_as_locked
from harness.judge.words import by, why_diverged, why_nondeterministic
from harness.model.model import Tolerance
from harness.observation import Ending, Observation
from harness.tensor import Tensor
from harness.text import one_line
from harness.verdict import Divergence, Judgement, NoiseFloor, Reason, Scores, Verdict

__all__ = ["Measured", "Yardstick", "measured", "unknown", "verdict_of", "weigh"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """What runs that completed are held against."""

    outputs: Mapping[str, Tensor] | None
    """None where there is no reference."""
    observation: Observation | None
    """The reference's; None where the reference is no cell."""
    noise: Mapping[str, Noise]
    """Of the reference's repeats, by output."""
    inputs: Mapping[str, Tensor] | None
    """What `preprocess.py` made in the reference's environment; None where there is none."""
    tolerances: Mapping[str, Tolerance]
    labels: NDArray[Any] | None
    rules: Mapping[str, Rule]
    """What the outputs decide."""
    top_k: int


class Measured(NamedTuple):
    """The outputs of one run beside the reference's."""

    divergence: Divergence
    noise: Mapping[str, Noise]
    """Of the run's own repeats, by output; empty where they agree or were not kept."""
    explained: bool
    """Whether it takes the noise to call it equivalent."""
    scores: Scores | None

    @property
    def verdict(self) -> Verdict:
        """What the distance means."""
        return verdict_of(self.divergence)


def weigh(
    cell: Cell, observation: Observation, seen: Seen, yardstick: Yardstick, *, first: bool
) -> Judgement:
    """Return the verdict of one run by how it ended, what ran, and its outputs.

    `first` tells whether the cell's verdict is this loader's. A failure has no reason yet, and
    what `preprocess.py` has to do with a divergence is not told yet.
    """
    if observation.ending is not Ending.COMPLETED:
        return _ended(cell, observation)
    refused = _refused(cell, observation, yardstick)
    if refused is not None:
        return refused
    try:
        found = measured(observation, seen.outputs, seen.repeat, yardstick, first=first)
    except NamedOtherwiseError as error:
        return unknown(cell.id, "outputs-named-otherwise", str(error))
    except ValueError as error:
        return unknown(cell.id, "unreadable-outputs", one_line(str(error)))
    return Judgement(
        cell=cell.id,
        verdict=found.verdict,
        reason=_reason(observation, found, yardstick),
        divergence=found.divergence,
        noise_floor=_floor(observation, found),
        accuracy=None if found.scores is None else found.scores.top1,
        scores=found.scores,
        deterministic=observation.deterministic,
    )


def _ended(cell: Cell, observation: Observation) -> Judgement:
    """Return the judgement of a run that did not complete.

    A CUDA cell whose libraries do not fit fails, whether or not there is a GPU here. Where the
    environment is not what its lock says, nothing was run in it.
    """
    lies = not_as_locked(observation)
    if lies:
        return _mislabelled(cell, observation, lies)
    if observation.ending is Ending.SKIPPED:
        trouble = cuda_trouble(observation)
        if trouble is not None:
            return Judgement(cell=cell.id, verdict=Verdict.FAILED, stage=trouble.stage)
    return Judgement(cell=cell.id, verdict=_ENDED[observation.ending], stage=observation.stage)


def measured(
    observation: Observation, outputs: Arrays, repeat: Arrays, yardstick: Yardstick, *, first: bool
) -> Measured:
    """Return the distance of a run's outputs from the reference's, and what it rests on.

    The names of the outputs have to be the reference's only where one and the same loader gave
    both (or nobody knows which gave the reference's).

    Raises:
        ValueError: the outputs cannot be read.
        NamedOtherwiseError: which of them are the reference's cannot be told.
    """
    reference = yardstick.outputs
    assert reference is not None
    told = yardstick.observation
    itself = observation is told
    by_name = first and (told is None or observation.loader == told.loader)
    tensors = reference if itself else _named(outputs(observation), reference, by_name=by_name)
    own = yardstick.noise if itself else noise_of(observation, tensors, repeat)
    divergence = compare(tensors, reference, yardstick.tolerances, rules=yardstick.rules)
    allowance = larger(own, yardstick.noise)
    explained = False
    if allowance and verdict_of(divergence) is Verdict.DIVERGED:
        divergence = _with_noise(divergence, tensors, yardstick, allowance)
        explained = verdict_of(divergence) is not Verdict.DIVERGED
    found = scores(tensors, yardstick.labels, yardstick.rules, top_k=yardstick.top_k)
    return Measured(divergence, own, explained, found)


def noise_of(
    observation: Observation, outputs: Mapping[str, Tensor], repeat: Arrays
) -> Mapping[str, Noise]:
    """Return how far the second inference is from `outputs`, by output.

    Empty where it gave the same bits, or where what it gave was not kept.
    """
    if observation.deterministic is not False:
        return {}
    try:
        repeated = matched(repeat(observation), outputs)
    except ValueError:
        repeated = None
    if repeated is None:
        return {}
    apart = compare(repeated, outputs, {}, decide=False)
    return {name: one for name, one in noise(apart).items() if one.found}


def verdict_of(divergence: Divergence) -> Verdict:
    """Return what a distance means for a cell: the worst over its outputs."""
    statuses = {output.status for output in divergence.outputs.values()}
    if statuses & (WITHOUT_DISTANCE | {"diverged"}):
        return Verdict.DIVERGED
    return Verdict.EQUIVALENT if "equivalent" in statuses else Verdict.IDENTICAL


def unknown(cell: str, code: str, message: str) -> Judgement:
    """Return the judgement of a run of which nothing can be told."""
    return Judgement(cell=cell, verdict=Verdict.UNKNOWN, reason=Reason(code=code, message=message))


def _refused(cell: Cell, observation: Observation, yardstick: Yardstick) -> Judgement | None:
    """Return the judgement of a run whose outputs are not looked at; None where they are."""
    lies = mislabels(cell, observation)
    if lies:
        return _mislabelled(cell, observation, lies)
    if yardstick.outputs is None:
        return unknown(cell.id, "no-reference", "there is nothing to compare it with")
    if not _fed_alike(observation, yardstick):
        message = "it was fed other inputs than the reference, so its outputs cannot be compared"
        return unknown(cell.id, "inputs-differ", message)
    return None


def _mislabelled(cell: Cell, observation: Observation, lies: tuple[str, ...]) -> Judgement:
    more = f" (and {len(lies) - 1} more)" if len(lies) > 1 else ""
    return Judgement(
        cell=cell.id,
        verdict=Verdict.MISLABELLED,
        reason=Reason(code="mislabelled", message=lies[0] + more, evidence="\n".join(lies)),
        deterministic=observation.deterministic,
    )


def _fed_alike(observation: Observation, yardstick: Yardstick) -> bool:
    """Tell whether a run was fed what the reference was.

    Where `preprocess.py` made the inputs of each environment they are measured instead.
    """
    told = yardstick.observation
    fed = None if told is None or told.inputs is None else told.inputs.digest
    if fed is None or observation.preprocessed is not None:
        return True
    return observation.inputs is not None and observation.inputs.digest == fed


def _named(
    tensors: Mapping[str, Tensor], reference: Mapping[str, Tensor], *, by_name: bool
) -> Mapping[str, Tensor]:
    if by_name:
        return tensors
    found = matched(tensors, reference)
    if found is None:
        raise NamedOtherwiseError(tensors, reference)
    return found


def _with_noise(
    divergence: Divergence,
    tensors: Mapping[str, Tensor],
    yardstick: Yardstick,
    allowance: Mapping[str, Noise],
) -> Divergence:
    """Return `divergence` in which outputs that noise explains are equivalent, and say so.

    Decisions that noise can change are near ties in every output.
    """
    assert yardstick.outputs is not None
    allowed = compare(
        tensors, yardstick.outputs, yardstick.tolerances, rules=yardstick.rules, noise=allowance
    )
    outputs = {
        name: output.model_copy(
            update={
                "status": allowed.outputs[name].status,
                "message": f"no more than noise: repeats disagree{by({name: allowance[name]})}",
                "decided": allowed.outputs[name].decided,
            }
        )
        if output.status == "diverged" and allowed.outputs[name].status == "equivalent"
        else output.model_copy(update={"decided": allowed.outputs[name].decided})
        for name, output in divergence.outputs.items()
    }
    return divergence.model_copy(update={"outputs": outputs})


def _reason(observation: Observation, found: Measured, yardstick: Yardstick) -> Reason | None:
    deterministic = observation.deterministic is not False
    if found.verdict is Verdict.DIVERGED:
        reason = why_diverged(found.divergence)
        return reason if deterministic else _beyond_noise(reason, found, yardstick)
    if deterministic and not found.explained:
        return None
    return why_nondeterministic(found.noise, yardstick.noise, deterministic=deterministic)


def _beyond_noise(reason: Reason, found: Measured, yardstick: Yardstick) -> Reason:
    """Say beside a divergence by how much less the repeats disagree."""
    said = f"nondeterministic: repeats disagree{by(larger(found.noise, yardstick.noise))}"
    return reason.model_copy(update={"message": f"{reason.message}; {said}"})


def _floor(observation: Observation, found: Measured) -> NoiseFloor | None:
    """Return the noise of a run: none at all where its repeat gave the same bits."""
    if observation.deterministic:
        return NoiseFloor(max_abs=0.0, max_ulp=0)
    return floor(found.noise)
