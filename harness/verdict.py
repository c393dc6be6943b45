"""The words and records of judgement: verdicts, divergences, reasons."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from harness.cell import Value
from harness.observation import Stage

__all__ = [
    "Arbiter",
    "Divergence",
    "Judgement",
    "LoaderJudgement",
    "NoiseFloor",
    "OutputDivergence",
    "OutputTruth",
    "Reason",
    "Reference",
    "Scores",
    "TrainingJudgement",
    "TrainingState",
    "TruthDistance",
    "Verdict",
]


class Verdict(StrEnum):
    """Exactly one per cell."""

    IDENTICAL = "identical"
    """Every output equals the reference's bit for bit."""
    EQUIVALENT = "equivalent"
    """Every output is within tolerance of the reference."""
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
    decisions: int | None = None
    """Number of samples whose argmax over the last axis (or, where `labels.npz` is 0 and 1, whose
    side of 0.5) can be asked for; None where it cannot."""
    decisions_changed: int | None = None
    mismatched: int = 0
    """Elements that are not within tolerance."""
    total: int = 0
    atol: float | None = None
    rtol: float | None = None


class Divergence(Value):
    """Distance of a cell from the reference: the worst over its outputs, and each output."""

    max_abs: float | None = None
    max_rel: float | None = None
    max_ulp: int | None = None
    decisions_changed: int | None = None
    outputs: dict[str, OutputDivergence] = Field(default_factory=dict)


class NoiseFloor(Value):
    """Distance seen between runs that ought to agree."""

    max_abs: float
    max_ulp: int | None


class Reference(Value):
    """What outputs are compared with."""

    cell: str | None
    """None where it is `expected.npz`, or where there is none."""
    why: str


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
    """Share of samples whose largest value (of one sigmoid value: its side of 0.5) is the label."""
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
