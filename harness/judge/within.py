"""The distance of a run from the reference, and what each output of it is within."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

from harness.divergence import Divergence, OutputDivergence
from harness.judge.compare import WITHOUT_DISTANCE, compare
from harness.judge.noise import Floor, Noise, larger
from harness.judge.tasks import Rule
from harness.judge.tolerance import allowed
from harness.judge.words_of_noise import moves
from harness.model.model import Tolerance
from harness.tensor import Tensor
from harness.verdict import Verdict

__all__ = ["Compared", "compared", "verdict_of"]


class Compared(NamedTuple):
    """A distance in which every output says what it is within."""

    divergence: Divergence
    explained: Mapping[str, Noise]
    """What it takes to call it equivalent, by output; empty where tolerance is enough, or where no
    noise is."""


def compared(
    tensors: Mapping[str, Tensor],
    reference: Mapping[str, Tensor],
    tolerances: Mapping[str, Tolerance],
    *,
    rules: Mapping[str, Rule],
    floors: tuple[Floor, Floor],
) -> Compared:
    """Return the distance of `tensors` from the reference's.

    An output is equivalent within the larger of tolerance and the noise of both, whose `floors`
    are the run's own and the reference's. Decisions that noise can change are near ties.
    """
    own, other = floors
    allowance = larger(own.worst, other.worst)
    noise = _beyond_tolerance(allowance, reference, tolerances)
    divergence = compare(tensors, reference, tolerances, rules=rules, noise=noise)
    outputs = divergence.outputs
    if noise:
        strict = compare(tensors, reference, tolerances, decide=False)
        outputs = {
            name: _told_apart(output, strict.outputs[name], allowance.get(name))
            for name, output in outputs.items()
        }
    known = bool(own.variations or other.variations)
    outputs = {
        name: _with_floor(output, allowance.get(name), known=known)
        for name, output in outputs.items()
    }
    divergence = divergence.model_copy(update={"outputs": outputs})
    by_noise = [name for name, output in outputs.items() if output.within == "noise"]
    diverged = verdict_of(divergence) is Verdict.DIVERGED
    return Compared(divergence, {} if diverged else {name: allowance[name] for name in by_noise})


def _beyond_tolerance(
    allowance: Mapping[str, Noise],
    reference: Mapping[str, Tensor],
    tolerances: Mapping[str, Tolerance],
) -> dict[str, Noise]:
    """Return the noise that allows anything which tolerance does not allow everywhere."""
    found = {}
    for name in allowance.keys() & reference.keys():
        tolerance = allowed(name, reference[name].dtype, tolerances)
        if tolerance is None or allowance[name].allowed_distance > tolerance.atol:
            found[name] = allowance[name]
    return found


def verdict_of(divergence: Divergence) -> Verdict:
    """Return what a distance means for a cell: the worst over its outputs."""
    statuses = {output.status for output in divergence.outputs.values()}
    if statuses & (WITHOUT_DISTANCE | {"diverged"}):
        return Verdict.DIVERGED
    return Verdict.EQUIVALENT if "equivalent" in statuses else Verdict.IDENTICAL


def _told_apart(
    output: OutputDivergence, strict: OutputDivergence, noise: Noise | None
) -> OutputDivergence:
    """Return an output, compared within noise, that says whether tolerance alone is enough.

    `strict` is the same without noise: what is not within tolerance is counted there.
    """
    counted = {"mismatched": strict.mismatched}
    if noise is None or (output.status, strict.status) != ("equivalent", "diverged"):
        return output.model_copy(update=counted)
    said = {"within": "noise", "message": f"no more than noise: {moves(noise)}"}
    return output.model_copy(update=counted | said)


def _with_floor(output: OutputDivergence, noise: Noise | None, *, known: bool) -> OutputDivergence:
    """Return an output with what it is within, and what its noise allows where that is `known`."""
    within = output.within or ("tolerance" if output.status == "equivalent" else None)
    allowed = None
    if output.atol is not None and output.max_abs is not None and known:
        allowed = 0.0 if noise is None else min(noise.allowed_distance, sys.float_info.max)
    return output.model_copy(update={"within": within, "noise_abs": allowed})
