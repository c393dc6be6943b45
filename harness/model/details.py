"""What a model's files tell beyond what running it needs: the records of `harness inspect`."""

from __future__ import annotations

from enum import StrEnum

from harness.cell import Value

__all__ = [
    "CustomObject",
    "CustomOp",
    "Details",
    "Effect",
    "Fact",
    "FileEntry",
    "Kind",
    "Lambda",
    "Named",
    "Operation",
    "Quantisation",
    "RandomOp",
    "Reach",
    "Training",
    "Variables",
]


class Fact(Value):
    """Something a file says of itself: `GraphDef producer`, `1395`."""

    key: str
    value: str


class FileEntry(Value):
    """A file of the model, by its name relative to it."""

    name: str
    bytes: int


class Operation(Value):
    """An operation of the graph, and how often it stands there, functions included."""

    name: str
    count: int
    version: int | None = None
    """Of a TensorFlow Lite operator: the highest version that is asked for."""


class CustomOp(Value):
    """An operation that TensorFlow does not have by itself."""

    name: str
    count: int
    why: str
    """How that is known, and what has it where that is known."""


class Reach(StrEnum):
    """What of the world outside the model an operation can touch."""

    FILES = "files"
    NETWORK = "network"
    PROGRAM = "program"
    """Code that is not in the model: Python functions, native libraries."""


class Effect(Value):
    """An operation that can touch more than the tensors it is given."""

    name: str
    count: int
    reach: tuple[Reach, ...]
    what: str
    """What it can do."""
    targets: tuple[str, ...] = ()
    """The first files or addresses the graph names for it, where it names them."""
    saver: int = 0
    """How many of them save and restore the model's own variables."""


class RandomOp(Value):
    """An operation that draws random numbers."""

    name: str
    count: int
    used: int | None = None
    """How many the outputs depend on; the others mostly make initial values, or belong to
    training. None: not known."""


class Kind(StrEnum):
    """What an object of a Keras config is there for."""

    MODEL = "model"
    LAYER = "layer"
    LOSS = "loss"
    METRIC = "metric"
    OPTIMIZER = "optimizer"
    OTHER = "object"
    """An initializer, a regularizer, an activation function and so on."""


class CustomObject(Value):
    """A class or function that a Keras config names and Keras does not have by itself."""

    name: str
    """As the config has it: `Package>Class` where it was registered."""
    kind: Kind
    module: str | None = None
    """The Python module it was defined in, where the config says so."""
    where: tuple[str, ...]
    """Names of the first layers that need it; empty for what the model was compiled with."""
    why: str


class Lambda(Value):
    """A Lambda layer: Python that is not in the config by name."""

    layer: str
    bytecode: bool
    """Its function is bytecode, which only the Python version that wrote it is sure to run."""
    what: str


class Named(Value):
    """How often something of a name is there."""

    name: str
    count: int


class Training(Value):
    """What the files keep of the training."""

    optimizer: str | None = None
    """The optimizer's class."""
    loss: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    variables: int | None = None
    """Variables that are the optimizer's: slots of the model's variables, steps, rates. None:
    the files do not say."""
    where: str
    """Where in the files that is said."""


class Variables(Value):
    """The values a model brings with it."""

    count: int
    parameters: int
    """Elements of them all."""
    bytes: int


class Quantisation(Value):
    """How the integers of an input or output stand for real numbers: scale * (q - zero point)."""

    tensor: str
    scales: tuple[float, ...]
    """One, or one for each slice along `axis`; the first few."""
    zero_points: tuple[int, ...]
    axis: int | None = None
    """None where there is one scale."""


class Details(Value):
    """Everything that was found, by format; empty or None where the format has no such thing."""

    written: tuple[Fact, ...] = ()
    """What the files say of who wrote them, in their order of interest."""
    tags: tuple[tuple[str, ...], ...] = ()
    """Those of every graph of a SavedModel."""
    operations: tuple[Operation, ...] = ()
    """The most frequent first."""
    functions: int = 0
    """Functions of the graph's library, or subgraphs beyond the first."""
    custom_ops: tuple[CustomOp, ...] = ()
    effects: tuple[Effect, ...] = ()
    random_ops: tuple[RandomOp, ...] = ()
    model_class: str | None = None
    """Class of a Keras model: `Functional`, or a class of the user's."""
    layers: tuple[Named, ...] = ()
    """Classes of a Keras model's layers, in the order they come first."""
    custom_objects: tuple[CustomObject, ...] = ()
    lambdas: tuple[Lambda, ...] = ()
    training: Training | None = None
    variables: Variables | None = None
    """Those in a checkpoint or in HDF5."""
    constants: Variables | None = None
    """Those that are parts of the graph; `bytes` as they are stored."""
    quantisations: tuple[Quantisation, ...] = ()
    assets: tuple[FileEntry, ...] = ()
    notes: tuple[str, ...] = ()
