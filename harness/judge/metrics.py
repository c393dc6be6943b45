"""The distance between one output and the reference's: absolute, relative, in ULPs, mismatches.

Everything is taken in one pass over blocks of the flat arrays, so memory stays bounded however
large an output is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.judge.floats import FLOATS, bits, ulps, widen
from harness.tensor import StringTensor, Tensor

__all__ = ["BLOCK", "Distance", "measure"]

BLOCK = 1 << 20
"""Elements that are looked at together; a block's temporaries take about 50 MB."""

_COMPONENTS = {"complex64": "float32", "complex128": "float64"}


@dataclass(frozen=True, slots=True)
class Distance:
    """What lies between two tensors of one dtype and shape."""

    identical: bool
    """Bit for bit, NaN payloads and the signs of zeros included."""
    max_abs: float | None
    """Largest absolute difference over elements that are finite in both; None where the type has
    no differences (strings, truth values, raw bits). What float64 cannot hold is given as its
    largest number."""
    max_rel: float | None
    """`max_abs / scale`, scale being the largest finite |reference|: the error as a share of the
    output's own size, which no single zero can blow up (a normwise relative error; Higham,
    "Accuracy and Stability of Numerical Algorithms", section 1.2, in the max norm). Where the
    scale is 0: 0 if `max_abs` is, else None."""
    max_ulp: int | None
    """Largest number of representable steps between two finite elements; None for non-floats."""
    mismatched: int
    """Elements with |actual - reference| > max(atol + rtol * |reference|, floor), evaluated in
    float64, or NaN or Inf in one of them only; for other types than floats, elements that differ
    at all."""
    nonfinite: int
    """Elements of which one is NaN and the other not, or one an Inf and the other not that Inf."""
    total: int
    """Elements; a complex one counts as two."""


def measure(
    actual: Tensor,
    reference: Tensor,
    *,
    atol: float,
    rtol: float,
    floor: float = 0.0,
    block: int = BLOCK,
) -> Distance:
    """Return the distance of `actual` from `reference`, which has the same dtype and shape.

    `atol` and `rtol` follow NumPy's rule; the rule is not symmetric. What differs by no more than
    `floor`, in units of the tensor, is no mismatch either. All three count for floats only.
    """
    if isinstance(actual, StringTensor) or isinstance(reference, StringTensor):
        return _measure_strings(actual, reference)
    a, b, dtype = actual.array.ravel(), reference.array.ravel(), actual.dtype
    if dtype in _COMPONENTS:
        dtype = _COMPONENTS[dtype]
        a, b = a.view(dtype), b.view(dtype)
    if dtype in FLOATS:
        return _measure_floats(a, b, dtype, atol=atol, rtol=rtol, floor=floor, block=block)
    if a.dtype.kind in "iu" and a.dtype.name == dtype:
        return _measure_integers(a, b, block)
    different = sum(int(np.count_nonzero(x != y)) for x, y in _blocks(a, b, block))
    return Distance(different == 0, None, None, None, different, 0, a.size)


def _measure_strings(actual: Tensor, reference: Tensor) -> Distance:
    assert isinstance(actual, StringTensor)
    assert isinstance(reference, StringTensor)
    pairs = zip(actual.strings, reference.strings, strict=True)
    different = sum(a != b for a, b in pairs)
    return Distance(different == 0, None, None, None, different, 0, len(actual.strings))


def _measure_integers(a: NDArray[Any], b: NDArray[Any], block: int) -> Distance:
    width = np.dtype(f"u{a.dtype.itemsize}")
    different = largest = scale = 0
    for x, y in _blocks(a, b, block):
        different += int(np.count_nonzero(x != y))
        # Modulo 2**width the difference of the larger and the smaller is exact, also where the
        # signed type could not hold it.
        u, v = x.view(width), y.view(width)
        largest = max(largest, int(np.where(x > y, u - v, v - u).max()))
        scale = max(scale, abs(int(y.max())), abs(int(y.min())))
    max_rel = _share(largest, scale)
    return Distance(different == 0, float(largest), max_rel, None, different, 0, a.size)


def _measure_floats(
    a: NDArray[Any],
    b: NDArray[Any],
    dtype: str,
    *,
    atol: float,
    rtol: float,
    floor: float,
    block: int,
) -> Distance:
    identical = True
    mismatched = nonfinite = max_ulp = 0
    max_abs = scale = 0.0
    for x, y in _blocks(a, b, block):
        x_bits, y_bits = bits(x, dtype), bits(y, dtype)
        reference = widen(y, dtype)
        finite = np.isfinite(reference)
        scale = max(scale, float(np.abs(reference).max(where=finite, initial=0.0)))
        if np.array_equal(x_bits, y_bits):
            continue
        identical = False
        actual = widen(x, dtype)
        both = finite & np.isfinite(actual)
        # Infinities compare equal to themselves only; NaNs to nothing.
        alike = both | (actual == reference) | (np.isnan(actual) & np.isnan(reference))
        nonfinite += alike.size - int(np.count_nonzero(alike))
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(actual - reference)
            allowed = atol + rtol * np.abs(reference)
            within = apart <= (np.maximum(allowed, floor) if floor else allowed)
        mismatched += int(np.count_nonzero(~alike | (both & ~within)))
        max_abs = max(max_abs, float(apart.max(where=both, initial=0.0)))
        max_ulp = max(max_ulp, int(ulps(x_bits, y_bits).max(where=both, initial=0)))
    max_abs = min(max_abs, sys.float_info.max)
    max_rel = _share(max_abs, scale)
    return Distance(identical, max_abs, max_rel, max_ulp, mismatched, nonfinite, a.size)


def _share(largest: float, scale: float) -> float | None:
    if scale == 0:
        return 0.0 if largest == 0 else None
    share = largest / scale  # inf where float64 cannot hold it, which JSON cannot either
    return min(share, sys.float_info.max)


def _blocks(
    a: NDArray[Any], b: NDArray[Any], block: int
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    for start in range(0, a.size, block):
        yield a[start : start + block], b[start : start + block]
