"""The words and records of judgement: verdicts, divergences, reasons."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from harness.cell import Value
from harness.observation import Stage

__all__ = [
    "AgreementClass",
    "Arbiter",
    "Border",
    "Decided",
    "DecisionKind",
    "Divergence",
    "Flip",
    "Judgement",
    "LoaderJudgement",
    "NoiseFloor",
    "OutputDivergence",
    "OutputTruth",
    "Ranks",
    "Reason",
    "Reference",
    "Scores",
    "TrainingJudgement",
    "TrainingState",
    "TruthDistance",
    "Verdict",
    "WorstElement",
]


class Verdict(StrEnum):
    """Exactly one per cell."""

    IDENTICAL = "identical"
    """Every output equals the reference's bit for bit."""
    EQUIVALENT = "equivalent"
    """Every output is within tolerance of the reference, or within measured noise."""
    DIVERGED = "diverged"
    FAILED = "failed"
    """The model in this environment does not get through `stage`."""
    MISLABELLED = "mislabelled"
    """What ran is not what the cell says."""
    UNAVAILABLE = "unavailable"
    """No such combination was ever published."""
    SKIPPED = "skipped"
    """This machine lacks something the cell needs."""
    UNKNOWN = "unknown"
    """Infrastructure, or a report that cannot be trusted: says nothing about the model."""


class Reason(Value):
    """Why a cell has its verdict."""

    code: str
    """Stable id, such as `protobuf-descriptors`; `unclassified` where no record explains it."""
    message: str
    """One line for a person."""
    evidence: str = ""
    """What was seen, in a few lines: the error's own words, or the numbers."""
    remedy: str = ""
    """What to do about it; empty where nothing is known."""


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


class Reference(Value):
    """What outputs are compared with."""

    cell: str | None
    """None where it is `expected.npz`, or where there is none."""
    why: str


class AgreementClass(Value):
    """Cells whose outputs all agree with each other, pair by pair (see `judge.agreement`)."""

    name: str
    """A letter: `A` is the reference's class, the others go by size."""
    members: tuple[str, ...]
    """Ids of cells in the plan's order, at the end `expected.npz` where that is one of them."""
    identical: tuple[tuple[str, ...], ...]
    """The members again, those together whose outputs are the same bit for bit."""
    spread: float
    """Largest distance of two members as a share of what is allowed: 0 to 1."""
    reference: bool
    """Whether the reference is one of them."""


class Border(Value):
    """Where outputs change along one axis while the others stay as they are."""

    axis: Literal["tensorflow", "python", "device", "resolution", "pins", "flags"]
    kind: Literal["diverged", "bits"]
    """`diverged`: the classes differ; `bits`: the class is one, the bits are not."""
    near: tuple[str, ...]
    """Of TensorFlow and Python, the last version before it; else the settings on one side, among
    them the default where that ran."""
    far: tuple[str, ...]
    """The first version after it; else the settings that are apart from those."""
    between: tuple[str, ...] = ()
    """Versions between the two whose outputs cannot be compared, since they failed, say."""
    within: tuple[str, ...] = ()
    """What the other axes are where it was found, in words; empty where it was found everywhere."""
    text: str
    """All of it in words, without the axis: `from 2.8.4 to 2.10.1`."""


class OutputTruth(Value):
    """Distance of one output from what a float64 run of the same graph gives."""

    max_abs: float
    """Largest absolute error, in units of the output."""
    rms: float
    """Root of the mean squared error, in units of the output."""
    max_ulp: float | None
    """`max_abs` in units in the last place of a float32 as large as the output's largest number;
    None where the output is 0 everywhere."""
    rms_ulp: float | None
    """`rms` in the same units."""


class TruthDistance(Value):
    """Distance of a cell's outputs, or of those in expected.npz, from a float64 run."""

    cell: str | None
    """None: `expected.npz`."""
    max_ulp: float | None = None
    """The largest `max_ulp` of any output; None where the distance cannot be told."""
    rms_ulp: float | None = None
    """Root of the mean squared error over all elements of all outputs, each in ULPs of its own
    output's scale; None where the distance cannot be told."""
    factor: float | None = None
    """How many times as far as the reference this is, below 1 where it is closer; None where the
    difference means nothing (see `harness.judge.arbiter`)."""
    outputs: dict[str, OutputTruth] = Field(default_factory=dict)
    problem: str = ""
    """Why the distance cannot be told; empty where it can."""


class Arbiter(Value):
    """A float64 run of the same graph, which tells who is closer to the truth."""

    cell: str | None
    """Whose float64 run the distances are from; None where it cannot be told who is closer."""
    why: str
    """Why that one, and how far others agree with it; or why nothing can be told."""
    runs: tuple[str, ...] = ()
    """Cells whose float64 runs were compared with each other."""
    agreement: float | None = None
    """The farthest any two of them are known to be apart, as a share of the output's largest
    number; None where there is one only."""
    distances: tuple[TruthDistance, ...] = ()


class Scores(Value):
    """How good a cell's outputs are by `labels.npz`. None: does not apply."""

    top1: float | None = None
    """Share of samples whose largest value is the label, or of values that are on the label's side
    of the threshold."""
    top_k: float | None = None
    """Share of samples whose label is among the `k` largest values."""
    k: int | None = None
    mae: float | None = None
    """Mean absolute error, in units of the output."""
    rmse: float | None = None
    """Root of the mean squared error, in units of the output."""


class TrainingState(StrEnum):
    """What became of a model's training state."""

    KEPT = "kept"
    LOST = "lost"
    """The files hold slot variables, or steps, that the loaded optimizer does not have."""
    CHANGED = "changed"
    """It is there, and a training step does not do what it does in the reference."""
    UNTOLD = "untold"
    """The step could not be made, or there is nothing to compare it with."""


class TrainingJudgement(Value):
    """The training state of one cell, apart from inference."""

    state: TrainingState
    message: str
    """One line: the numbers it rests on."""


class LoaderJudgement(Value):
    """What one loader came to in one cell."""

    name: str
    verdict: Verdict
    stage: Stage | None = None
    reason: Reason | None = None
    divergence: Divergence | None = None
    training: TrainingJudgement | None = None


class Judgement(Value):
    """The verdict of one cell with what it rests on. `harness.explain` gives failures a reason."""

    cell: str
    verdict: Verdict
    stage: Stage | None = None
    reason: Reason | None = None
    divergence: Divergence | None = None
    noise_floor: NoiseFloor | None = None
    accuracy: float | None = None
    """Share of samples whose argmax equals the label; None without labels."""
    scores: Scores | None = None
    deterministic: bool | None = None
    loaders: tuple[LoaderJudgement, ...] = ()
    """Every loader that was used, the first one first."""
    preprocess: Divergence | None = None
    """Distance of what `preprocess.py` returned from the reference's; None where there is none."""
    equal_inputs: Divergence | None = None
    """Distance of the model's outputs on the reference's preprocessed inputs: what of the
    divergence is the model's own."""
    training: TrainingJudgement | None = None
    """None where no loader read a training state."""
