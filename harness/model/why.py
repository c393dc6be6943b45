"""Why a model was told to be of its format: what in its files says so."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from harness.model.detect import superblock_offset
from harness.model.hdf5 import hdf5_texts
from harness.model.model import Format, Model
from harness.model.tflite_file import IDENTIFIER
from harness.untrusted import open_regular

__all__ = ["why_this_format"]

_SUFFIXES = {
    ".keras": (Format.KERAS,),
    ".h5": (Format.HDF5, Format.HDF5_WEIGHTS),
    ".hdf5": (Format.HDF5, Format.HDF5_WEIGHTS),
    ".pb": (Format.GRAPH_DEF, Format.SAVED_MODEL),
    ".tflite": (Format.TFLITE,),
}
"""What a name makes one expect."""


def why_this_format(model: Model) -> str:
    """Return one sentence, which says too where the name would have misled.

    Raises:
        ModelError: a file has been damaged since it was read.
    """
    expected = _SUFFIXES.get(model.path.suffix.lower())
    misleading = (
        f", whatever its name ends in ({model.path.suffix})"
        if expected is not None and model.format not in expected
        else ""
    )
    return f"{_why(model)}{misleading}"


def _why(model: Model) -> str:  # noqa: PLR0911  (one a format)
    name = model.path.name
    match model.format:
        case Format.SAVED_MODEL:
            return f"the folder {name} holds saved_model.pb"
        case Format.KERAS:
            return f"{name} is a zip archive with config.json and metadata.json"
        case Format.HDF5:
            return f"{_hdf5(model.path)}, {_whole(model.path)}"
        case Format.HDF5_WEIGHTS:
            weights = "and its root group weights of layers and no attribute model_config"
            return f"{_hdf5(model.path)}, {weights}"
        case Format.CHECKPOINT:
            kind = (
                "by their names" if model.name_based else "and a graph of the objects they are in"
            )
            return f"{model.prefix}.index is a table of tensors (a checkpoint), {kind}"
        case Format.META_GRAPH:
            return f"{model.prefix}.meta is a MetaGraphDef: a graph and which TensorFlow wrote it"
        case Format.GRAPH_DEF:
            return f"{name} begins like a graph (GraphDef): a node with a name and an operation"
        case Format.TFLITE:
            return f"bytes 4 to 8 of {name} are {IDENTIFIER.decode()}"
        case _:
            assert_never(model.format)


def _hdf5(path: Path) -> str:
    with open_regular(path) as stream:
        offset = superblock_offset(stream)
    return f"{path.name} has the signature of HDF5 at byte {offset}"


def _whole(path: Path) -> str:
    if hdf5_texts(path) is None:
        return "and more cannot be read without h5py"
    return "and its root group an attribute model_config"
