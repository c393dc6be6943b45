"""What one loader came to in one cell: its outputs beside the reference's, and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from harness.cell import Cell
from harness.divergence import Divergence
from harness.judge.cuda import cuda_trouble
from harness.judge.matching import NamedOtherwiseError, matched
from harness.judge.noise import Floor, Kind, Noise, larger
from harness.judge.scores import scores
from harness.judge.seen import Seen
from harness.judge.tasks import Rule
from harness.judge.truth import mislabels, not_as_locked
from harness.judge.varied import Floors
from harness.judge.within import compared, verdict_of
from harness.judge.words import why_diverged
from harness.judge.words_of_noise import (
    moves_of,
    why_ill_conditioned,
    why_noise,
    why_nondeterministic,
)
from harness.model.model import Tolerance
from harness.observation import Ending, Observation
from harness.tensor import Tensor
from harness.text import one_line
from harness.verdict import Judgement, Reason, Scores, Verdict

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
    floors: Floors
    """Gives that of every run."""
    floor: Floor
    """Of the reference; nothing was measured where it is no cell."""
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
    floor: Floor
    """Of the run itself."""
    explained: Mapping[str, Noise]
    """What it takes to call it equivalent, by output; empty where tolerance is enough, or no noise
    is."""
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
        found = measured(observation, seen, yardstick, first=first)
    except NamedOtherwiseError as error:
        return unknown(cell.id, "outputs-named-otherwise", str(error))
    except ValueError as error:
        return unknown(cell.id, "unreadable-outputs", one_line(str(error)))
    return Judgement(
        cell=cell.id,
        verdict=found.verdict,
        reason=_reason(observation, found, yardstick),
        divergence=found.divergence,
        noise_floor=found.floor.total(),
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
    observation: Observation, seen: Seen, yardstick: Yardstick, *, first: bool
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
    tensors = reference if itself else _named(seen.outputs(observation), reference, by_name=by_name)
    own = yardstick.floor if itself else yardstick.floors.of(observation, tensors)
    far = compared(
        tensors,
        reference,
        yardstick.tolerances,
        rules=yardstick.rules,
        floors=(own, yardstick.floor),
    )
    found = scores(tensors, yardstick.labels, yardstick.rules, top_k=yardstick.top_k)
    return Measured(far.divergence, own, far.explained, found)


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


def _reason(observation: Observation, found: Measured, yardstick: Yardstick) -> Reason | None:
    """Return why a run diverged, or what has to be known where it agrees; None: nothing.

    Repeats that disagree come first: what varying something does cannot be told from them.
    """
    deterministic = observation.deterministic is not False
    if found.verdict is Verdict.DIVERGED:
        return _why_diverged(found, yardstick, deterministic=deterministic)
    own, reference = found.floor, yardstick.floor
    kinds = {noise.kind for noise in found.explained.values()}
    if not deterministic or Kind.REPEAT in kinds:
        return why_nondeterministic(
            own.of(Kind.REPEAT), reference.of(Kind.REPEAT), deterministic=deterministic
        )
    sensitive = own.ill_conditioned or (reference.ill_conditioned if found.explained else {})
    if sensitive:
        return why_ill_conditioned(sensitive)
    return why_noise(found.explained) if found.explained else None


def _why_diverged(found: Measured, yardstick: Yardstick, *, deterministic: bool) -> Reason:
    """Say beside a divergence by how much less the run itself moves, where that is much."""
    reason = why_diverged(found.divergence)
    own, reference = found.floor, yardstick.floor
    if not deterministic:
        repeats = larger(own.of(Kind.REPEAT), reference.of(Kind.REPEAT))
        said = f"nondeterministic: {moves_of(repeats)}"
    elif sensitive := larger(own.ill_conditioned, reference.ill_conditioned):
        said = f"ill-conditioned: {moves_of(sensitive)}"
    else:
        return reason
    return reason.model_copy(update={"message": f"{reason.message}; {said}"})
