"""What one probe run saw: saved facts, never judgements.

`report.json` is written by the probe inside the environment and is hostile input; an `Observation`
is what the harness keeps of it, with what the harness itself saw of the environment and the run.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from harness.cell import Value

__all__ = [
    "FLOAT64",
    "NOISE_LEVELS",
    "SCHEMA",
    "Actual",
    "Base",
    "Cuda",
    "Ending",
    "EnvironmentFacts",
    "Failure",
    "Image",
    "InputFacts",
    "Library",
    "NoiseLevel",
    "Observation",
    "ProbeReport",
    "Restored",
    "Seconds",
    "Stage",
    "TensorFacts",
    "Training",
    "Variation",
]

SCHEMA: Literal[1] = 1
"""Version of every JSON file the harness writes."""

FLOAT64 = "float64"
"""Name of the variation in which the same graph computes in float64: no noise, but an arbiter."""

NoiseLevel = Literal["off", "quick", "full"]
"""How much is done in each environment to measure its noise floor: the inference is repeated; it is
varied two or three times beside that; or more often, some of them with other thread counts."""
NOISE_LEVELS: tuple[NoiseLevel, ...] = ("off", "quick", "full")


class Stage(StrEnum):
    """Where a run is, or ended. The first three are the harness's, the others the probe's."""

    RESOLVE = "resolve"
    BUILD = "build"
    START = "start"
    IMPORT = "import"
    PREPROCESS = "preprocess"
    """The model's own `preprocess.py`."""
    LOAD = "load"
    PREPARE = "prepare"
    INFER = "infer"
    COLLECT = "collect"


class Ending(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    EXCEPTION = "exception"
    """The environment, the model or TensorFlow raised an error, or could not be made."""
    SIGNAL = "signal"
    """The process was killed by a signal it caused (segmentation fault, abort, SIGILL)."""
    EXIT = "exit"
    """The process left early by itself, without a report of completion."""
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    OUTPUT_LIMIT = "output-limit"
    """It wrote more than `limits.output`."""
    INVALID = "invalid"
    """What came back breaks the report's schema or its own description of the arrays."""
    SKIPPED = "skipped"
    """Not run because this machine lacks something the cell needs (a GPU, say)."""
    INFRASTRUCTURE = "infrastructure"
    """Network, disk, daemon or registry: says nothing about the model."""


# Limits on what a hostile report may hold. Error texts reach 9 kB in practice and their end
# matters most, so the probe shortens them in the middle.
_Name = Annotated[str, StringConstraints(max_length=1_000)]
_Text = Annotated[str, StringConstraints(max_length=64_000)]
_Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Count = Annotated[int, Field(ge=0, lt=2**63)]
_Duration = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class _Report(BaseModel):
    """Base of what the probe wrote: unknown fields are ignored, types are not coerced."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Failure(_Report):
    """The error a stage ended with."""

    type: _Name
    """Class of the exception, such as `TypeError`; empty where no exception was seen."""
    message: _Text
    traceback: _Text = ""


class TensorFacts(_Report):
    """One input or output as the probe saw it."""

    name: _Name
    dtype: _Name
    """TensorFlow's name of the type: `float32`, `bfloat16`, `string`."""
    shape: Annotated[list[_Whole | None], Field(max_length=32)] | None
    """None for an unknown rank; None inside for an unknown dimension."""


class Library(_Report):
    """A shared library that TensorFlow loads to use a GPU."""

    name: _Name
    """What it is opened as, such as `libcudnn.so.8`."""
    needed: bool = True
    """Whether TensorFlow opens it; else it is there instead of one that it does open."""
    path: _Name | None = None
    """The file that was opened; None where it could not be."""
    outside: bool = False
    """Whether that file is no part of the Python installation or the venv that ran."""
    version: _Name | None = None
    """Its version as it says itself, such as `8.9.4`; None where it has no function for that."""
    error: _Text | None = None
    """What the dynamic linker said where it could not be opened, or what else went wrong."""


class Cuda(_Report):
    """What there is of CUDA for TensorFlow to use."""

    wanted: _Name | None = None
    """CUDA version it was compiled against, such as `12.2`."""
    wanted_cudnn: _Name | None = None
    """cuDNN version it was compiled against, as exactly as it tells: `8`, or `8.9.4`."""
    wanted_cudnn_by: _Name | None = None
    """The requirement of TensorFlow's own package that tells it so exactly, such as
    `nvidia-cudnn-cu12==8.9.4.25`; None: it is what TensorFlow's build info says."""
    libraries: Annotated[list[Library], Field(max_length=100)] = Field(default_factory=list)
    driver: _Name | None = None
    """CUDA version that the driver supports, such as `12.4`; None: there is no driver."""
    own_check: bool | None = None
    """Whether TensorFlow's own check finds all libraries it opens; None: it could not be asked."""
    gpus: Annotated[list[_Name], Field(max_length=100)] = Field(default_factory=list)
    """Names of the GPUs that TensorFlow sees."""
    tf32: bool | None = None
    """Whether float32 products may be computed in TensorFloat-32; None: cannot be asked."""


class Actual(_Report):
    """The versions and devices that really ran. None: could not be learnt."""

    tensorflow: _Name | None = None
    python: _Name | None = None
    numpy: _Name | None = None
    keras: _Name | None = None
    h5py: _Name | None = None
    protobuf: _Name | None = None
    cuda: _Name | None = None
    """What TensorFlow was compiled against; None for a CPU build."""
    cudnn: _Name | None = None
    device: _Name | None = None
    """Device the outputs were computed on: `CPU`, or `GPU` with its name."""
    cpu: _Name | None = None
    """Processor model name and the widest instruction set it offers."""
    machine: _Name | None = None
    libc: _Name | None = None
    intra_op_threads: _Count | None = None
    inter_op_threads: _Count | None = None
    git_version: _Name | None = None
    build_info: Annotated[dict[_Name, _Text], Field(max_length=100)] = Field(default_factory=dict)


class Restored(_Report):
    """What became of a model's variables when weights were put into it."""

    expected: _Count
    """Variables the model has."""
    restored: _Count
    """Those that took a value from the file."""
    unrestored: Annotated[list[_Name], Field(max_length=1_000)] = Field(default_factory=list)
    """Names of those that did not; the first thousand."""
    unused: Annotated[list[_Name], Field(max_length=1_000)] = Field(default_factory=list)
    """Names in the file that no variable took; the first thousand."""


class Training(_Report):
    """The training state a model brought with it, apart from inference."""

    optimizer: _Name | None = None
    """Class of the optimizer that was loaded; None: the model came without one."""
    iterations: _Count | None = None
    """Steps the optimizer says it has made."""
    slots_expected: _Count | None = None
    """Slot variables that the files hold; None where they do not say."""
    slots_found: _Count | None = None
    """Slot variables of the optimizer that hold what the files hold, or, where the files do not
    say, that are there."""
    loss_before: float | None = None
    """Loss on the inputs and fixed targets, in training mode."""
    loss_after: float | None = None
    """The same after one step of the optimizer."""
    problem: _Text | None = None
    """Why the step could not be made, where it could not."""


class Variation(_Report):
    """The inference once more, varied as its outputs ought not to notice; see `probe.py`."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    """What was varied: `ulp-1`, `batch-split`, `threads-n`; also the name of its file."""
    same: bool | None = None
    """Whether it gave the bits of `outputs`; None where it was not done, or failed."""
    kept: bool = False
    """Whether what it gave is in a file, with the names, types, shapes and order of `outputs` (of
    `float64` in the widest types)."""
    problem: _Text | None = None
    """Why it was not done, or why it cannot be compared."""
    seconds: _Duration | None = None


class Seconds(_Report):
    """Wall-clock seconds. None: the stage was not reached."""

    build: _Duration | None = None
    import_: _Duration | None = Field(default=None, alias="import")
    load: _Duration | None = None
    infer: _Duration | None = None
    preprocess: _Duration | None = None

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class ProbeReport(_Report):
    """`report.json`, rewritten by the probe after every stage."""

    schema_: Literal[1] = Field(alias="schema")
    stage: Stage
    """The stage the probe is in, or ended in."""
    completed: bool
    """True once `outputs.npz` is whole; variations and training are looked at after that."""
    failure: Failure | None = None
    loader: _Name
    actual: Actual = Actual()
    packages: Annotated[dict[_Name, _Name], Field(max_length=2_000)] = Field(default_factory=dict)
    """Installed distributions, by normalised name (PEP 503)."""
    signature: _Name | None = None
    """Signature key that was called, where the format has signatures."""
    inputs: Annotated[list[TensorFacts], Field(max_length=1_000)] = Field(default_factory=list)
    """What was fed."""
    inputs_digest: _Name | None = None
    """sha256 over dtypes, shapes and bytes of what was fed, and names where there are several."""
    inputs_generated: bool = False
    preprocessed: Annotated[list[TensorFacts], Field(max_length=1_000)] | None = None
    """What `preprocess.py` returned, before it was fitted to the model; the arrays are in
    `preprocessed.npz`, by name as in `inputs.npz`. None where it did not run."""
    outputs: Annotated[list[TensorFacts], Field(max_length=1_000)] = Field(default_factory=list)
    """In the order of the arrays `output_0`, `output_1`, ... of `outputs.npz`."""
    deterministic: bool | None = None
    """Whether a second inference in the same process gave the same bits. Where it did not, its
    outputs are in `repeat.npz`, with the names, types and order of `outputs`."""
    variations: Annotated[list[Variation], Field(max_length=100)] = Field(default_factory=list)
    """The arrays of those that are kept are in `variation-<name>.npz`."""
    restored: Restored | None = None
    training: Training | None = None
    cuda: Cuda | None = None
    """Of a CUDA cell."""
    seconds: Seconds = Seconds()
    peak_memory_bytes: _Count | None = None
    warnings: Annotated[list[_Text], Field(max_length=100)] = Field(default_factory=list)

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class Base(Value):
    """What an environment stands on."""

    kind: Literal["registry", "local-image", "host-slice", "debian", "interpreter"]
    """A registry's image; an image already on the machine; a base made from an interpreter of
    this machine; one made of a Debian suite's packages; for venvs, the interpreter itself."""
    reference: str
    """Image reference, or the interpreter's version and source."""
    digest: str | None = None
    """Digest of the image, or of what the base was made from."""
    cuda: str | None = None
    """Image that CUDA and cuDNN were taken from, by digest; None: there are none, or packages of
    the lock bring them."""
    note: str | None = None
    """What a reader should know, such as that the registry no longer has what was pinned."""


class Image(Value):
    """The Docker image of an environment."""

    tag: str
    digest: str
    """Content digest of the image (its id)."""
    size_bytes: int | None = None
    """What it takes on disk, what it shares with others included."""
    base_bytes: int | None = None
    """Of that, what its base takes, which images on one base share; None where it is not known."""
    pushed: str | None = None
    """Reference by which a registry has it, by digest (with Podman, which does not tell it, by
    tag)."""


class EnvironmentFacts(Value):
    """What the harness knows about the environment it made."""

    lock_digest: str
    """sha256 of the lock's packages, versions and hashes."""
    distribution: str
    """The package TensorFlow came from, such as `tensorflow-cpu`."""
    base: Base
    image: Image | None = None
    """None where the environment is no image: a venv, or mounted."""
    builder: str
    """`buildkit`, `classic`, `pulled` (made elsewhere), `mounted` (into a container of its base:
    no image) or `venv`."""
    installer: str
    """Such as `uv 0.9.8`."""


class InputFacts(Value):
    """Where the inputs came from."""

    source: Literal["inputs.npz", "generated", "preprocess.py", "reference"]
    """`reference`: what `preprocess.py` made in the reference's environment."""
    digest: str | None = None
    tensors: tuple[TensorFacts, ...] = ()


class Observation(Value):
    """Everything that was seen of one model, read by one loader in one cell."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    cell: str
    """Id of the cell."""
    key: str
    """Content key: two runs with one key ran the same things; see `harness.sweep.key`."""
    engine: Literal["docker", "venv"]
    loader: str
    ending: Ending
    stage: Stage | None
    """Where it ended; None where it completed."""
    failure: Failure | None = None
    exit_status: int | None = None
    signal: str | None = None
    """Such as `SIGSEGV`."""
    environment: EnvironmentFacts | None = None
    """None where it was not made."""
    actual: Actual = Actual()
    packages: dict[str, str] = Field(default_factory=dict)
    locked: dict[str, str] = Field(default_factory=dict)
    """What the lock says should be there: package to version."""
    signature: str | None = None
    inputs: InputFacts | None = None
    preprocessed: tuple[TensorFacts, ...] | None = None
    outputs: tuple[TensorFacts, ...] = ()
    deterministic: bool | None = None
    variations: tuple[Variation, ...] = ()
    """Empty where none were asked for, as before there were any."""
    restored: Restored | None = None
    training: Training | None = None
    cuda: Cuda | None = None
    seconds: Seconds = Seconds()
    peak_memory_bytes: int | None = None
    warnings: tuple[str, ...] = ()
    observed: datetime
    """When (UTC)."""
    cached: bool = False
    """True where it was taken over from an earlier sweep."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
