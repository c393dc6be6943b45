"""Inspection of real model files, written by many people and many versions.

The corpus lies beside the repository, `../shared/corpus`, with an index of what each entry is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import ModelError
from harness.model.model import Format, TensorSpec
from harness.model.reading import read_model
from harness.model.saved_model import inspect_saved_model

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"

pytestmark = pytest.mark.skipif(
    not (CORPUS / "INDEX.yaml").is_file(), reason="../shared/corpus is not there"
)

WHOLE = {
    "SavedModel (TF1 style)": Format.SAVED_MODEL,
    "SavedModel (TF2 object graph)": Format.SAVED_MODEL,
    "SavedModel (TF2 object graph) + keras_metadata": Format.SAVED_MODEL,
    ".keras (zip)": Format.KERAS,
    "Keras HDF5 (full model)": Format.HDF5,
    "HDF5 renamed .keras": Format.HDF5,
}
SAVED_MODELS = {name: kind for name, kind in WHOLE.items() if kind is Format.SAVED_MODEL}
KERAS = {name: kind for name, kind in WHOLE.items() if kind is not Format.SAVED_MODEL}
OTHERS = {
    "TFLite": "is a TensorFlow Lite model (.tflite), not one of the accepted formats",
    "GraphDef .pb": "is a frozen graph (GraphDef), not one of the accepted formats",
    "tf.train.Checkpoint (object-based)": "is the prefix of a TensorFlow checkpoint",
    "Keras HDF5 (weights only)": "is HDF5 with only the weights of a Keras ",
    "TF1 .meta only": "is the graph of a TensorFlow 1 checkpoint (.meta)",
    "TF1 checkpoint (.meta + V2 .index/.data)": "is the graph of a TensorFlow 1 checkpoint (.meta)",
    "TF1 checkpoint (.meta + V1 data)": "is the graph of a TensorFlow 1 checkpoint (.meta)",
}
REFUSED = {
    "SciSharp_TensorFlow.NET/example1": "there is no folder `variables`",
    "tensorflow_java/saved_model_using_python": "has 5 signatures and none is called",
    "tensorflow_serving/saved_model_counter/00000123": "has 4 signatures and none is called",
}
UNDECLARED = "tensorflow_serving/saved_model_half_plus_three/00000123"
"""Its signatures have no shapes; the index shows what protobuf makes of that."""


def entries() -> list[dict[str, Any]]:
    index = CORPUS / "INDEX.yaml"
    found = yaml.safe_load(index.read_text())["entries"] if index.is_file() else []
    return [dict(entry) for entry in found]


def of(formats: dict[str, Any]) -> list[Any]:
    chosen = [entry for entry in entries() if entry["format"] in formats]
    return [pytest.param(entry, id=entry["id"]) for entry in chosen]


def test_every_kind_of_entry_is_tested() -> None:
    assert {entry["format"] for entry in entries()} == {*WHOLE, *OTHERS}


@pytest.mark.parametrize("entry", of(WHOLE))
def test_whole_models(entry: dict[str, Any]) -> None:
    path = CORPUS / entry["path"]
    if entry["path"] in REFUSED:
        with pytest.raises(ModelError, match=re.escape(REFUSED[entry["path"]])):
            read_model(path)
        return
    model = read_model(path)
    assert model.format is WHOLE[entry["format"]]
    assert model.path == path.resolve()
    version = model.writer.tensorflow or model.writer.keras
    assert version == re.match(r"(?:tensorflow|keras) ([^ ,]+)", entry["written_by"])[1]  # type: ignore[index]


@pytest.mark.parametrize("entry", of(SAVED_MODELS))
def test_signatures_are_what_tensorflow_says(entry: dict[str, Any]) -> None:
    if entry["path"] in list(REFUSED)[:1]:
        pytest.skip("its variables are not there")
    found = inspect_saved_model(CORPUS / entry["path"]).signatures
    declared = {
        signature.name: {"inputs": plain(signature.inputs), "outputs": plain(signature.outputs)}
        for signature in found
    }
    expected = entry["signature"]["signatures"]
    if entry["path"] == UNDECLARED:
        expected = {
            key: {
                side: {name: ["float32", None] for name in tensors}
                for side, tensors in signature.items()
            }
            for key, signature in expected.items()
        }
    assert declared == without_references(expected)


def plain(specs: tuple[TensorSpec, ...]) -> dict[str, list[Any]]:
    return {
        spec.name: [
            spec.dtype,
            None if spec.shape is None else [-1 if size is None else size for size in spec.shape],
        ]
        for spec in specs
    }


def without_references(signatures: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {
            side: {
                name: [dtype.removesuffix("_ref"), shape]
                for name, (dtype, shape) in tensors.items()
            }
            for side, tensors in signature.items()
        }
        for key, signature in signatures.items()
    }


@pytest.mark.parametrize("entry", of(OTHERS))
def test_files_that_are_not_accepted_say_what_they_are(entry: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=re.escape(OTHERS[entry["format"]])):
        read_model(CORPUS / entry["path"])


@pytest.mark.parametrize("entry", of(KERAS))
def test_the_input_of_keras_models(entry: dict[str, Any]) -> None:
    signatures = read_model(CORPUS / entry["path"]).signatures
    wanted = entry["signature"]["input"]
    if wanted is None:
        assert signatures == ()  # a subclassed model
        return
    (spec,) = signatures[0].inputs
    assert list(spec.shape or ()) == wanted
    assert spec.dtype == "float32"
