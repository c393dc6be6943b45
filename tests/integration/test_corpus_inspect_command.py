"""What `harness inspect` says of real models, against the index that says what each of them is.

The corpus lies beside the repository, `../shared/corpus`.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelError
from harness.model.inspection import Inspection, inspect_model
from harness.model.model import Format
from harness.report.inspection import render_inspection, render_inspection_json
from tests.support.corpus import CORPUS, FORMATS, REFUSED, entries

pytestmark = pytest.mark.skipif(
    not (CORPUS / "INDEX.yaml").is_file(), reason="../shared/corpus is not there"
)


def of(*formats: Format) -> list[Any]:
    return [
        pytest.param(entry, id=entry["id"])
        for entry in entries()
        if FORMATS[entry["format"]] in (formats or tuple(Format)) and entry["path"] not in REFUSED
    ]


@cache
def inspected(path: str) -> Inspection:
    return inspect_model(CORPUS / path)


def told(entry: dict[str, Any], key: str) -> str | None:
    return {fact.key: fact.value for fact in inspected(entry["path"]).written}.get(key)


@pytest.mark.parametrize("path", REFUSED)
def test_what_cannot_be_run_says_why(path: str) -> None:
    with pytest.raises(ModelError, match=re.escape(REFUSED[path])):
        inspect_model(CORPUS / path)


@pytest.mark.parametrize("entry", of())
def test_the_format_the_files_and_the_text(entry: dict[str, Any]) -> None:
    found = inspected(entry["path"])
    assert found.format is FORMATS[entry["format"]]
    sizes = {Path(file["path"]).name: file["bytes"] for file in entry["files"]}
    for file in found.files:
        assert sizes[Path(file.name).name] == file.bytes
    for width in (80, 200):
        text = render_inspection(found, width=width)
        assert max(map(len, text.splitlines())) <= width
    assert Inspection.model_validate_json(render_inspection_json(found)) == found


@pytest.mark.parametrize("entry", of(Format.SAVED_MODEL, Format.META_GRAPH))
def test_the_tensorflow_that_wrote_a_graph(entry: dict[str, Any]) -> None:
    version, git = re.match(
        r"tensorflow ([^ ,]+)(?: \((?:git )?(?:b')?([^)']+)'?\))?", entry["written_by"]
    ).groups()  # type: ignore[union-attr]
    assert told(entry, "TensorFlow") == version
    assert told(entry, "git") == (git if git != "unknown" else None)


@pytest.mark.parametrize("entry", of(Format.SAVED_MODEL, Format.META_GRAPH, Format.GRAPH_DEF))
def test_the_version_of_a_graph(entry: dict[str, Any]) -> None:
    producer = re.search(r"GraphDef producer (\d+)", entry["written_by"])
    assert producer is not None
    said = told(entry, "GraphDef")
    assert said is not None
    if producer[1] == "0":
        assert said == "versions not recorded"
    else:
        assert re.match(rf"version {producer[1]}\b", said)


@pytest.mark.parametrize("entry", of(Format.KERAS, Format.HDF5, Format.HDF5_WEIGHTS))
def test_the_keras_that_wrote_a_model(entry: dict[str, Any]) -> None:
    version, saved = re.match(r"keras (\S+)(?: saved (\S+))?", entry["written_by"]).groups()  # type: ignore[union-attr]
    assert told(entry, "Keras") == version
    assert told(entry, "saved") == saved


@pytest.mark.parametrize("entry", of(Format.TFLITE))
def test_what_converted_a_model(entry: dict[str, Any]) -> None:
    converter = re.match(r"converted by TF ([^;]+)", entry["written_by"])
    assert told(entry, "converted by TensorFlow") == (converter[1] if converter else None)
    runtime = entry["written_by"].rsplit("min_runtime ", 1)[1]
    assert told(entry, "oldest runtime") in (
        (None, "not recorded") if runtime == "n/a" else (runtime,)
    )


@pytest.mark.parametrize("entry", of(Format.TFLITE))
def test_inputs_and_outputs_of_tflite(entry: dict[str, Any]) -> None:
    found = inspected(entry["path"])
    if entry["signature"]["signatures"]:
        assert [item.name for item in found.signatures] == entry["signature"]["signatures"]
        return
    (signature,) = found.signatures
    for specs, expected in (
        (signature.inputs, entry["signature"]["inputs"]),
        (signature.outputs, entry["signature"]["outputs"]),
    ):
        # Tensors without a name get one from their place; a model here has at most one of them.
        names = [re.sub(r"^tensor_\d+$", "", spec.name) for spec in specs]
        assert Counter(names) == Counter(name or "" for name, *_ in expected)
        by_name = dict(zip(names, specs, strict=True))
        for name, dtype, shape in expected:
            spec = by_name[name or ""]
            assert spec.dtype == dtype
            # The index has the shape that memory is first made for: 1 where it is open.
            sizes = [1 if size is None else size for size in spec.shape or ()]
            assert sizes == [1 if size < 0 else size for size in shape]


@pytest.mark.parametrize("entry", of(Format.KERAS, Format.HDF5))
def test_layers_and_training_of_keras_models(entry: dict[str, Any]) -> None:
    found = inspected(entry["path"])
    assert found.model_class == entry["signature"]["class"]
    counts = {layer.name: layer.count for layer in found.layers}
    for name, count in Counter(entry["signature"]["layers"]).items():
        assert counts[name] >= count  # the index lists the first fourteen
    if "has_optimizer" in entry["signature"]:
        trained = found.training is not None and bool(found.training.variables)
        assert trained == entry["signature"]["has_optimizer"]


@pytest.mark.parametrize("entry", of(Format.CHECKPOINT))
def test_the_tensors_of_checkpoints(entry: dict[str, Any]) -> None:
    found = inspected(entry["path"])
    assert found.variables is not None
    # The index counts the graph of objects too.
    assert found.variables.count == entry["signature"]["n_tensors"] - 1


@pytest.mark.parametrize("entry", of(Format.SAVED_MODEL))
def test_the_tags_of_saved_models(entry: dict[str, Any]) -> None:
    assert tuple(entry["signature"]["tags"]) in inspected(entry["path"]).tags


@pytest.mark.parametrize("entry", of(Format.GRAPH_DEF, Format.META_GRAPH))
def test_inputs_and_outputs_of_graphs(entry: dict[str, Any]) -> None:
    found = inspected(entry["path"])
    placeholders = {name for name, *_ in entry["signature"]["placeholders"]}
    assert {tensor.split(":")[0] for tensor in found.feeds.values()} <= placeholders
    if "outputs" in entry["signature"]:
        outputs = {tensor.split(":")[0] for tensor in found.fetches.values()}
        assert outputs <= set(entry["signature"]["outputs"])


def test_what_is_known_of_some() -> None:
    """Facts of single files, checked by hand with TensorFlow."""
    taxi = inspected("tensorflow_tfx/chicago_taxi_estimator")
    assert "InitializeTableFromTextFileV2" in {effect.name for effect in taxi.effects}
    assert len(taxi.assets) == 2
    # It names an initializer that is the user's own function.
    kernel = inspected("fastmachinelearning_hls4ml/conv2d_1layer/conv2d_1layer.h5")
    assert [item.name for item in kernel.custom_objects] == ["random_kernel"]
    nested = inspected(
        "keras-team_keras/pre_pr22362_nested_container/pre_pr22362_nested_container.keras"
    )
    assert [item.name for item in nested.custom_objects] == [
        "legacy_nested_container>NestedDenseModel"
    ]
    custom = inspected("google-ai-edge_LiteRT/conv_custom_op/custom_op.bin")
    assert [item.name for item in custom.custom_ops] == ["CustomTestOp"]
    dropout = inspected("onnx_tensorflow-onnx/lstm/frozen.pb")
    assert [(item.name, item.used) for item in dropout.random_ops] == [("RandomUniform", 1)]
