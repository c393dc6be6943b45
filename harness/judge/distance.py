"""What lies between two tensors: every number that is measured, and what each means."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Distance"]


@dataclass(frozen=True, slots=True)
class Distance:
    """What lies between two tensors of one dtype and shape.

    Numbers are taken over *comparable* elements: those that are finite in both. None: the type has
    no such number. What float64 cannot hold is given as its largest number, so that every number
    is one that JSON holds.
    """

    identical: bool
    """Bit for bit, NaN payloads and the signs of zeros included."""
    max_abs: float | None
    """Largest absolute difference; None where the type has none (strings, truth values, raw
    bits)."""
    max_rel: float | None
    """`max_abs / scale`, scale being the largest finite |reference|: the error as a share of the
    output's own size, which no single zero can blow up (a normwise relative error; Higham,
    "Accuracy and Stability of Numerical Algorithms", section 1.2, in the max norm). Where the
    scale is 0: 0 if `max_abs` is, else None."""
    max_ulp: int | None
    """Largest number of representable steps between two elements; None for non-floats."""
    mismatched: int
    """Elements with |actual - reference| > max(atol + rtol * |reference|, floor), evaluated in
    float64, or NaN or Inf in one of them only; for other types than floats, elements that differ
    at all."""
    nonfinite: int
    """Elements of which one is NaN and the other not, or one an Inf and the other not that Inf."""
    total: int
    """Elements; a complex one counts as two."""
    mean_abs: float | None = None
    """Mean absolute difference."""
    p99_abs: float | None = None
    """99th percentile of absolute differences: the smallest that 99 of 100 do not exceed. Exact up
    to 65,536 elements; of more, too large by less than 2**-7 of itself (see
    `harness.judge.quantile`)."""
    cosine: float | None = None
    """Cosine of the angle between the two as vectors, -1 to 1; None where one is all zero."""
    snr_db: float | None = None
    """Signal to noise ratio in decibels, 10 * log10(sum(reference**2) / sum(difference**2)). None
    where it is infinite: nothing differs, or the reference is all zero."""
    tolerance_needed: float | None = None
    """Smallest t with which NumPy's rule for atol = rtol = t holds for every element:
    max(|actual - reference| / (1 + |reference|)), rounded up by up to 2**-50 of itself so that it
    does pass. None where no tolerance would do, and for other types than floats."""
    worst: tuple[int, ...] | None = None
    """Index of the first element that is NaN or Inf in one of them only; else of the largest
    difference (the first of several); of types without differences, of the first that differs.
    None where there is none."""
    pair: tuple[float, float] | None = None
    """The two values there, actual and reference, of the component of a complex number that
    differs most; None for strings and raw bits."""
