"""Everything `harness inspect` shows of a model: read without TensorFlow, and nothing run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, assert_never

from pydantic import ConfigDict, Field

from harness.cell import Value
from harness.errors import ModelError, Problem
from harness.model.contents import model_files
from harness.model.details import Details, FileEntry, Kind
from harness.model.graph_details import (
    checkpoint_details,
    graph_def_details,
    meta_graph_details,
    saved_model_details,
)
from harness.model.keras_details import hdf5_details, keras_zip_details
from harness.model.loaders import loaders
from harness.model.model import Format, Model, Signature, Writer
from harness.model.reading import read_model
from harness.model.tflite_details import tflite_details
from harness.model.why import why_this_format
from harness.untrusted import os_reason

__all__ = ["SCHEMA", "BesideFile", "Inspection", "inspect_model"]

SCHEMA: Literal[1] = 1

_ERAS = {
    "1.15": ("1.15.5", ()),
    "2.4": ("2.4.4", ()),
    "2.5": ("2.5.3", ()),
    "2.15": ("2.15.1", ()),
    "2.16": ("2.16.2", ()),
    "2.16 with tf-keras": ("2.16.2", ("tf-keras",)),
}
"""Releases between which loaders change; the last stands for all newer ones."""

_BESIDE = {
    "inputs.npz": "what the model is fed",
    "expected.npz": "what its outputs should be",
    "labels.npz": "the right answers, for accuracy",
    "raw.npz": "what preprocess.py takes",
    "preprocess.py": "makes inputs of raw.npz",
    "build.py": "makes the model that weights are put into",
    "custom_objects.py": "classes and functions the model names",
    "captured.json": "the environment the model was made in",
}
"""What may lie beside a model, and what it is for."""
_ONLY_WEIGHTS = (Format.HDF5_WEIGHTS, Format.CHECKPOINT)
_BY_CONFIG = (Format.KERAS, Format.HDF5)
"""Formats whose classes Keras has to find by name."""
_COMPILED = (Kind.LOSS, Kind.METRIC, Kind.OPTIMIZER)
"""What a model is loaded without, where it cannot be loaded with it."""


class BesideFile(Value):
    """A file that may lie beside a model."""

    name: str
    path: Path | None
    """None: it is not there."""
    purpose: str
    needed: bool = False
    """It is not there, and without it the model cannot be loaded."""


class Inspection(Details):
    """What is known of a model from its files alone."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    name: str
    path: Path
    """The SavedModel's directory, the folder of a checkpoint, or the model file."""
    prefix: str
    format: Format
    why: str
    """Why it was told to be of this format."""
    digest: str
    writer: Writer
    files: tuple[FileEntry, ...]
    total_bytes: int
    signatures: tuple[Signature, ...]
    signature: str | None
    """The key of the one that is called, where there are keys."""
    chosen_tags: tuple[str, ...] | None
    """Of the graph that is loaded; None: those for serving."""
    feeds: dict[str, str]
    fetches: dict[str, str]
    """Of a bare graph: which tensors its inputs and outputs are."""
    ranges: dict[str, tuple[float, float]]
    """[low, high) of generated inputs, where the model or model.yaml says so."""
    loaders: dict[str, tuple[str, ...]]
    """By the TensorFlow that reads the model, the first one first."""
    beside: tuple[BesideFile, ...]

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


def inspect_model(path: Path) -> Inspection:
    """Return everything the files at `path` say; `path` is what `read_model` takes.

    Raises:
        ModelError: everything that is wrong, as `read_model`, or a part of the model that is
            only read to be shown is damaged.
    """
    model = read_model(path)
    try:
        return _inspection(model)
    except OSError as error:
        where = str(error.filename or path)
        what = f"cannot be read: {os_reason(error)}"
        raise ModelError([Problem(where=where, what=what)]) from None


def _inspection(model: Model) -> Inspection:
    details = _details(model)
    files = model_files(model.path, model.format, model.prefix)
    entries = tuple(
        FileEntry(name=name, bytes=file.stat().st_size) for name, file in sorted(files.items())
    )
    return Inspection(
        **{**dict(details), "notes": (*model.notes, *details.notes)},
        name=model.name,
        path=model.path,
        prefix=model.prefix,
        format=model.format,
        why=why_this_format(model),
        digest=model.digest,
        writer=model.writer,
        files=entries,
        total_bytes=sum(entry.bytes for entry in entries),
        signatures=model.signatures,
        signature=model.signature,
        chosen_tags=model.tags,
        feeds=model.feeds,
        fetches=model.fetches,
        ranges=model.ranges,
        loaders={
            era: loaders(model, release, packages) for era, (release, packages) in _ERAS.items()
        },
        beside=tuple(_beside(model, details)),
    )


def _details(model: Model) -> Details:  # noqa: PLR0911  (one a format)
    match model.format:
        case Format.SAVED_MODEL:
            return saved_model_details(model.path, model.tags)
        case Format.KERAS:
            return keras_zip_details(model.path)
        case Format.HDF5 | Format.HDF5_WEIGHTS:
            return hdf5_details(model.path)
        case Format.CHECKPOINT:
            return checkpoint_details(model.path, model.prefix)
        case Format.META_GRAPH:
            return meta_graph_details(model.path, model.prefix, tuple(model.fetches.values()))
        case Format.GRAPH_DEF:
            return graph_def_details(model.path, tuple(model.fetches.values()))
        case Format.TFLITE:
            return tflite_details(model.path)
        case _:
            assert_never(model.format)


def _beside(model: Model, details: Details) -> list[BesideFile]:
    there: Mapping[str, Path | None] = {
        "inputs.npz": model.inputs,
        "expected.npz": model.expected,
        "labels.npz": model.labels,
        "raw.npz": model.raw,
        "preprocess.py": model.code.preprocess,
        "build.py": model.code.build,
        "custom_objects.py": model.code.custom_objects,
        "captured.json": model.captured,
    }
    needed = _needed(model, details)
    return [
        BesideFile(
            name=name,
            path=there[name],
            purpose=purpose,
            needed=name in needed and there[name] is None,
        )
        for name, purpose in _BESIDE.items()
    ]


def _needed(model: Model, details: Details) -> set[str]:
    """Return the files without which loading fails."""
    needed = {"build.py"} if model.format in _ONLY_WEIGHTS else set()
    if model.format in _BY_CONFIG and any(
        custom.kind not in _COMPILED for custom in details.custom_objects
    ):
        needed.add("custom_objects.py")
    return needed
