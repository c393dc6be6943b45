"""Inspection of real model files, written by many people and many versions.

The corpus lies beside the repository, `../shared/corpus`, with an index of what each entry is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelError
from harness.model.checkpoint import read_checkpoint_index, read_slots
from harness.model.graph_def import read_graph_def
from harness.model.model import Format, TensorSpec
from harness.model.reading import read_model
from harness.model.saved_model import inspect_saved_model
from tests.support.corpus import CORPUS, FORMATS, REFUSED, entries

pytestmark = pytest.mark.skipif(
    not (CORPUS / "INDEX.yaml").is_file(), reason="../shared/corpus is not there"
)

SAVED_MODELS = {name: kind for name, kind in FORMATS.items() if kind is Format.SAVED_MODEL}
KERAS = {name: kind for name, kind in FORMATS.items() if kind in (Format.KERAS, Format.HDF5)}
WEIGHTS = {
    name: kind for name, kind in FORMATS.items() if kind in (Format.HDF5_WEIGHTS, Format.CHECKPOINT)
}
GRAPHS = {name: kind for name, kind in FORMATS.items() if kind is Format.GRAPH_DEF}
META_GRAPHS = {name: kind for name, kind in FORMATS.items() if kind is Format.META_GRAPH}
TFLITE = {name: kind for name, kind in FORMATS.items() if kind is Format.TFLITE}
UNDECLARED = "tensorflow_serving/saved_model_half_plus_three/00000123"
"""Its signatures have no shapes; the index shows what protobuf makes of that."""


def read(formats: dict[str, Any]) -> list[Any]:
    """Return the entries of some formats that are not refused."""
    return [entry for entry in of(formats) if entry.values[0]["path"] not in REFUSED]


def of(formats: dict[str, Any]) -> list[Any]:
    chosen = [entry for entry in entries() if entry["format"] in formats]
    return [pytest.param(entry, id=entry["id"]) for entry in chosen]


def test_every_kind_of_entry_is_tested() -> None:
    assert {entry["format"] for entry in entries()} == set(FORMATS)
    assert set(REFUSED) <= {entry["path"] for entry in entries()}


@pytest.mark.parametrize("entry", of(FORMATS))
def test_every_entry_is_read_or_refused_with_a_reason(entry: dict[str, Any]) -> None:
    path = CORPUS / entry["path"]
    if entry["path"] in REFUSED:
        with pytest.raises(ModelError, match=re.escape(REFUSED[entry["path"]])):
            read_model(path)
        return
    model = read_model(path)
    assert model.format is FORMATS[entry["format"]]
    if model.format in (Format.CHECKPOINT, Format.META_GRAPH):
        assert (model.path, model.prefix) == (path.parent.resolve(), prefix(path))
    else:
        assert model.path == path.resolve()


def prefix(path: Path) -> str:
    return path.name.removesuffix(".meta")


@pytest.mark.parametrize("entry", read({**SAVED_MODELS, **KERAS, **META_GRAPHS}))
def test_who_wrote_it(entry: dict[str, Any]) -> None:
    model = read_model(CORPUS / entry["path"])
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


@pytest.mark.parametrize("entry", of(WEIGHTS))
def test_weights_say_that_their_model_is_elsewhere(entry: dict[str, Any]) -> None:
    model = read_model(CORPUS / entry["path"])
    assert "there is no build.py" in model.notes[0]
    assert not model.name_based


@pytest.mark.parametrize("entry", of({"tf.train.Checkpoint (object-based)": None}))
def test_the_tensors_of_checkpoints(entry: dict[str, Any]) -> None:
    folder, name = (CORPUS / entry["path"]).parent, (CORPUS / entry["path"]).name
    index = read_checkpoint_index(folder / f"{name}.index")
    keys = ["_CHECKPOINTABLE_OBJECT_GRAPH", *index.tensors]
    assert len(keys) == entry["signature"]["n_tensors"]
    assert keys[: len(entry["signature"]["first_keys"])] == entry["signature"]["first_keys"]
    slots = {slot.key for slot in read_slots(folder, name, index)}
    assert slots == {key for key in keys if ".OPTIMIZER_SLOT" in key}


@pytest.mark.parametrize("entry", read(GRAPHS))
def test_inputs_and_outputs_of_frozen_graphs(entry: dict[str, Any]) -> None:
    model = read_model(CORPUS / entry["path"])
    (signature,) = model.signatures
    producer = read_graph_def(model.path).producer
    assert [spec.name for spec in signature.outputs] == entry["signature"]["outputs"]
    # TensorFlow takes a scalar of an old graph for any shape; the index shows what is written.
    declared = [
        [name, dtype, None if shape == [] and producer <= 21 else shape]
        for name, dtype, shape in entry["signature"]["placeholders"]
    ]
    assert [[name, *of_spec] for name, of_spec in plain(signature.inputs).items()] == declared
    assert entry["written_by"].startswith(f"GraphDef producer {producer}")


@pytest.mark.parametrize(
    ("path", "feeds", "fetches"),
    [
        (
            "Trusted-AI_AIX360/profwt_probe_ckpt/probe_model_run1.meta",
            ["Placeholder"],
            ["probe_logits/Softmax", "ArgMax_1"],
        ),
        ("onnx_tensorflow-onnx/regression/checkpoint/model.meta", ["X"], ["pred"]),
        ("SciSharp_TensorFlow.NET/meta_only_cond_test/cond_test.meta", [], ["cond/Merge"]),
        (
            "tensorflow_serving/session_bundle_half_plus_two/00000123/export.meta",
            ["tf_example"],
            ["Identity"],
        ),
    ],
)
def test_inputs_and_outputs_of_graphs_in_training(
    path: str, feeds: list[str], fetches: list[str]
) -> None:
    model = read_model(CORPUS / path)
    assert model.feeds == {name: f"{name}:0" for name in feeds}
    assert model.fetches == {name: f"{name}:0" for name in fetches}
    assert model.name_based


def test_what_a_graph_of_training_reads_by_itself_can_be_fed(tmp_path: Path) -> None:
    folder = CORPUS / "tensorflow_tfx" / "chicago_taxi_ckpt1000"
    for file in folder.glob("model.ckpt-1000.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.yaml").write_text(
        "inputs:\n"
        "  fare: {tensor: 'IteratorGetNext:5'}\n"
        "  miles: {tensor: 'IteratorGetNext:11'}\n"
        "  seconds: {tensor: 'IteratorGetNext:12'}\n"
        "outputs: {logits: {tensor: dnn/logits/BiasAdd}}\n"
    )
    model = read_model(tmp_path)
    assert model.fetches == {"logits": "dnn/logits/BiasAdd:0"}
    assert plain(model.signatures[0].inputs) == {
        name: ["float32", [40]] for name in ("fare", "miles", "seconds")
    }


@pytest.mark.parametrize("entry", read(TFLITE))
def test_inputs_and_outputs_of_tensorflow_lite(entry: dict[str, Any]) -> None:
    model = read_model(CORPUS / entry["path"])
    declared = entry["signature"]
    assert [signature.name for signature in model.signatures] == (
        declared["signatures"] or ["call"]
    )
    assert model.signature == (declared["signatures"] or [None])[0]
    types = [spec.dtype for spec in model.signatures[0].inputs]
    assert sorted(types) == sorted(dtype for _, dtype, _ in declared["inputs"])
