"""Measured distances: of outputs and decisions from the reference, of runs that ought to agree."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from harness.cell import Value

__all__ = [
    "Decided",
    "DecisionKind",
    "Divergence",
    "Flip",
    "NoiseFloor",
    "OutputDivergence",
    "Ranks",
    "WorstElement",
]


class DecisionKind(StrEnum):
    """What the values of one output decide."""

    CLASS = "class"
    """Each row of the last axis one class: its argmax."""
    SIDE = "side"
    """Each value one answer: whether it is above a threshold."""
    NEIGHBOUR = "neighbour"
    """Each sample which other sample is nearest, by cosine."""
    NONE = "none"
    """Nothing: they are numbers."""


class Flip(Value):
    """A decision that is another than in the reference."""

    index: tuple[int, ...]
    """Where in the output it is: of a class without the last axis, of a neighbour the sample."""
    sample: int | None
    """The index on the first axis; None where the output has none."""
    was: int
    """The reference's class, side (0 or 1) or nearest sample."""
    became: int
    margin: float
    """How far the reference was from deciding the same: its value of the class it chose less that
    of the class that was chosen here, the distance of its value from the threshold, or the like
    difference of two cosines. On the output's own scale."""
    moved: float
    """By how much what `margin` measures changed; never less than it."""
    allowed: float
    """By how much it may change through differences that count as equal."""
    near_tie: bool
    """Whether `margin` is no more than `allowed`; else it was a clear call."""


class Ranks(Value):
    """Spearman's rank correlation of an output with the reference (see `judge.ranks`)."""

    over: Literal["classes", "samples"]
    """What is put in order: the values of each row, or of each column over the samples."""
    mean: float
    least: float
    at: int
    """The row or column that has `least`."""
    count: int
    """Rows or columns that were looked at, from the first on."""
    length: int
    """Values in each that were put in order, from the first on."""


class Decided(Value):
    """What one output decides, and which decisions are others than the reference's."""

    kind: DecisionKind
    detected: bool
    """Whether the reference's values told it; else `model.yaml` did."""
    why: str
    """What told it, such as `its rows sum to 1`."""
    threshold: float | None = None
    """Of a side, in units of the output."""
    near_ties: int = 0
    """Changed decisions that differences which count as equal can change."""
    clear: int = 0
    """The other changed decisions."""
    flips: tuple[Flip, ...] = ()
    """The gravest changed decisions: clear calls first, then those of the largest margins."""
    k: int | None = None
    """None where there are no more classes than this."""
    top_k_changed: int | None = None
    """Rows of which other classes are among the `k` largest values."""
    top_k_of: int | None = None
    """Rows that were looked at for it, from the first on."""
    ranks: Ranks | None = None
    """None where there is nothing to put in order."""


class WorstElement(Value):
    """The element of an output that tells most."""

    index: tuple[int, ...]
    """Empty for a scalar."""
    sample: int | None
    """Index along the first axis; None for a scalar."""
    actual: float | None
    """The value there. None: it is NaN or Inf, or no number."""
    reference: float | None


class OutputDivergence(Value):
    """Measured distance of one output from the reference's output of the same name."""

    status: Literal[
        "identical", "equivalent", "diverged", "missing", "extra", "shape", "dtype", "nonfinite"
    ]
    """The last five are divergences that have no distance: the output is not there, is not in
    the reference, has another shape or dtype, or has NaN or Inf elsewhere than the reference."""
    message: str = ""
    """One line where `status` alone does not say it."""
    dtype: str | None = None
    shape: tuple[int, ...] | None = None
    max_abs: float | None = None
    """Largest absolute difference, in units of the output."""
    max_rel: float | None = None
    """`max_abs / max|reference|`: relative to the output's own scale (see `judge.metrics`)."""
    max_ulp: int | None = None
    """Largest distance in units in the last place of the output's dtype; None for non-floats."""
    mean_abs: float | None = None
    """Mean absolute difference; as what follows, over the elements that are finite in both."""
    p99_abs: float | None = None
    """99th percentile of absolute differences, of large outputs up to 2**-7 of itself too large."""
    cosine: float | None = None
    """Of the angle between the two, as vectors; None where one is all zero, and for non-floats."""
    snr_db: float | None = None
    """`10 * log10(sum(reference**2) / sum(difference**2))`, in decibels; None where it is infinite
    (nothing differs, or the reference is all zero), and for non-floats."""
    tolerance_needed: float | None = None
    """Smallest number that would pass as atol and rtol at once; None where none would, and for
    non-floats."""
    worst: WorstElement | None = None
    """Where the largest difference is, or the first NaN or Inf that the other has not, or of what
    is only equal or not the first element that differs. None where no element differs."""
    decisions: int | None = None
    """Number of decisions the output holds (see `decided`); None where it holds none."""
    decisions_changed: int | None = None
    decided: Decided | None = None
    """What it decides; None where that was not looked for, or it has another type than floats."""
    mismatched: int = 0
    """Elements that are not within tolerance."""
    total: int = 0
    atol: float | None = None
    rtol: float | None = None
    within: Literal["tolerance", "noise"] | None = None
    """What makes it equivalent: it is within tolerance, or, beyond that, within measured noise.
    None for every other status."""
    noise_abs: float | None = None
    """What it may differ by for the noise that was measured, in units of the output; None where
    none was, or where its type has no distance."""


class Divergence(Value):
    """Distance of a cell from the reference: the worst over its outputs, and each output."""

    max_abs: float | None = None
    max_rel: float | None = None
    max_ulp: int | None = None
    decisions_changed: int | None = None
    outputs: dict[str, OutputDivergence] = Field(default_factory=dict)


class NoiseFloor(Value):
    """Distance seen between runs that ought to agree: the worst over all outputs and variations."""

    max_abs: float
    max_ulp: int | None
    by: dict[str, float] = Field(default_factory=dict)
    """Largest absolute difference by what was varied: `repeat` (nothing), `ulp-1`, `batch-split`,
    ... Those that were not done, or not kept, are not there."""
    not_counted: tuple[str, ...] = ()
    """Those that are no noise: outputs move so far with the batch that they depend on what else is
    in it. `max_abs` and `max_ulp` are without them."""
