"""What a reader of one format found in a model's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.model import Signature, Writer

__all__ = ["Inspected", "Wiring"]


@dataclass(frozen=True, slots=True)
class Wiring:
    """Which tensors of a graph the names of a signature stand for."""

    feeds: Mapping[str, str]
    """Input name to tensor, such as `image` to `x:0`."""
    fetches: Mapping[str, str]
    """Output name to tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """Facts of a model, read without running anything."""

    writer: Writer
    signatures: tuple[Signature, ...] = ()
    """Empty where the files do not tell."""
    notes: tuple[str, ...] = ()
    keras: bool = False
    """Of a SavedModel: Keras wrote it."""
    tags: tuple[str, ...] | None = None
    """Of a SavedModel: those of its graph, where they are not only `serve`."""
    name_based: bool = False
    """Of a checkpoint: it knows variables by name."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """[low, high) of the inputs whose values only make sense there, such as indices of words."""
    wiring: Mapping[str, Wiring] = field(default_factory=dict)
    """Of a bare graph: by signature, the tensors that are fed and fetched."""
    producer: int | None = None
    """Of a graph: the GraphDef version it was written with (tensorflow/core/public/version.h);
    0 where that was not recorded."""
