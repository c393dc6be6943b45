"""`table.json`: one sweep, judged; every page is made from it, and other tools rely on it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from harness.cell import Device, Resolution, Value
from harness.divergence import Divergence, NoiseFloor
from harness.model.model import Format
from harness.observation import SCHEMA, Base, Cuda, Image, Seconds, Stage
from harness.plan.plan import IndexState
from harness.verdict import (
    AgreementClass,
    Arbiter,
    Border,
    Reason,
    Reference,
    Scores,
    TrainingJudgement,
    Verdict,
)

__all__ = [
    "ActualRow",
    "CellRow",
    "DistanceRow",
    "ExcludedRow",
    "LoaderRow",
    "ModelRow",
    "Recommendation",
    "RemedyRow",
    "Table",
]


class ModelRow(Value):
    """The model that was swept."""

    name: str
    digest: str
    """sha256 of the model's files."""
    format: Format
    wrote: str | None = None
    """What the files say wrote them, such as `TensorFlow 2.15.1`."""


class DistanceRow(Value):
    """A distance from the reference: the worst over all outputs (see `Divergence`)."""

    max_abs: float | None
    max_rel: float | None
    max_ulp: int | None
    decisions_changed: int | None


class LoaderRow(Value):
    """What one loader came to in one cell."""

    name: str
    verdict: Verdict
    stage: Stage | None
    reason: Reason | None
    divergence: DistanceRow | None = None
    """None where there was nothing to measure."""
    training: TrainingJudgement | None = None
    """What became of the training state; None where this loader reads none."""


class RemedyRow(Value):
    """A change that was tried on a cell that failed, and what it came to."""

    change: str
    verdict: Verdict


class ActualRow(Value):
    """What really ran. None: not seen, or not there (CUDA in a CPU build)."""

    tensorflow: str | None = None
    python: str | None = None
    numpy: str | None = None
    keras: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    device: str | None = None
    cpu: str | None = None
    distribution: str | None = None
    """The package TensorFlow was installed from."""


class CellRow(Value):
    """One cell: what was asked for, the verdict, what was seen."""

    id: str
    tensorflow: str
    python: str
    device: Device
    resolution: Resolution
    pins: str
    flags: str
    verdict: Verdict
    stage: Stage | None
    """Where it ended; None where it completed."""
    reason: Reason | None
    divergence: Divergence | None
    """Distance from the reference; None where there was nothing to measure."""
    agreement: str | None = None
    """The class of cells it agrees with, by name; None where there is nothing to compare."""
    noise_floor: NoiseFloor | None
    """Distance between inferences in this environment that ought to agree; None where it was not
    measured."""
    accuracy: float | None
    """Share of samples whose argmax equals the label, 0 to 1; None without labels."""
    scores: Scores | None = None
    """How good the outputs are by `labels.npz`; None where it does not fit them."""
    deterministic: bool | None
    """Whether two inferences in this environment gave the same bits; None where not tried."""
    preprocess: Divergence | None = None
    """Distance of what `preprocess.py` made here from what it made in the reference."""
    equal_inputs: Divergence | None = None
    """Distance of the outputs where the model was fed the reference's inputs."""
    training: TrainingJudgement | None = None
    """What became of the training state; it has no part in the verdict."""
    truth_distance: float | None = None
    """Root mean squared error of the outputs against a float64 run of the same graph, in float32
    ULPs at the outputs' scale; None where there is none, or the distance cannot be told."""
    note: str | None
    """What the plan says of the cell."""
    loader: str = ""
    """The call whose outcome is the verdict; empty where nothing ran."""
    loaders: tuple[LoaderRow, ...] = ()
    """Every loader that was used, the first one first; empty where nothing ran."""
    remedies: tuple[RemedyRow, ...] = ()
    actual: ActualRow = ActualRow()
    cuda: Cuda | None = None
    """What there is of CUDA, for a CUDA cell; None where it was not seen."""
    seconds: Seconds = Seconds()
    warnings: tuple[str, ...] = ()
    """What was noticed beside the verdict, by any loader."""
    cached: bool = False
    """True where the observation was taken over from an earlier sweep."""
    observed: datetime | None = None
    """When (UTC); None where nothing ran."""
    lock: str | None = None
    """Digest of the lock. None, as the rest: no environment was made."""
    image: Image | None = None
    """None for the venv engine too."""
    dropped: bool = False
    """Whether the image was removed again, once done with, to make room for others (`--disk`)."""
    base: Base | None = None
    builder: str | None = None


class ExcludedRow(Value):
    """A cell that `exclude` took out."""

    id: str
    reason: str


class Recommendation(Value):
    """What to deploy."""

    cell: str | None
    """None where no cell qualifies."""
    image: str | None
    """By which a registry has the cell's image, else its tag; None where there is no image."""
    why: str


class Table(Value):
    """One sweep of one model, judged."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    model: ModelRow
    engine: Literal["docker", "venv"]
    engine_description: str
    sweep: str
    """Id of the sweep."""
    reference: Reference
    cells: tuple[CellRow, ...]
    recommendation: Recommendation
    classes: tuple[AgreementClass, ...] = ()
    """Which cells agree with each other: the reference's class first, then the largest."""
    borders: tuple[Border, ...] = ()
    """Where outputs change along the axes: those between classes first."""
    index: IndexState
    excluded: tuple[ExcludedRow, ...] = ()
    notes: tuple[str, ...] = ()
    arbiter: Arbiter | None = None
    """The float64 run that tells who is closer to the truth; None where there is none."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
