from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ModelError
from harness.model.details import Fact, FileEntry, RandomOp, Training, Variables
from harness.model.inspection import Inspection, inspect_model
from harness.model.model import Format
from harness.model.protos import FingerprintDef, KerasMetadata, SavedModel
from harness.report.inspection import render_inspection
from tests.support.checkpoint_files import Checkpoint
from tests.support.graph_files import node, training, write_graph, write_meta_graph
from tests.support.model_files import (
    FLOAT,
    HDF5,
    IMAGE,
    PROBABILITIES,
    add_graph,
    functional,
    write_saved_model,
    write_zip,
)
from tests.support.tflite_files import LiteModel


def saved_model(folder: Path) -> Path:
    """Write a SavedModel of Keras in training, with everything that may be in one."""
    message = SavedModel(schema_version=1)
    graph = add_graph(message, {"serving_default": (IMAGE, PROBABILITIES)}, version="2.12.0")
    graph.meta_info_def.tensorflow_git_version = b"b'v2.12.0'"
    graph.graph_def.versions.producer, graph.graph_def.versions.min_consumer = 1_395, 12
    node(graph.graph_def, "probabilities", "RandomUniform", "x", dtype=FLOAT)
    node(graph.graph_def, "noise", "RandomUniform", "x", dtype=FLOAT)
    graph.object_graph_def.nodes.add().user_object.identifier = b"_tf_keras_network"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    kernel = np.zeros((4, 2), np.float32)
    keys = ["layer/kernel", "layer/kernel/.OPTIMIZER_SLOT/optimizer/m", "optimizer/iter"]
    tensors = {f"{key}/.ATTRIBUTES/VARIABLE_VALUE": kernel for key in keys}
    Checkpoint(tensors, objects=b"").write(folder / "variables", "variables")
    (folder / "assets").mkdir()
    (folder / "assets" / "vocabulary.txt").write_text("a\nb\n")
    hashes = FingerprintDef(saved_model_checksum=255, uuid=b"17")
    (folder / "fingerprint.pb").write_bytes(hashes.SerializeToString())
    config = functional("image")
    config["config"]["layers"].append({"class_name": "Blur", "config": {"name": "blur"}})
    metadata = {
        "keras_version": "2.12.0",
        "model_config": config,
        "training_config": {"loss": "mse", "optimizer_config": {"class_name": "Adam"}},
    }
    nodes = KerasMetadata()
    nodes.nodes.add(identifier=b"_tf_keras_network", metadata=json.dumps(metadata).encode())
    mean = json.dumps({"class_name": "Kappa", "name": "kappa", "config": {"name": "kappa"}})
    nodes.nodes.add(identifier=b"_tf_keras_metric", metadata=mean.encode())
    nodes.nodes.add(identifier=b"_tf_keras_layer", metadata=b"no JSON")
    (folder / "keras_metadata.pb").write_bytes(nodes.SerializeToString())
    return folder


def test_a_saved_model(tmp_path: Path) -> None:
    found = inspect_model(saved_model(tmp_path / "net"))
    assert found.format is Format.SAVED_MODEL
    assert found.why == "the folder net holds saved_model.pb"
    assert found.written == (
        Fact(key="TensorFlow", value="2.12.0"),
        Fact(key="git", value="v2.12.0"),
        Fact(key="Keras", value="2.12.0"),
        Fact(key="GraphDef", value="version 1395, for consumers from 12"),
        Fact(key="SavedModel schema", value="1"),
        Fact(key="fingerprint", value="saved_model.pb 00000000000000ff"),
        Fact(key="fingerprint id", value="17"),
    )
    assert found.tags == (("serve",),)
    assert found.model_class == "Functional"
    assert [(item.name, item.kind.value) for item in found.custom_objects] == [
        ("Blur", "layer"),
        ("Kappa", "metric"),
    ]
    assert found.training == Training(
        optimizer="Adam", loss=("mse",), variables=2, where="Keras metadata"
    )
    assert found.variables == Variables(count=3, parameters=24, bytes=96)
    assert found.random_ops == (RandomOp(name="RandomUniform", count=2, used=1),)
    assert found.assets == (FileEntry(name="vocabulary.txt", bytes=4),)
    assert [entry.name for entry in found.files] == [
        "assets/vocabulary.txt",
        "fingerprint.pb",
        "keras_metadata.pb",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert found.total_bytes == sum(entry.bytes for entry in found.files)
    assert found.signature == "serving_default"
    assert not any(file.needed for file in found.beside)
    assert found.notes[-1].startswith(
        "Keras classes of a SavedModel that are not given are brought"
    )


def test_variables_that_cannot_be_read(tmp_path: Path) -> None:
    found = inspect_model(write_saved_model(tmp_path / "m"))
    index = tmp_path / "m" / "variables" / "variables.index"
    assert found.variables is None
    assert found.notes == (
        f"loading will fail, and variables are not counted: {index} is damaged: it is cut off",
    )


@pytest.mark.parametrize("name", ["fingerprint.pb", "keras_metadata.pb"])
def test_what_is_only_shown_is_damaged(tmp_path: Path, name: str) -> None:
    folder = saved_model(tmp_path / "net")
    (folder / name).write_bytes(b"\xff" * 10)
    with pytest.raises(ModelError) as caught:
        inspect_model(folder)
    assert str(caught.value).startswith(f"{folder.resolve() / name}: is damaged: it cannot be read")


def of_keras(folder: Path) -> Path:
    config = functional("x") | {"registered_name": "Acme>Net"}
    members = {
        "metadata.json": b'{"keras_version": "3.8.0"}',
        "config.json": json.dumps(config).encode(),
        "model.weights.h5": (HDF5 / "weights_keras3.h5").read_bytes(),
    }
    return write_zip(folder / "m.keras", members)


def of_hdf5(folder: Path) -> Path:
    return Path(shutil.copy(HDF5 / "whole.h5", folder / "m.keras"))


def of_hdf5_weights(folder: Path) -> Path:
    return Path(shutil.copy(HDF5 / "weights.h5", folder / "m.h5"))


def of_checkpoint(folder: Path) -> Path:
    tensors = {name: np.zeros(3, np.float32) for name in ("w", "w/Adam", "w/Adam_1", "v/Adam")}
    return Checkpoint(tensors | {"beta1_power": np.zeros((), np.float32)}).write(folder)


def of_meta_graph(folder: Path) -> Path:
    Checkpoint().write(folder)
    return write_meta_graph(folder / "model.ckpt.meta")


def of_graph_def(folder: Path) -> Path:
    return write_graph(folder / "m.pb")


def of_tflite(folder: Path) -> Path:
    (folder / "m.bin").write_bytes(LiteModel().data())
    return folder / "m.bin"


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (of_keras, "keras: m.keras is a zip archive with config.json and metadata.json"),
        (
            of_hdf5,
            "hdf5: m.keras has the signature of HDF5 at byte 0, and its root group an attribute "
            "model_config, whatever its name ends in (.keras)",
        ),
        (
            of_hdf5_weights,
            "hdf5_weights: m.h5 has the signature of HDF5 at byte 0, and its root group weights "
            "of layers and no attribute model_config",
        ),
        (
            of_checkpoint,
            "checkpoint: model.ckpt.index is a table of tensors (a checkpoint), by their names",
        ),
        (
            of_meta_graph,
            "meta_graph: model.ckpt.meta is a MetaGraphDef: a graph and which TensorFlow wrote it",
        ),
        (
            of_graph_def,
            "graph_def: m.pb begins like a graph (GraphDef): a node with a name and an operation",
        ),
        (of_tflite, "tflite: bytes 4 to 8 of m.bin are TFL3"),
    ],
)
def test_why_a_format_was_told(tmp_path: Path, write: Callable[[Path], Path], why: str) -> None:
    found = inspect_model(write(tmp_path))
    assert f"{found.format}: {found.why}" == why
    assert json.loads(found.model_dump_json())["schema"] == 1
    assert Inspection.model_validate_json(found.model_dump_json()) == found


def test_hdf5_that_needs_h5py(tmp_path: Path) -> None:
    data = bytearray((HDF5 / "whole.h5").read_bytes())
    data[13] = 4  # sizes of offsets
    (tmp_path / "m.h5").write_bytes(data)
    found = inspect_model(tmp_path / "m.h5")
    assert found.why == (
        "m.h5 has the signature of HDF5 at byte 0, and more cannot be read without h5py"
    )
    assert found.variables is None
    assert found.model_class is None


def test_a_checkpoint_by_names(tmp_path: Path) -> None:
    found = inspect_model(of_checkpoint(tmp_path))
    assert found.variables == Variables(count=5, parameters=13, bytes=52)
    # `v/Adam` is no slot: there is no variable `v`.
    assert found.training == Training(variables=3, where="names in the checkpoint")
    assert found.operations == ()


def test_a_checkpoint_with_its_graph(tmp_path: Path) -> None:
    found = inspect_model(of_meta_graph(tmp_path))
    assert found.fetches == {"pred": "pred:0"}
    assert [(effect.name, effect.saver) for effect in found.effects] == [
        ("RestoreV2", 0),
        ("SaveV2", 0),
    ]
    assert found.random_ops == (RandomOp(name="RandomUniform", count=1, used=0),)
    assert found.written == (
        Fact(key="TensorFlow", value="1.15.0"),
        Fact(key="GraphDef", value="version 134"),
    )


def test_a_graph_whose_versions_were_not_recorded(tmp_path: Path) -> None:
    found = inspect_model(write_graph(tmp_path / "m.pb", producer=0))
    assert found.written == (Fact(key="GraphDef", value="versions not recorded"),)
    assert found.constants == Variables(count=2, parameters=0, bytes=0)


def needed(found: Inspection) -> list[str]:
    return [file.name for file in found.beside if file.needed]


def test_what_is_missing(tmp_path: Path) -> None:
    assert needed(inspect_model(of_keras(tmp_path))) == ["custom_objects.py"]
    (tmp_path / "custom_objects.py").touch()
    found = inspect_model(tmp_path / "m.keras")
    assert needed(found) == []
    there = {file.name: file.path for file in found.beside if file.path is not None}
    assert there == {"custom_objects.py": tmp_path / "custom_objects.py"}


def test_what_weights_need(tmp_path: Path) -> None:
    assert needed(inspect_model(of_hdf5_weights(tmp_path))) == ["build.py"]


def test_loaders_by_era(tmp_path: Path) -> None:
    assert inspect_model(of_tflite(tmp_path)).loaders == {
        "1.15": ("lite.Interpreter",),
        "2.4": ("lite.Interpreter",),
        "2.5": ("lite.Interpreter", "lite.Interpreter.reference"),
        "2.15": ("lite.Interpreter", "lite.Interpreter.reference"),
        "2.16": ("lite.Interpreter", "lite.Interpreter.reference"),
        "2.16 with tf-keras": ("lite.Interpreter", "lite.Interpreter.reference"),
    }


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        inspect_model(tmp_path)


def test_a_part_of_training_that_is_a_saved_graph(tmp_path: Path) -> None:
    # Training graphs with the saver's nodes told apart, as SavedModels of TensorFlow 1 have them.
    message = SavedModel()
    graph = add_graph(message, {"serving_default": ({}, {})}, variables=False)
    training(graph.graph_def)
    graph.saver_def.save_tensor_name = b"save/control:0"
    graph.saver_def.restore_op_name = b"save/Assign"
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    Checkpoint().write(folder / "variables", "variables")
    found = inspect_model(folder)
    assert [(effect.name, effect.saver) for effect in found.effects] == [
        ("RestoreV2", 1),
        ("SaveV2", 1),
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damage_is_an_error_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    write = data.draw(st.sampled_from([saved_model, of_meta_graph, of_graph_def, of_keras]))
    path = write(folder / "net") if write is saved_model else write(folder)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    damaged = data.draw(st.sampled_from(files))
    content = bytearray(damaged.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with suppress(ModelError):
        render_inspection(inspect_model(path), width=80)
    shutil.rmtree(folder)
