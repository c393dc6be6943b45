"""Embeddings: which other sample of the batch is nearest, by cosine."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.judge.floats import widen
from harness.judge.margins import Allowance, Changed
from harness.tensor import NumericTensor

__all__ = ["SAMPLES", "asked", "neighbours_changed"]

SAMPLES = 1 << 10
"""Samples that are looked at, the first ones; fewer where they have many values."""
_PRODUCTS = 1 << 29
"""Multiplications that all pairs of samples may take; half a second."""
_FEWEST = 3
"""Of two samples each is the other's nearest."""
_COLUMNS = 1 << 20
"""Elements that are widened together."""


class _Sums(NamedTuple):
    """What cosines are made of, summed over the columns so far."""

    products: NDArray[np.float64]
    """[samples, samples]."""
    allowed: NDArray[np.float64]
    """[samples]: squares of what each element may differ by."""


def asked(reference: NumericTensor) -> int:
    """Return how many samples are asked for their nearest; 0 where there are too few."""
    shape = reference.shape
    if len(shape) < 2 or shape[0] < _FEWEST or reference.array.size == 0:  # noqa: PLR2004
        return 0
    affordable = math.isqrt(_PRODUCTS // max(1, math.prod(shape[1:])))
    return min(shape[0], SAMPLES, max(_FEWEST, affordable))


def neighbours_changed(
    actual: NumericTensor, reference: NumericTensor, allowance: Allowance
) -> Changed:
    """Return the samples, of the first `asked`, whose nearest other sample is another one.

    A sample that is not finite, or is 0, has no direction: it asks nothing and is nobody's
    nearest. Where two are equally near in the reference, as far as float64 can tell, either is
    right.

    What the allowance lets each element differ by lets a vector y differ by d, the root of the
    sum of their squares, and its direction by e = 2 d / (2 |y| - d), at most 2 (the inequality of
    Dunkl and Williams in an inner product space, Amer. Math. Monthly 71, 1964, page 53); so the
    cosine of two by no more than the sum of their e.
    """
    count = asked(reference)
    x, y = _sums(actual, count, None), _sums(reference, count, allowance)
    rounding = 4 * (math.prod(reference.shape[1:]) + 8) * np.finfo(np.float64).eps
    lengths = _lengths(y)
    there = _has_direction(x) & _has_direction(y)
    was_near, near = _cosines(y, there), _cosines(x, there)
    was, became = np.argmax(was_near, axis=-1), np.argmax(near, axis=-1)
    rows = np.arange(count)
    margin = _gap(was_near, was, became)
    (places,) = np.nonzero((was != became) & there & (margin > rounding))
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.sqrt(y.allowed)
        turned = np.where(apart < 2 * lengths, 2 * apart / (2 * lengths - apart), 2.0)
    turned = np.minimum(turned, 2.0)
    allowed = 2 * turned[rows] + turned[was] + turned[became] + rounding
    moved = margin - _gap(near, was, became)
    return Changed(
        places, was[places], became[places], margin[places], moved[places], allowed[places]
    )


def _sums(tensor: NumericTensor, count: int, allowance: Allowance | None) -> _Sums:
    rows = tensor.array.reshape(len(tensor.array), -1)
    products, allowed = np.zeros((count, count)), np.zeros(count)
    step = max(1, _COLUMNS // count)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, rows.shape[1], step):
            values = widen(rows[:count, start : start + step], tensor.dtype)
            products += values @ values.T
            if allowance is not None:
                allowed += np.square(allowance.of(values)).sum(axis=-1)
    return _Sums(products, allowed)


def _lengths(sums: _Sums) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        lengths: NDArray[np.float64] = np.sqrt(np.diagonal(sums.products))
    return lengths


def _has_direction(sums: _Sums) -> NDArray[np.bool_]:
    lengths = _lengths(sums)
    found: NDArray[np.bool_] = np.isfinite(lengths) & (lengths > 0)
    return found


def _cosines(sums: _Sums, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return [samples, samples]; what is nobody's nearest, and a sample to itself, is -inf."""
    lengths = np.where(there, _lengths(sums), 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        found: NDArray[np.float64] = sums.products / np.outer(lengths, lengths)
    found[:, ~there] = -np.inf
    np.fill_diagonal(found, -np.inf)
    return np.nan_to_num(found, nan=-np.inf, neginf=-np.inf, posinf=np.inf)


def _gap(
    cosines: NDArray[np.float64], was: NDArray[np.intp], became: NDArray[np.intp]
) -> NDArray[np.float64]:
    rows = np.arange(len(was))
    with np.errstate(invalid="ignore"):
        return cosines[rows, was] - cosines[rows, became]
