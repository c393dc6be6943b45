"""What is known of a model from its files alone."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from harness.cell import Value

__all__ = ["Format", "Model", "Signature", "TensorSpec", "Tolerance", "Writer"]


class Format(StrEnum):
    """How a model is stored; told by content, never by suffix."""

    SAVED_MODEL = "saved_model"
    KERAS = "keras"
    """The zip archive of Keras v3 saving (`.keras`)."""
    HDF5 = "hdf5"
    """A whole Keras model in HDF5."""


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


class Model(Value):
    """A model directory (or file), read without TensorFlow and without running anything."""

    name: str
    """The results folder's name: the directory's or file's name, made safe."""
    path: Path
    """The SavedModel's directory, or the model file."""
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
    inputs: Path | None = None
    """`inputs.npz` where the user gave one; checked against the signature."""
    expected: Path | None = None
    labels: Path | None = None
    seed: int = 0
    batch_size: int = 8
    """What an unknown first dimension becomes in generated inputs."""
    dimensions: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Full shapes of generated inputs, by input name."""
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """[low, high) of generated inputs, by input name."""
    tolerances: dict[str, Tolerance] = Field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    """Further packages the model needs in every environment (PEP 508)."""
    notes: tuple[str, ...] = ()
    """What was decided and should be said, such as which of several versions was taken."""
