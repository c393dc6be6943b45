"""Errors of outputs against float64 numbers that are taken for true, over blocks."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from harness.judge.floats import FLOATS, widen
from harness.judge.metrics import BLOCK
from harness.tensor import NumericTensor, Tensor

__all__ = ["Errors", "errors", "is_measured", "samples", "scale_of", "ulp_of"]

_COMPONENTS = {"complex64": "float32", "complex128": "float64"}
_FLOAT32_DIGITS = 24
"""Binary digits of a float32, the hidden one included (IEEE 754)."""
_SMALLEST_EXPONENT = -149
"""The smallest float32 is two to this."""


@dataclass(frozen=True, slots=True)
class Errors:
    """How far one tensor is from the true one, over the elements that are finite in both."""

    max_abs: float
    """In units of the tensor, as the next."""
    rms: float
    """Root of the mean squared error."""
    elements: int
    """Those that are finite in both; a complex one counts as two."""
    nonfinite: int
    """Elements of which one is NaN or Inf and the other is not the same."""


def is_measured(tensor: Tensor) -> TypeGuard[NumericTensor]:
    """Tell whether a tensor holds floating-point numbers, whose rounding can be told."""
    return isinstance(tensor, NumericTensor) and (
        tensor.dtype in FLOATS or tensor.dtype in _COMPONENTS
    )


def errors(actual: NumericTensor, truth: NumericTensor, *, block: int = BLOCK) -> Errors:
    """Return the errors of `actual` against `truth`, which has the same shape."""
    largest, squares, elements, nonfinite = 0.0, 0.0, 0, 0
    for a, b in zip(_wide(actual, block), _wide(truth, block), strict=True):
        both = np.isfinite(a) & np.isfinite(b)
        alike = both | (a == b) | (np.isnan(a) & np.isnan(b))
        nonfinite += alike.size - int(np.count_nonzero(alike))
        with np.errstate(over="ignore"):
            apart = a[both] - b[both]
            peak = float(np.abs(apart).max(initial=0.0))
            # Scaled by the largest, so that no square is beyond float64's range.
            largest, squares = _added(largest, squares, peak, apart)
        elements += apart.size
    rms = largest * math.sqrt(squares / elements) if squares else largest
    return Errors(
        min(largest, sys.float_info.max), min(rms, sys.float_info.max), elements, nonfinite
    )


def _added(
    largest: float, squares: float, peak: float, apart: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the larger of two numbers, and the sum of the squares of all as shares of it."""
    top = max(largest, peak)
    if top == 0 or not math.isfinite(top):
        return top, squares
    shares = apart / top
    return top, squares * (largest / top) ** 2 + float(np.dot(shares, shares))


def scale_of(truth: NumericTensor, *, block: int = BLOCK) -> float:
    """Return the largest finite absolute value; 0 where there is none."""
    return max(
        (
            float(np.abs(part).max(where=np.isfinite(part), initial=0.0))
            for part in _wide(truth, block)
        ),
        default=0.0,
    )


def ulp_of(scale: float) -> float | None:
    """Return the distance of a float32 as large as `scale` from the next; None for 0.

    2**(e - 23) for 2**e <= scale < 2**(e + 1), and no less than the smallest float32 (IEEE 754,
    binary32); beyond float32's range as if it had no end.
    """
    if scale == 0:
        return None
    _, exponent = math.frexp(scale)  # scale = m * 2**exponent, 0.5 <= m < 1
    return math.ldexp(1.0, max(exponent - _FLOAT32_DIGITS, _SMALLEST_EXPONENT))


def samples(shape: Sequence[int]) -> int:
    """Return how many samples a tensor of `shape` holds: its first dimension, or one."""
    return shape[0] if shape else 1


def _wide(tensor: NumericTensor, block: int) -> Iterator[NDArray[np.float64]]:
    flat: NDArray[Any] = tensor.array.ravel()
    dtype = _COMPONENTS.get(tensor.dtype, tensor.dtype)
    if dtype != tensor.dtype:
        flat = flat.view(dtype)
    for start in range(0, flat.size, block):
        yield widen(flat[start : start + block], dtype)
