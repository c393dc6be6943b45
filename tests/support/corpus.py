"""The corpus beside the repository, `../shared/corpus`: real models by many people and versions."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ModelError
from harness.model.model import Format, Model
from harness.model.reading import read_model

__all__ = ["CORPUS", "FORMATS", "REFUSED", "entries", "read_entries"]

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"

FORMATS = {
    "SavedModel (TF1 style)": Format.SAVED_MODEL,
    "SavedModel (TF2 object graph)": Format.SAVED_MODEL,
    "SavedModel (TF2 object graph) + keras_metadata": Format.SAVED_MODEL,
    ".keras (zip)": Format.KERAS,
    "Keras HDF5 (full model)": Format.HDF5,
    "HDF5 renamed .keras": Format.HDF5,
    "Keras HDF5 (weights only)": Format.HDF5_WEIGHTS,
    "tf.train.Checkpoint (object-based)": Format.CHECKPOINT,
    "TF1 checkpoint (.meta + V2 .index/.data)": Format.META_GRAPH,
    "TF1 checkpoint (.meta + V1 data)": Format.META_GRAPH,
    "TF1 .meta only": Format.META_GRAPH,
    "GraphDef .pb": Format.GRAPH_DEF,
    "TFLite": Format.TFLITE,
}
"""What the index calls a format, and what it is here."""

REFUSED = {
    "SciSharp_TensorFlow.NET/example1": "there is no folder `variables`",
    "SciSharp_TensorFlow.NET/meta_only_kmeans/kmeans.meta": "kmeans.index is missing: the graph's "
    "variables have no values (clusters, initialized, Variable)",
    "SciSharp_TensorFlow.NET/meta_only_xor/xor.meta": "xor.index is missing: the graph's "
    "variables have no values",
    "google-ai-edge_LiteRT/js_multi_signature_model/multi_signature_model.tflite": "has 3 "
    "signatures and none is called",
    "tensorflow_java/saved_model_using_python": "has 5 signatures and none is called",
    "tensorflow_rust/regression_checkpoint_graphdef/model.pb": "is a graph that is not frozen: "
    "its outputs need variables, which have no values in it (w, b)",
    "tensorflow_rust/regression_graphdef/model.pb": "is a graph that is not frozen: "
    "its outputs need variables, which have no values in it (w, b)",
    "tensorflow_serving/saved_model_counter/00000123": "has 4 signatures and none is called",
    "tensorflow_tfx/chicago_taxi_ckpt1000/model.ckpt-1000.meta": "reads its inputs from files or "
    "a queue by itself: IteratorGetNext",
}
"""What cannot be run as it is, by path, and the words that say so."""

SETTINGS = {
    "google-ai-edge_LiteRT/js_multi_signature_model/multi_signature_model.tflite": "signature: add",
    "onnx_tensorflow-onnx/lstm/frozen.pb": "inputs: {keep_prob: {shape: [], range: [0.9, 1]}}",
    "onnx_tensorflow-onnx/regression/checkpoint/model.meta": "inputs: {X: {shape: [8]}}",
    "onnx_tensorflow-onnx/regression/graphdef/frozen.pb": "inputs: {X: {shape: [8]}}",
    "onnx_tensorflow-onnx/regression/saved_model": "inputs: {X: {shape: [8]}}",
    "sonos_tract/plus3_graphdef/plus3.pb": "inputs: {input: {shape: [3]}}",
    "tensorflow_hub/hub_module_v1_mini": "inputs: {default: {shape: [8]}}",
    "tensorflow_hub/saved_model_v2_mini": "inputs: {x: {shape: [8]}}",
    "tensorflow_java/saved_model_using_python": (
        "signature: add\ninputs: {a: {shape: [8]}, b: {shape: [8]}}"
    ),
    "tensorflow_rust/multiplication_graphdef/multiplication.pb": (
        "inputs: {a: {shape: [8]}, b: {shape: [8]}}"
    ),
    "tensorflow_serving/saved_model_counter/00000123": (
        "signature: incr_counter_by\ninputs: {delta: {shape: []}}"
    ),
    "tensorflow_serving/saved_model_half_plus_three/00000123": "inputs: {x: {shape: [8, 1]}}",
    "tensorflow_serving/session_bundle_half_plus_two/00000123/export.meta": (
        "inputs: {tf_example: {shape: [1]}}"
    ),
}
"""What a user would have to say in model.yaml, by path: files do not tell it."""


def entries() -> list[dict[str, Any]]:
    """Return the entries of the index; none where the corpus is not there."""
    index = CORPUS / "INDEX.yaml"
    return yaml.safe_load(index.read_text())["entries"] if index.is_file() else []


def read_entries(folder: Path) -> tuple[dict[str, Model], dict[str, ModelError]]:
    """Return the models of the corpus that can be read, and why the others cannot, by id.

    `folder` takes copies of those that need a model.yaml beside them.
    """
    models: dict[str, Model] = {}
    refused: dict[str, ModelError] = {}
    for entry in entries():
        try:
            model = read_model(_place(entry["path"], folder))
        except ModelError as error:
            refused[entry["id"]] = error
        else:
            models[entry["id"]] = model.model_copy(update={"name": _name(entry["id"], models)})
    return models, refused


def _place(path: str, folder: Path) -> Path:
    if path not in SETTINGS:
        return CORPUS / path
    copy = folder / path.replace("/", "-")
    source = CORPUS / path
    shutil.copytree(source if source.is_dir() else source.parent, copy)
    for file in (copy, *copy.rglob("*")):
        file.chmod(0o755 if file.is_dir() else 0o644)
    (copy / "model.yaml").write_text(SETTINGS[path])
    return copy


def _name(entry: str, taken: dict[str, Model]) -> str:
    """Return a short name that no other has."""
    name = re.sub(r"[^a-z0-9-]+", "-", entry.lower())[:60].strip("-")
    return name if name not in {model.name for model in taken.values()} else f"{name}-{len(taken)}"
