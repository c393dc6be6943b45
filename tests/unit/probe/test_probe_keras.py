"""Names of Keras inputs and outputs, from the config as files have it."""

from __future__ import annotations

import json
import zipfile
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from probing import keras_config as probe
from probing.keras_model import Form, batch_of, form_of, named_outputs
from probing.keras_saved import outputs_as_told, saved_structure, specs_as_told, told_by
from probing.tensors import Spec


class Shape(tuple[int | None, ...]):
    """As much of a TensorShape as is asked for."""

    @property
    def rank(self) -> int:
        return len(self)

    def as_list(self) -> list[int | None]:
        return list(self)


TF = SimpleNamespace(
    dtypes=SimpleNamespace(float32=1, int64=2, string=3),
    as_dtype=lambda dtype: SimpleNamespace(name=dtype),
    TensorShape=Shape,
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
    assert specs({"layers": layers}, tensor) == [Spec("hidden_input", "float32", [None, 4])]
    assert names(probe.keras_structures({"layers": layers})[1]) == ["probabilities"]


def test_a_sequential_model_with_an_input_layer() -> None:
    config = {"name": "features", "batch_shape": [None, 4], "dtype": "int64"}
    layers = [
        {"class_name": "InputLayer", "config": config},
        {"class_name": "Dense", "config": {"name": "d"}},
    ]
    assert specs({"layers": layers}) == [Spec("features", "int64", [None, 4])]


def test_what_the_file_leaves_open_the_loaded_model_says() -> None:
    config = {"name": "a", "dtype": {"class_name": "DTypePolicy"}}
    functional = {
        "layers": [{"class_name": "InputLayer", "config": config}],
        "input_layers": {"key": ["a", 0, 0]},
        "output_layers": ["a", 0, 0],
    }
    tensor = SimpleNamespace(dtype="string", shape=(None, 2))
    assert specs(functional, tensor) == [Spec("key", "string", [None, 2])]
    assert specs(functional) == [Spec("key", None, None)]


def test_a_model_without_config_has_one_input() -> None:
    assert probe.keras_structures({}) == (["input_1", 0, 0], [])


def test_the_config_of_the_file_comes_first(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.h5", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": []}}))
    loaded = SimpleNamespace(get_config=lambda: {"name": "loaded"})
    assert probe.keras_config(tmp_path / "model.h5", loaded) == {"layers": []}
    assert probe.keras_config(tmp_path, loaded) == {"name": "loaded"}
    assert probe.keras_config(tmp_path, SimpleNamespace()) == {}


def test_a_model_that_is_from_no_file_says_it_itself(tmp_path: Path) -> None:
    loaded = SimpleNamespace(get_config=lambda: [{"class_name": "Dense"}])
    assert probe.keras_config(None, loaded) == {"layers": [{"class_name": "Dense"}]}


def test_a_subclassed_model_was_built_for_a_shape(tmp_path: Path) -> None:
    whole = {"config": {"name": "own"}, "build_config": {"input_shape": [32, 7]}}
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(whole))
    config = probe.keras_config(tmp_path / "model.keras", SimpleNamespace())
    assert specs(config) == [Spec("input_1", None, [None, 7])]


def form(names: list[str], told: dict[str, Any] | None = None) -> Form:
    return Form([], [], names, names, told)


def test_outputs_are_named_by_the_config_where_it_fits() -> None:
    assert named_outputs("a", form(["x"])) == {"x": "a"}
    assert named_outputs({"k": "a", "b": ["c", "d"]}, form(["x", "y", "z"])) == {
        "x": "c",
        "y": "d",
        "z": "a",
    }
    assert named_outputs(["a", "b"], form(["x"])) == {"output_0": "a", "output_1": "b"}
    assert named_outputs({"k": "a", "b": "c"}, form([])) == {"b": "c", "k": "a"}
    assert named_outputs({"k": ["a", "b"]}, form([])) == {"k": "a", "k_1": "b"}


@pytest.mark.parametrize(
    ("names", "layers", "told", "expected"),
    [
        (["z", "y"], ["add", "dense"], ["add", "dense"], ["add", "dense"]),  # keys of a dict
        (["y", "z"], [], ["z", "y"], ["y", "z"]),  # a dict of a subclassed model
        (["output_0", "output_1"], [], ["output_2", "output_1"], ["output_1", "output_2"]),
        (["softmax"], ["softmax"], ["probabilities"], ["probabilities"]),
        (["a", "b"], ["c", "d"], ["e", "f"], ["a", "b"]),  # nothing tells which is which
        (["a", "b"], ["c", "d"], ["a"], ["a", "b"]),
    ],
)
def test_outputs_of_a_saved_model_are_named_as_its_signature_does(
    names: list[str], layers: list[str], told: list[str], expected: list[str]
) -> None:
    assert outputs_as_told(names, layers, dict.fromkeys(told)) == expected


def info(dtype: str, *shape: int) -> Any:
    """As much of a TensorInfo as is asked for."""
    return SimpleNamespace(dtype=dtype, tensor_shape=shape)


def test_inputs_of_a_saved_model_are_named_as_its_signature_does() -> None:
    told = {"a": info("float32", 3, 4), "b": info("int64", 3)}
    keyed = [Spec("j", None, None), Spec("k", "float32", [None, 4])]
    assert specs_as_told(TF, keyed, ["b", "a"], told) == [
        Spec("b", "int64", [3]),
        Spec("a", "float32", [None, 4]),
    ]
    assert specs_as_told(TF, keyed, ["c", "d"], told) == keyed
    one = [Spec("input_1", None, None)]
    assert specs_as_told(TF, one, ["x"], {"a": told["a"]}) == [Spec("a", "float32", [3, 4])]


def test_the_signature_that_tells_is_the_one_that_is_called() -> None:
    signature = SimpleNamespace(inputs={"x": 1}, outputs={"y": 2})
    assert told_by({"serving_default": signature}, None) == ({"x": 1}, {"y": 2})
    assert told_by({"serving_default": signature}, "other") is None
    assert told_by({"other": signature}, "other") == ({"x": 1}, {"y": 2})


def test_a_subclassed_model_tells_the_structure_it_takes() -> None:
    spec = SimpleNamespace(name=None)
    named = SimpleNamespace(name="q")
    model = SimpleNamespace(_saved_model_inputs_spec={"w": [spec, named], "u": spec})
    assert saved_structure(model) == {
        "u": ["input_1", 0, 0],
        "w": [["input_2", 0, 0], ["q", 0, 0]],
    }
    assert saved_structure(SimpleNamespace()) is None


def tensorflow(*, eager: bool) -> SimpleNamespace:
    return SimpleNamespace(
        init_scope=nullcontext,
        executing_eagerly=lambda: eager,
        convert_to_tensor=lambda array: (array,),
    )


EAGER, GRAPH = tensorflow(eager=True), tensorflow(eager=False)


def test_a_batch_has_the_structure_that_the_model_takes() -> None:
    one, two = Spec("a", None, None), Spec("b", None, None)
    assert batch_of(EAGER, Form([one], ["a", 0, 0], [], [], None), {"a": 1}) == (1,)
    assert batch_of(EAGER, Form([one], {"k": ["a", 0, 0]}, [], [], None), {"a": 1}) == {"k": (1,)}
    pair = Form([one, two], [["a", 0, 0], ["b", 0, 0]], [], [], None)
    assert batch_of(EAGER, pair, {"b": 2, "a": 1}) == [(1,), (2,)]
    assert batch_of(GRAPH, pair, {"b": 2, "a": 1}) == [1, 2]
    assert batch_of(GRAPH, Form([one], [["a", 0, 0]], [], [], None), {"a": 1}) == 1


def test_a_model_that_says_nothing_is_given_a_dict() -> None:
    unknown = Form([Spec("input_1", None, None)], ["input_1", 0, 0], [], [], None)
    assert batch_of(EAGER, unknown, {"u": 1, "w": 2}) == {"u": (1,), "w": (2,)}
    assert batch_of(GRAPH, unknown, {"u": 1, "w": 2}) == {"u": 1, "w": 2}


def test_the_form_of_a_model_has_both_names_of_its_outputs() -> None:
    layers = [{"class_name": "InputLayer", "config": {"name": "a", "batch_shape": [None, 2]}}]
    config = {
        "layers": layers,
        "input_layers": [["a", 0, 0]],
        "output_layers": {"z": ["dense", 0, 0], "y": ["add", 0, 0]},
    }
    found = form_of(TF, SimpleNamespace(inputs=None), config)
    assert (found.names, found.layers) == (["y", "z"], ["add", "dense"])
    assert found.specs == [Spec("a", None, [None, 2])]
    saved = {"w": ["w", 0, 0]}
    assert form_of(TF, SimpleNamespace(), config, saved).inputs == [["a", 0, 0]]
    assert form_of(TF, SimpleNamespace(), {}, saved).inputs == saved
