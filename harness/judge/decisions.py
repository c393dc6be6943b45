"""What a model decides, and which decisions are others than the reference's, by what margin."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from harness.divergence import Decided, DecisionKind, Ranks
from harness.judge.choices import BLOCK, above, blocks, numbers
from harness.judge.floats import widen
from harness.judge.margins import Allowance, Changed, Tally
from harness.judge.neighbours import asked, neighbours_changed
from harness.judge.ranks import TopK, over_classes, over_samples
from harness.judge.tasks import Rule
from harness.tensor import NumericTensor

__all__ = ["TOP_K", "Made", "decisions"]

TOP_K = 5
"""As the field counts: top-5."""


class Made(NamedTuple):
    """The decisions of one output."""

    total: int | None = None
    """None where it decides nothing."""
    changed: int | None = None
    decided: Decided | None = None


class _Order(NamedTuple):
    """What became of the order of an output's values."""

    ranks: Ranks | None = None
    top: TopK | None = None


def decisions(
    actual: NumericTensor,
    reference: NumericTensor,
    rule: Rule,
    allowance: Allowance,
    *,
    block: int = BLOCK,
) -> Made:
    """Return what `rule` says is decided, in two tensors of one type and shape, of floats.

    A changed decision is a near tie where differences within `allowance` can change it: so where
    every element is within it, every change is one. Elements that are NaN or infinite in one
    tensor only make clear calls.
    """
    shape = _shape(reference, rule)
    tally = Tally(shape)
    if actual is not reference:
        for found in _changes(actual, reference, rule, allowance, block):
            tally.add(found)
    order = _order(actual, reference, rule)
    decided = Decided(
        kind=rule.kind,
        detected=rule.detected,
        why=rule.why,
        threshold=rule.threshold,
        near_ties=tally.near_ties,
        clear=tally.clear,
        flips=tuple(tally.flips),
        k=None if order.top is None else order.top.k,
        top_k_changed=None if order.top is None else order.top.changed,
        top_k_of=None if order.top is None else order.top.of,
        ranks=order.ranks,
    )
    if rule.kind is DecisionKind.NONE:
        return Made(decided=decided)
    return Made(math.prod(shape), tally.near_ties + tally.clear, decided)


def _shape(reference: NumericTensor, rule: Rule) -> tuple[int, ...]:
    """Return the shape of the decisions."""
    match rule.kind:
        case DecisionKind.CLASS:
            return reference.shape[:-1]
        case DecisionKind.NEIGHBOUR:
            return (asked(reference),)
        case DecisionKind.SIDE | DecisionKind.NONE:
            return reference.shape
        case _:
            assert_never(rule.kind)


def _changes(
    actual: NumericTensor,
    reference: NumericTensor,
    rule: Rule,
    allowance: Allowance,
    block: int,
) -> Iterator[Changed]:
    """Give the decisions that changed, in blocks."""
    if rule.kind is DecisionKind.NEIGHBOUR:
        if asked(reference):
            yield neighbours_changed(actual, reference, allowance)
    elif rule.kind is not DecisionKind.NONE:
        threshold = rule.threshold
        columns = reference.shape[-1] if threshold is None else 1
        for start, (x, y) in blocks(actual, reference, columns=columns, block=block):
            if threshold is None:
                found = _classes(x, y, reference.dtype, allowance)
            else:
                found = _sides(x[:, 0], y[:, 0], reference.dtype, allowance, threshold)
            if found is not None:
                yield found._replace(places=found.places + start)


def _classes(
    actual: NDArray[Any], reference: NDArray[Any], dtype: str, allowance: Allowance
) -> Changed | None:
    """Return the rows of [rows, classes] whose argmax is another; None where none is.

    The margin is that of the class it was over the class it became. Where neither differs by more
    than is allowed, the two together move by no more than the sum of that.
    """
    was, became = (np.argmax(numbers(rows, dtype), axis=-1) for rows in (reference, actual))
    (places,) = np.nonzero(was != became)
    if not places.size:
        return None
    was, became = was[places], became[places]
    best, taken = widen(reference[places, was], dtype), widen(reference[places, became], dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        margin = best - taken
        now = widen(actual[places, was], dtype) - widen(actual[places, became], dtype)
        moved = margin - now
        allowed = allowance.of(best) + allowance.of(taken)
    return Changed(places, was, became, margin, moved, allowed)


def _sides(
    actual: NDArray[Any],
    reference: NDArray[Any],
    dtype: str,
    allowance: Allowance,
    threshold: float,
) -> Changed | None:
    """Return the elements of [elements] that are on the other side; None where none is."""
    was, became = (above(numbers(values, dtype), threshold) for values in (reference, actual))
    (places,) = np.nonzero(was != became)
    if not places.size:
        return None
    value, now = widen(reference[places], dtype), widen(actual[places], dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        margin, moved = np.abs(value - threshold), np.abs(now - value)
    return Changed(
        places,
        was[places].astype(np.intp),
        became[places].astype(np.intp),
        margin,
        moved,
        allowance.of(value),
    )


def _order(actual: NumericTensor, reference: NumericTensor, rule: Rule) -> _Order:
    match rule.kind:
        case DecisionKind.CLASS:
            return _Order(*over_classes(actual, reference, TOP_K))
        case DecisionKind.SIDE if len(reference.shape) > 1 and reference.shape[-1] > 1:
            return _Order(over_classes(actual, reference, TOP_K)[0])
        case DecisionKind.SIDE | DecisionKind.NONE:
            return _Order(over_samples(actual, reference))
        case _:
            return _Order()
