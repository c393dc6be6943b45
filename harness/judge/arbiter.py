"""Who is closer to the truth: the outputs of every cell beside a float64 run of the same graph.

A float64 run rounds 5 * 10^8 times finer than float32, so beside it the rounding errors of two
float32 runs can be told apart. It cannot tell a graph that was loaded wrongly: the float64 run of
that graph has the same mistake. So the runs of several cells have to agree, or nothing is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.judge.errors import Errors, errors, is_measured, samples, scale_of, ulp_of
from harness.judge.matching import matched
from harness.judge.metrics import BLOCK
from harness.judge.seen import Arrays, Seen
from harness.judge.truth import mislabels
from harness.observation import Ending, Observation
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor
from harness.text import one_line
from harness.verdict import Arbiter, OutputTruth, Reference, TruthDistance

__all__ = ["AGREEMENT", "LEAST_FACTOR", "ROUNDING", "Float64", "arbitrate", "factor_of"]

Float64 = Callable[[Observation], Mapping[str, Tensor] | None]
"""Gives the outputs of a float64 run of what was observed, None where there is none; raises
ValueError where they are not what the observation says."""

AGREEMENT = 1e-9
"""How far two float64 runs of one graph may be apart, as a share of the output's largest number.
Rounding costs float64 about 1e-16 of a number, so a graph may lose a million times that."""

LEAST_FACTOR = 1.5
"""Errors that differ by less than this are called alike, however many samples they rest on."""

DEVIATIONS = 3
"""How many standard deviations apart two errors have to be (see `factor_of`)."""

ROUNDING = 1 / math.sqrt(12)
"""Root mean square of an error that is anywhere within half a ULP: what it costs to write an
output down as float32, which no environment can do better than by chance."""

_LARGEST = 1e150
"""Beyond it a distance in ULPs is given as this; its square is a float64 still."""


@dataclass(frozen=True, slots=True)
class _Truth:
    """A float64 run that distances are measured from."""

    observation: Observation
    outputs: Mapping[str, Tensor]
    scales: Mapping[str, float]
    """Of the outputs that are measured, the largest number."""
    block: int

    @property
    def samples(self) -> int:
        """How many samples the distances rest on."""
        shapes = (self.outputs[name].shape for name in self.scales)
        return max((samples(shape) for shape in shapes), default=0)


def arbitrate(
    cells: Sequence[PlannedCell],
    seen: Seen,
    reference: Reference,
    float64: Float64,
    *,
    expected: Callable[[], Mapping[str, Tensor] | None] = lambda: None,
    block: int = BLOCK,
) -> Arbiter | None:
    """Return how far every cell's outputs are from a float64 run; None where no cell has one.

    `expected` gives the outputs in expected.npz, where the model has that. The truth is the
    reference's own float64 run, or else the first in the plan's order; those of other cells must be
    within `AGREEMENT` of it, else nothing is told. Cells that did not complete, are mislabelled or
    were fed other inputs have no part.
    """
    sound = _sound(cells, seen)
    runs, unreadable = _runs(sound, reference, float64)
    if not runs:
        return Arbiter(cell=None, why=unreadable[0]) if unreadable else None
    truth = _truth(runs[0], float64, block)
    names = tuple(one.cell for one in runs)
    if not truth.scales:
        return Arbiter(cell=None, why="no output is a floating-point number", runs=names)
    apart = {other.cell: _apart(other, float64, truth) for other in runs[1:]}
    if any(share > AGREEMENT for share in apart.values()):
        return _torn(names, apart)
    distances = [
        _distance(observation.cell, _outputs(seen.outputs, observation, truth), truth)
        for observation in sound
    ]
    recorded = expected()
    if recorded is not None:
        distances.append(_distance(None, recorded, truth))
    return Arbiter(
        cell=truth.observation.cell,
        why="; ".join((_why(names, reference, apart), *unreadable)),
        runs=names,
        agreement=max(apart.values(), default=None),
        distances=_with_factors(distances, reference, truth.samples),
    )


def factor_of(error: float, beside: float, count: int) -> float | None:
    """Return how many times `beside` an error is; None where the difference means nothing.

    Both are root mean squared errors in ULPs at scale, over `count` samples. The smaller one counts
    as no less than `ROUNDING`. The factor means something where it or its inverse is at least
    `LEAST_FACTOR`, and at least exp(`DEVIATIONS` / sqrt(count)): of two errors that are each the
    root mean square of `count` independent numbers of one variance, the logarithm of the ratio has
    a standard deviation of about 1 / sqrt(count) (delta method; the variance of the logarithm of a
    mean of n squares of normal numbers is about 2 / n). Elements of one sample are rounded alike,
    so samples are counted and not elements.
    """
    if count == 0:
        return None
    factor = max(error, ROUNDING) / max(beside, ROUNDING)
    least = max(math.log(LEAST_FACTOR), DEVIATIONS / math.sqrt(count))
    return factor if abs(math.log(factor)) >= least else None


def _sound(cells: Sequence[PlannedCell], seen: Seen) -> tuple[Observation, ...]:
    """Return the observations that have outputs and are what they are called."""
    return tuple(
        observation
        for planned in cells
        if (observation := seen.observations.get(planned.cell.id)) is not None
        and observation.ending is Ending.COMPLETED
        and not mislabels(planned.cell, observation)
    )


def _runs(
    sound: Sequence[Observation], reference: Reference, float64: Float64
) -> tuple[list[Observation], list[str]]:
    """Return those with a float64 run on one and the same inputs, and which cannot be read.

    The first is the one that the others are compared with.
    """
    found, unreadable = [], []
    for observation in sorted(sound, key=lambda one: one.cell != reference.cell):
        try:
            if float64(observation) is not None:
                found.append(observation)
        except ValueError as error:
            why = one_line(str(error))
            unreadable.append(f"the float64 run of {observation.cell} cannot be read: {why}")
    return [one for one in found if _fed_alike(one, found[0])], unreadable


def _fed_alike(one: Observation, other: Observation) -> bool:
    digests = [None if each.inputs is None else each.inputs.digest for each in (one, other)]
    return digests[0] == digests[1]


def _truth(observation: Observation, float64: Float64, block: int) -> _Truth:
    outputs = float64(observation) or {}
    scales = {
        name: scale_of(tensor, block=block)
        for name, tensor in outputs.items()
        if is_measured(tensor)
    }
    return _Truth(observation, outputs, scales, block)


def _apart(other: Observation, float64: Float64, truth: _Truth) -> float:
    """Return how far another float64 run is from the first, as a share of the output's scale.

    Infinite where it has other outputs, or NaN or Inf elsewhere.
    """
    pairs = _pairs(float64(other) or {}, truth)
    if isinstance(pairs, str):
        return math.inf
    shares = [0.0]
    for name, (found, wanted) in pairs.items():
        one = errors(found, wanted, block=truth.block)
        share = one.max_abs / truth.scales[name] if truth.scales[name] else one.max_abs
        shares.append(math.inf if one.nonfinite else share)
    return max(shares)


def _pairs(
    outputs: Mapping[str, Tensor], truth: _Truth
) -> dict[str, tuple[NumericTensor, NumericTensor]] | str:
    """Return the tensors to measure beside the true ones, or why they cannot be measured."""
    named = matched(outputs, truth.outputs)
    if named is None:
        return "it names its outputs otherwise"
    pairs = {}
    for name in truth.scales:
        found, wanted = named[name], truth.outputs[name]
        assert is_measured(wanted)
        if not is_measured(found) or found.shape != wanted.shape:
            return f"output '{one_line(name, 80)}' has another type or shape"
        pairs[name] = (found, wanted)
    return pairs


def _outputs(
    outputs: Arrays, observation: Observation, truth: _Truth
) -> Mapping[str, Tensor] | str:
    if not _fed_alike(observation, truth.observation):
        return "it was fed other inputs"
    try:
        return outputs(observation)
    except ValueError as error:
        return one_line(str(error))


def _distance(
    cell: str | None, outputs: Mapping[str, Tensor] | str, truth: _Truth
) -> TruthDistance:
    """Return the distance of the outputs of one cell; `outputs` may be why there are none."""
    pairs = outputs if isinstance(outputs, str) else _pairs(outputs, truth)
    if isinstance(pairs, str):
        return TruthDistance(cell=cell, problem=pairs)
    found: dict[str, OutputTruth] = {}
    squares, elements = 0.0, 0
    for name, (actual, wanted) in pairs.items():
        one = errors(actual, wanted, block=truth.block)
        if one.nonfinite:
            text = f"output '{one_line(name, 80)}' has NaN or Inf elsewhere than the float64 run"
            return TruthDistance(cell=cell, problem=text)
        found[name] = _of_output(one, truth.scales[name])
        if (rms := found[name].rms_ulp) is not None:
            squares, elements = squares + rms**2 * one.elements, elements + one.elements
    return TruthDistance(
        cell=cell,
        max_ulp=max((one.max_ulp for one in found.values() if one.max_ulp is not None), default=0),
        rms_ulp=math.sqrt(squares / elements) if elements else 0.0,
        outputs=found,
    )


def _of_output(one: Errors, scale: float) -> OutputTruth:
    ulp = ulp_of(scale)
    return OutputTruth(
        max_abs=one.max_abs,
        rms=one.rms,
        max_ulp=None if ulp is None else _finite(one.max_abs / ulp),
        rms_ulp=None if ulp is None else _finite(one.rms / ulp),
    )


def _finite(number: float) -> float:
    """Return a number that JSON can hold and whose square is a number."""
    return min(number, _LARGEST)


def _with_factors(
    distances: Sequence[TruthDistance], reference: Reference, count: int
) -> tuple[TruthDistance, ...]:
    """Say of each how much farther than the reference it is."""
    beside = next((one.rms_ulp for one in distances if one.cell == reference.cell), None)
    if beside is None:
        return tuple(distances)
    return tuple(
        one
        if one.rms_ulp is None or one.cell == reference.cell
        else one.model_copy(update={"factor": factor_of(one.rms_ulp, beside, count)})
        for one in distances
    )


def _torn(names: Sequence[str], apart: Mapping[str, float]) -> Arbiter:
    """Return what is said where float64 runs disagree: that is no rounding."""
    cell = max(apart, key=lambda name: apart[name])
    share = apart[cell]
    by = f"by {share:.2g} of the largest number" if math.isfinite(share) else "in kind"
    others = sum(one > AGREEMENT for one in apart.values()) - 1
    more = f" (and {others} more)" if others else ""
    return Arbiter(
        cell=None,
        why=f"cannot be told: the float64 runs of {names[0]} and {cell}{more} differ {by}, which is"
        f" more than {AGREEMENT:g}: they do not compute the same, whatever the rounding",
        runs=tuple(names),
        agreement=share if math.isfinite(share) else None,
    )


def _why(names: Sequence[str], reference: Reference, apart: Mapping[str, float]) -> str:
    which = "the reference's own" if names[0] == reference.cell else "the first there is"
    if not apart:
        return f"{which}; no other cell has one to agree with it"
    count = f"{len(apart)} other cell{'' if len(apart) == 1 else 's'}"
    worst = max(apart.values())
    if worst == 0:
        return f"{which}; the same number for number in {count}"
    return f"{which}; within {worst:.1g} of the largest number in {count}"
