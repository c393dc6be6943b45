"""Small model files made by hand: what TensorFlow and Keras would have written."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.protos import SavedModel

FLOAT, INT64, STRING, BFLOAT16, FLOAT_REF = 1, 9, 7, 14, 101
HDF5 = Path(__file__).parents[1] / "data" / "hdf5"

Tensors = Mapping[str, tuple[int, Sequence[int] | None]]
"""Name: (DataType, dimensions with -1 for unknown, or None for an unknown rank)."""

IMAGE: Tensors = {"image": (FLOAT, [-1, 8, 8, 1])}
PROBABILITIES: Tensors = {"probabilities": (FLOAT, [-1, 10])}


def add_graph(
    message: Any,
    signatures: Mapping[str, tuple[Tensors, Tensors]],
    *,
    tags: Sequence[str] = ("serve",),
    version: str = "2.10.1",
    variables: bool = True,
) -> Any:
    """Add a MetaGraphDef to a SavedModel message; return it."""
    graph = message.meta_graphs.add()
    graph.meta_info_def.tags.extend(tag.encode() for tag in tags)
    graph.meta_info_def.tensorflow_version = version.encode()
    graph.graph_def.node.add(name=b"x", op=b"Placeholder")
    if variables:
        graph.graph_def.node.add(name=b"kernel", op=b"VarHandleOp")
        graph.saver_def.restore_op_name = b"save/restore_all"
    for name, (inputs, outputs) in signatures.items():
        entry = graph.signature_def.add(key=name.encode())
        entry.value.method_name = b"tensorflow/serving/predict"
        add_tensors(entry.value.inputs, inputs)
        add_tensors(entry.value.outputs, outputs)
    return graph


def add_tensors(entries: Any, tensors: Tensors) -> None:
    """Add the inputs or outputs of a SignatureDef."""
    for name, (dtype, shape) in tensors.items():
        info = entries.add(key=name.encode()).value
        info.name = f"{name}:0".encode()
        info.dtype = dtype
        info.tensor_shape.unknown_rank = shape is None
        for size in shape or ():
            info.tensor_shape.dim.add(size=size)


def write_saved_model(
    folder: Path,
    signatures: Mapping[str, tuple[Tensors, Tensors]] | None = None,
    *,
    variables: bool = True,
    **options: Any,
) -> Path:
    """Write a SavedModel with one variable in one shard; return its folder."""
    message = SavedModel()
    given = signatures if signatures is not None else {"serving_default": (IMAGE, PROBABILITIES)}
    add_graph(message, given, variables=variables, **options)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    if variables:
        (folder / "variables").mkdir(exist_ok=True)
        (folder / "variables" / "variables.index").write_bytes(b"index")
        (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"weights")
    return folder


def functional(*inputs: str, shape: Sequence[int | None] = (None, 4)) -> dict[str, Any]:
    """Return the config of a functional model as Keras 3 writes it."""
    layers: list[dict[str, Any]] = [
        {"class_name": "InputLayer", "name": name, "config": layer(name, shape)} for name in inputs
    ]
    tensors = [[name, 0, 0] for name in inputs]
    return {
        "class_name": "Functional",
        "config": {
            "layers": layers,
            "input_layers": tensors if len(tensors) > 1 else tensors[0],
            "output_layers": tensors[0],
        },
    }


def layer(name: str, shape: Sequence[int | None]) -> dict[str, Any]:
    """Return the config of an InputLayer as Keras 3 writes it."""
    return {"name": name, "batch_shape": list(shape), "dtype": "float32"}


def write_keras(path: Path, config: Mapping[str, Any] | None = None) -> Path:
    """Write a `.keras` archive with a few bytes for weights; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
        archive.writestr("config.json", json.dumps(config or functional("x")))
        archive.writestr("model.weights.h5", b"weights")
    return path


def npy(array: np.ndarray) -> bytes:
    """Return an array as a `.npy` file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


def npy_header(header: str, data: bytes = b"", version: int = 1) -> bytes:
    """Return a `.npy` file with a header of one's own."""
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def write_zip(path: Path, members: Mapping[str, bytes], compression: int = 0) -> Path:
    """Write a zip archive of `members`; return its path."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path
