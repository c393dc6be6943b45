"""Names of Keras inputs and outputs, from the config as files have it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.probe import probe

TF = SimpleNamespace(
    dtypes=SimpleNamespace(float32=1, int64=2, string=3),
    as_dtype=lambda dtype: SimpleNamespace(name=dtype),
    TensorShape=lambda shape: SimpleNamespace(rank=len(shape), as_list=lambda: list(shape)),
)
"""As much of TensorFlow as is asked for names of types and shapes."""


def names(structure: Any) -> list[str]:
    found: list[str] = probe.unique([name for name, _ in probe.tensors_in(structure)])
    return found


def specs(config: dict[str, Any], *loaded: Any) -> list[Any]:
    inputs, _ = probe.keras_structures(config)
    found: list[Any] = probe.keras_specs(TF, config, inputs, SimpleNamespace(inputs=list(loaded)))
    return found


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        (["input_layer", 0, 0], ["input_layer"]),  # Keras 3, one tensor
        ([["input_1", 0, 0]], ["input_1"]),  # Keras 2
        ([["b", 0, 0], ["a", 0, 0]], ["b", "a"]),
        ([["lstm", 0, 0], ["lstm", 0, 1], ["lstm", 0, 2]], ["lstm", "lstm_1", "lstm_2"]),
        ({"z": ["a", 0, 0], "y": ["b", 0, 0]}, ["y", "z"]),
        ({"z": {"y": ["a", 0, 0]}}, ["z/y"]),
        ({"z": [["a", 0, 0], ["b", 0, 0]]}, ["z/a", "z/b"]),
        ([["a", 0, 0], ["a_1", 0, 0], ["a", 1, 0]], ["a", "a_1", "a_2"]),
        ([], []),
    ],
)
def test_names(structure: Any, expected: list[str]) -> None:
    assert names(structure) == expected


def test_values_are_packed_as_they_were_taken_apart() -> None:
    structure = {"z": ["a", 0, 0], "y": [["b", 0, 0], ["c", 0, 0]]}
    assert probe.packed(structure, iter([1, 2, 3])) == {"y": [1, 2], "z": 3}


def test_a_sequential_model_without_an_input_layer() -> None:
    layers = [
        {"class_name": "Dense", "config": {"name": "hidden", "batch_input_shape": [None, 4]}},
        {"class_name": "Dense", "config": {"name": "probabilities"}},
    ]
    tensor = SimpleNamespace(dtype="float32", shape=(None, None, 4))  # as Keras 3 misreads it
    assert specs({"layers": layers}, tensor) == [probe.Spec("hidden_input", "float32", [None, 4])]
    assert names(probe.keras_structures({"layers": layers})[1]) == ["probabilities"]


def test_a_sequential_model_with_an_input_layer() -> None:
    config = {"name": "features", "batch_shape": [None, 4], "dtype": "int64"}
    layers = [
        {"class_name": "InputLayer", "config": config},
        {"class_name": "Dense", "config": {"name": "d"}},
    ]
    assert specs({"layers": layers}) == [probe.Spec("features", "int64", [None, 4])]


def test_what_the_file_leaves_open_the_loaded_model_says() -> None:
    config = {"name": "a", "dtype": {"class_name": "DTypePolicy"}}
    functional = {
        "layers": [{"class_name": "InputLayer", "config": config}],
        "input_layers": {"key": ["a", 0, 0]},
        "output_layers": ["a", 0, 0],
    }
    tensor = SimpleNamespace(dtype="string", shape=(None, 2))
    assert specs(functional, tensor) == [probe.Spec("key", "string", [None, 2])]
    assert specs(functional) == [probe.Spec("key", None, None)]


def test_a_model_without_config_has_one_input() -> None:
    assert probe.keras_structures({}) == (["input_1", 0, 0], [])


def test_the_config_of_the_file_comes_first(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.h5", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": []}}))
    loaded = SimpleNamespace(get_config=lambda: {"name": "loaded"})
    assert probe.keras_config(tmp_path / "model.h5", loaded) == {"layers": []}
    assert probe.keras_config(tmp_path, loaded) == {"name": "loaded"}
    assert probe.keras_config(tmp_path, SimpleNamespace()) == {}


def test_outputs_are_named_by_the_config_where_it_fits() -> None:
    assert probe.named_outputs("a", ["x"]) == {"x": "a"}
    assert probe.named_outputs({"k": "a", "b": ["c", "d"]}, ["x", "y", "z"]) == {
        "x": "c",
        "y": "d",
        "z": "a",
    }
    assert probe.named_outputs(["a", "b"], ["x"]) == {"output_0": "a", "output_1": "b"}
    assert probe.named_outputs({"k": "a", "b": "c"}, []) == {"b": "c", "k": "a"}
