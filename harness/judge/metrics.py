"""The distance between one output and the reference's, in every number that reports show.

Everything is taken in one pass over blocks of the flat arrays, small enough for a processor's
cache, so that memory stays bounded however large an output is; several processors share a large
one. What the numbers mean is said in `harness.judge.distance`.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.distance import Distance
from harness.judge.exact import integers, others, strings
from harness.judge.floats import FLOATS, widen
from harness.judge.quantile import Quantile
from harness.judge.sums import cosine, decibels
from harness.judge.tally import Room, Rule, Tally
from harness.judge.walk import Pair, share
from harness.tensor import StringTensor, Tensor

__all__ = ["BLOCK", "Distance", "measure"]

BLOCK = 1 << 20
"""Elements that are looked at together where rows have to stay whole."""

_BLOCK = 1 << 16
"""Elements that are measured together; as float64 they take 512 kB. Of fewer, calling numpy takes
longer than what it does; more would not stay in a processor's cache."""

_COMPONENTS = {"complex64": "float32", "complex128": "float64"}


def measure(
    actual: Tensor,
    reference: Tensor,
    *,
    atol: float,
    rtol: float,
    floor: float = 0.0,
    block: int = _BLOCK,
) -> Distance:
    """Return the distance of `actual` from `reference`, which has the same dtype and shape.

    `atol` and `rtol` follow NumPy's rule; the rule is not symmetric. What differs by no more than
    `floor`, in units of the tensor, is no mismatch either. All three count for floats only.
    """
    if isinstance(actual, StringTensor) or isinstance(reference, StringTensor):
        assert isinstance(actual, StringTensor)
        assert isinstance(reference, StringTensor)
        return strings(actual, reference)
    a, b, dtype = actual.array.reshape(-1), reference.array.reshape(-1), actual.dtype
    if dtype in _COMPONENTS:
        dtype = _COMPONENTS[dtype]
        a, b = a.view(dtype), b.view(dtype)
    pair = Pair(a, b, actual.shape, block)
    if dtype in FLOATS:
        return _floats(pair, dtype, Rule(atol, rtol, floor))
    if a.dtype.kind in "iu" and a.dtype.name == dtype:
        return integers(pair)
    return others(pair, truth=dtype == "bool")


def _floats(pair: Pair, dtype: str, rule: Rule) -> Distance:
    size = pair.a.size
    quantile = Quantile(size)
    rooms: list[Room] = []

    def count(a: NDArray[Any], b: NDArray[Any], start: int) -> Tally:
        room = rooms.pop() if rooms else Room(min(size, pair.block), dtype)
        tally = Tally(dtype, rule, quantile)
        with np.errstate(all="ignore"):
            for at in range(0, a.size, pair.block):
                until = at + pair.block
                tally.add(a[at:until], b[at:until], start + at, room)
        rooms.append(room)
        return tally

    whole = Tally(dtype, rule, quantile)
    for tally in pair.parts(count):
        whole.join(tally)
    return _distance(whole, pair)


def _distance(tally: Tally, pair: Pair) -> Distance:
    place = tally.worst if tally.first_nonfinite is None else tally.first_nonfinite
    values = None
    if place is not None:
        a, b = (widen(one[place : place + 1], tally.dtype) for one in (pair.a, pair.b))
        values = float(a[0]), float(b[0])
    most = sys.float_info.max
    return Distance(
        identical=tally.identical,
        max_abs=tally.max_abs,
        max_rel=share(tally.max_abs, tally.scale),
        max_ulp=tally.max_ulp,
        mismatched=tally.mismatched,
        nonfinite=tally.nonfinite,
        total=pair.a.size,
        mean_abs=min(tally.absolute.over(max(1, tally.finite)), tally.max_abs),
        p99_abs=min(tally.quantile.value(tally.finite), tally.max_abs),
        cosine=cosine(tally.across, tally.own, tally.signal),
        snr_db=decibels(tally.signal, tally.noise),
        tolerance_needed=None if tally.nonfinite else min(_passing(tally.needed), most),
        worst=pair.index(place),
        pair=values,
    )


def _passing(tolerance: float) -> float:
    """Return the tolerance that passes: NumPy's rule rounds too, at each of its two steps."""
    return math.nextafter(tolerance * (1 + 2**-50), math.inf) if tolerance else 0.0
