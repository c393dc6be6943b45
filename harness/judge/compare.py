"""The outputs of one cell beside the reference's: the distance of each, and the worst of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple, TypeVar

from harness.divergence import Divergence, OutputDivergence, WorstElement
from harness.judge.decisions import Made, decisions
from harness.judge.margins import Allowance
from harness.judge.metrics import Distance, measure
from harness.judge.noise import Noise
from harness.judge.tasks import Rule, rule_of
from harness.judge.tolerance import allowed
from harness.mapped import release
from harness.model.model import Tolerance
from harness.tensor import NumericTensor, Tensor

__all__ = ["WITHOUT_DISTANCE", "compare"]

WITHOUT_DISTANCE = frozenset(["missing", "extra", "dtype", "shape", "nonfinite"])
"""States of an output whose distance cannot be told."""

_Number = TypeVar("_Number", int, float)


def compare(
    actual: Mapping[str, Tensor],
    reference: Mapping[str, Tensor],
    tolerances: Mapping[str, Tolerance],
    *,
    rules: Mapping[str, Rule] | None = None,
    noise: Mapping[str, Noise] | None = None,
    decide: bool = True,
) -> Divergence:
    """Return the distance of every output in `actual` or `reference` from the reference's.

    Outputs stand in the reference's order, those it lacks at the end. The totals are the worst
    over the outputs; None where an output has no distance, as then no number holds for the cell.
    `rules` say what the outputs decide; without them it is found from the reference. Within
    `noise`, by output, a distance counts as within tolerance. Without `decide` no decisions are
    looked for.
    """
    beside = _Beside(tolerances, rules, noise or {}, decide)
    outputs: dict[str, OutputDivergence] = {}
    for name, wanted in reference.items():
        found = actual.get(name)
        if found is None:
            outputs[name] = OutputDivergence(
                status="missing", dtype=wanted.dtype, shape=wanted.shape
            )
        else:
            outputs[name] = _compare(name, found, wanted, beside)
    for name in actual:
        if name not in reference:
            found = actual[name]
            outputs[name] = OutputDivergence(status="extra", dtype=found.dtype, shape=found.shape)
    return Divergence(
        max_abs=_worst(outputs, lambda output: output.max_abs),
        max_rel=_worst_share(outputs),
        max_ulp=_worst(outputs, lambda output: output.max_ulp),
        decisions_changed=_worst(outputs, lambda output: output.decisions_changed),
        outputs=outputs,
    )


class _Beside(NamedTuple):
    """How two tensors are to be compared."""

    tolerances: Mapping[str, Tolerance]
    rules: Mapping[str, Rule] | None
    noise: Mapping[str, Noise]
    decide: bool


def _compare(name: str, actual: Tensor, reference: Tensor, beside: _Beside) -> OutputDivergence:
    described = partial(OutputDivergence, dtype=actual.dtype, shape=actual.shape)
    if actual.dtype != reference.dtype:
        message = f"{actual.dtype}, the reference has {reference.dtype}"
        return described(status="dtype", message=message)
    if actual.shape != reference.shape:
        message = f"{list(actual.shape)}, the reference has {list(reference.shape)}"
        return described(status="shape", message=message)
    tolerance = allowed(name, actual.dtype, beside.tolerances)
    atol, rtol = (None, None) if tolerance is None else (tolerance.atol, tolerance.rtol)
    noise = beside.noise.get(name, Noise())
    distance = measure(
        actual, reference, atol=atol or 0.0, rtol=rtol or 0.0, floor=noise.allowed_distance
    )
    measured = partial(
        described,
        mismatched=distance.mismatched,
        total=distance.total,
        atol=atol,
        rtol=rtol,
        worst=_worst_element(distance),
    )
    if distance.nonfinite:
        return measured(status="nonfinite", message=_nonfinite(distance))
    equal = Allowance(atol or 0.0, rtol or 0.0, noise.allowed_distance)
    made = _made(name, reference if distance.identical else actual, reference, equal, beside)
    beyond = distance.mismatched > (noise.allowed_elements if tolerance is None else 0)
    return measured(
        status=_status(distance.identical, beyond),
        max_abs=distance.max_abs,
        max_rel=distance.max_rel,
        max_ulp=distance.max_ulp,
        mean_abs=distance.mean_abs,
        p99_abs=distance.p99_abs,
        cosine=distance.cosine,
        snr_db=distance.snr_db,
        tolerance_needed=distance.tolerance_needed,
        decisions=made.total,
        decisions_changed=made.changed,
        decided=made.decided,
    )


def _made(name: str, actual: Tensor, reference: Tensor, equal: Allowance, beside: _Beside) -> Made:
    """Return the decisions of one output, and which of them changed."""
    if not beside.decide:
        return Made()
    rule = rule_of(reference) if beside.rules is None else beside.rules.get(name)
    if rule is None:
        return Made()
    assert isinstance(actual, NumericTensor)
    assert isinstance(reference, NumericTensor)
    made = decisions(actual, reference, rule, equal)
    for tensor in (actual, reference):
        release(tensor.array)
    return made


def _nonfinite(distance: Distance) -> str:
    """Say how many elements are NaN or Inf in one of the two only, and what the first one is."""
    said = f"NaN or Inf differ in {distance.nonfinite} of {distance.total} elements"
    if distance.pair is None:
        return said
    actual, reference = distance.pair
    return f"{said}, the first is {_number(actual)}, in the reference {_number(reference)}"


def _number(value: float) -> str:
    return f"{value:.6g}".replace("nan", "NaN").replace("inf", "Inf")


def _worst_element(distance: Distance) -> WorstElement | None:
    if distance.worst is None:
        return None
    pair = distance.pair or (math.nan, math.nan)
    actual, reference = (value if math.isfinite(value) else None for value in pair)
    return WorstElement(
        index=distance.worst,
        sample=distance.worst[0] if distance.worst else None,
        actual=actual,
        reference=reference,
    )


def _status(identical: bool, beyond: bool) -> Literal["identical", "equivalent", "diverged"]:
    if identical:
        return "identical"
    return "diverged" if beyond else "equivalent"


def _worst(
    outputs: Mapping[str, OutputDivergence], of: Callable[[OutputDivergence], _Number | None]
) -> _Number | None:
    if any(output.status in WITHOUT_DISTANCE for output in outputs.values()):
        return None
    values = [value for output in outputs.values() if (value := of(output)) is not None]
    return max(values, default=None)


def _worst_share(outputs: Mapping[str, OutputDivergence]) -> float | None:
    # Beside a reference that is 0 everywhere a difference has no share: worse than any number.
    if any(output.max_abs and output.max_rel is None for output in outputs.values()):
        return None
    return _worst(outputs, lambda output: output.max_rel)
