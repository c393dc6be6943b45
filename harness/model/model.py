"""What is known of a model from its files alone."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from harness.cell import Value

__all__ = [
    "Code",
    "Format",
    "Model",
    "Signature",
    "Task",
    "TaskKind",
    "TensorSpec",
    "Tolerance",
    "Writer",
]


class Format(StrEnum):
    """How a model is stored; told by content, never by suffix."""

    SAVED_MODEL = "saved_model"
    KERAS = "keras"
    """The zip archive of Keras v3 saving (`.keras`)."""
    HDF5 = "hdf5"
    """A whole Keras model in HDF5."""
    HDF5_WEIGHTS = "hdf5_weights"
    """The weights of a Keras model in HDF5 (`.h5` or `.weights.h5`); `build.py` makes the model."""
    CHECKPOINT = "checkpoint"
    """A TensorFlow checkpoint without a graph, object-based (`tf.train.Checkpoint`, Keras) or
    name-based (`tf.compat.v1.train.Saver`); `build.py` makes the model."""
    META_GRAPH = "meta_graph"
    """A checkpoint of TensorFlow 1 with its graph beside it (`.meta`)."""
    GRAPH_DEF = "graph_def"
    """A frozen graph (`.pb`)."""
    TFLITE = "tflite"
    """A TensorFlow Lite model."""


class TensorSpec(Value):
    """A declared input or output."""

    name: str
    dtype: str
    """TensorFlow's name of the type: `float32`."""
    shape: tuple[int | None, ...] | None
    """None for an unknown rank; None inside for an unknown dimension."""


class Signature(Value):
    """One callable entry of a model, inputs and outputs sorted by name."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...] = ()


class Writer(Value):
    """Which versions the model's files say wrote it. None: they do not say."""

    tensorflow: str | None = None
    keras: str | None = None


class Tolerance(Value):
    """Overrides of the tolerances, for one output or (under the name `*`) all."""

    atol: float | None = Field(default=None, ge=0)
    rtol: float | None = Field(default=None, ge=0)


class TaskKind(StrEnum):
    """What an output is for, and so what it decides."""

    AUTO = "auto"
    """Found from the outputs (`harness.judge.tasks`)."""
    CLASSIFICATION = "classification"
    """Of each row the class with the largest value; of one value for each sample its side of a
    threshold."""
    MULTILABEL = "multilabel"
    """Of each value its side of a threshold."""
    REGRESSION = "regression"
    """Numbers: nothing is decided."""
    EMBEDDING = "embedding"
    """Of each sample which other sample of the batch is nearest, by cosine."""

    @property
    def divides(self) -> bool:
        """Whether a threshold may divide the values of such an output."""
        return self not in (TaskKind.REGRESSION, TaskKind.EMBEDDING)


class Task(Value):
    """What the user says one output, or (under the name `*`) all others, is for."""

    kind: TaskKind = TaskKind.AUTO
    threshold: float | None = None
    """In units of the output; None: found from the outputs."""


class Code(Value):
    """A user's code beside the model; it only ever runs inside an environment."""

    build: Path | None = None
    """`build.py`: `build_model()` returns the model that weights are restored into."""
    custom_objects: Path | None = None
    """`custom_objects.py`: the classes and functions in it, by their names."""
    preprocess: Path | None = None
    """`preprocess.py`: `preprocess(raw)` returns the inputs."""


class Model(Value):
    """A model directory (or file), read without TensorFlow and without running anything."""

    name: str
    """The results folder's name: the directory's or file's name, made safe."""
    path: Path
    """The SavedModel's directory, the folder of a checkpoint, or the model file."""
    prefix: str = ""
    """What the names of a checkpoint's files begin with (`model.ckpt-10`), else empty."""
    root: Path
    """The directory the user gave (or the file's): where `inputs.npz` and the others lie."""
    format: Format
    digest: str
    """sha256 over the relative names and contents of the model's files (not the inputs')."""
    writer: Writer
    signatures: tuple[Signature, ...] = ()
    """Empty where the files do not tell."""
    signature: str | None = None
    """The signature key to call, where the format has them."""
    tags: tuple[str, ...] | None = None
    """Tags of the graph to load, where a SavedModel has several; None: those for serving."""
    feeds: dict[str, str] = Field(default_factory=dict)
    """Of a bare graph: input name to tensor (`image` to `x:0`), found in it or told."""
    fetches: dict[str, str] = Field(default_factory=dict)
    """Of a bare graph: output name to tensor."""
    keras: bool = False
    """Of a SavedModel: Keras wrote it, so Keras may read it."""
    name_based: bool = False
    """Of a checkpoint: it knows variables by name, and has no graph of the objects they are in."""
    loaders: tuple[str, ...] = ()
    """The loaders to use, the first one first; empty: all that fit (`harness.model.loaders`)."""
    code: Code = Code()
    raw: Path | None = None
    """`raw.npz`: what `preprocess.py` makes the inputs of; only where that is there."""
    inputs: Path | None = None
    """`inputs.npz` where the user gave one; checked against the signature. Beside `raw.npz` it is
    what `preprocess.py` returned where the model was made."""
    expected: Path | None = None
    labels: Path | None = None
    captured: Path | None = None
    """`captured.json`: the environment the model was made in."""
    seed: int = 0
    batch_size: int = 8
    """What an unknown first dimension becomes in generated inputs."""
    dimensions: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Full shapes of generated inputs, by input name."""
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """[low, high) of generated inputs, by input name."""
    tolerances: dict[str, Tolerance] = Field(default_factory=dict)
    tasks: dict[str, Task] = Field(default_factory=dict)
    """By output; `*` stands for all others, which without it are found from the outputs."""
    requirements: tuple[str, ...] = ()
    """Further packages the model needs in every environment (PEP 508)."""
    notes: tuple[str, ...] = ()
    """What was decided and should be said, such as which of several versions was taken."""

    @property
    def preprocesses(self) -> bool:
        """Whether its inputs are made by `preprocess.py`, in every environment anew."""
        return self.raw is not None and self.code.preprocess is not None
