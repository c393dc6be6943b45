"""The words and records of judgement: verdicts, reasons, who agrees with whom."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from harness.cell import Value
from harness.divergence import Divergence, NoiseFloor
from harness.observation import Stage

__all__ = [
    "AgreementClass",
    "Arbiter",
    "Border",
    "Judgement",
    "LoaderJudgement",
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
