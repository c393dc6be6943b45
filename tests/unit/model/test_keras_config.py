from __future__ import annotations

from typing import Any

import pytest

from harness.model.keras_config import ConfigError, keras_signatures, read_json
from harness.model.model import TensorSpec
from tests.support.model_files import functional, layer


def inputs(config: dict[str, Any]) -> tuple[TensorSpec, ...]:
    signatures = keras_signatures(config)
    assert [signature.name for signature in signatures] in ([], ["call"])
    return signatures[0].inputs if signatures else ()


def spec(name: str, shape: tuple[int | None, ...] | None, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def test_one_input_of_a_functional_model() -> None:
    assert inputs(functional("x")) == (spec("x", (None, 4)),)


def test_several_inputs_keep_their_order() -> None:
    assert inputs(functional("z", "a")) == (spec("z", (None, 4)), spec("a", (None, 4)))


def test_keras_2_writes_batch_input_shape_and_nested_lists() -> None:
    config = functional("x")
    config["class_name"] = "Model"
    config["config"]["input_layers"] = [["x", 0, 0]]
    config["config"]["layers"][0]["config"] = {
        "name": "x",
        "batch_input_shape": [None, 3],
        "dtype": "int64",
    }
    assert inputs(config) == (spec("x", (None, 3), "int64"),)


def test_inputs_in_a_dict_are_named_by_its_keys() -> None:
    config = functional("layer_b", "layer_a")
    config["config"]["input_layers"] = {
        "b": ["layer_b", 0, 0],
        "a": {"deep": ["layer_a", 0, 0]},
    }
    assert [found.name for found in inputs(config)] == ["a/deep", "b"]


def test_a_layer_that_is_an_input_twice() -> None:
    config = functional("x")
    config["config"]["input_layers"] = [["x", 0, 0], ["x", 0, 1]]
    assert [found.name for found in inputs(config)] == ["x", "x_1"]


def test_policies_and_tuples_of_keras_3() -> None:
    config = functional("x")
    config["config"]["layers"][0]["config"].update(
        dtype={"class_name": "DTypePolicy", "config": {"name": "bfloat16"}},
        batch_shape={"class_name": "__tuple__", "items": [None, 2]},
    )
    assert inputs(config) == (spec("x", (None, 2), "bfloat16"),)


def sequential(first: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [first], **more}}


def test_a_sequential_model_with_an_input_layer() -> None:
    first = {"class_name": "InputLayer", "config": layer("x", (None, 7))}
    assert inputs(sequential(first)) == (spec("x", (None, 7)),)


def test_a_sequential_model_without_one() -> None:
    first = {"class_name": "Dense", "config": {"name": "d", "batch_input_shape": [None, 5]}}
    assert inputs(sequential(first)) == (spec("d_input", (None, 5), "unknown"),)
    assert inputs({"class_name": "Sequential", "config": [first]}) == (
        spec("d_input", (None, 5), "unknown"),
    )


def test_a_sequential_model_that_was_built() -> None:
    first = {"class_name": "Dense", "config": {"name": "d"}}
    config = sequential(first, build_input_shape=[None, 6])
    assert inputs(config) == (spec("d_input", (None, 6), "unknown"),)
    assert inputs(sequential(first)) == (spec("d_input", None, "unknown"),)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"config": None},
        {"config": {"units": 3}},
        {"config": {"layers": []}},
        {"config": {"layers": [None]}},
        {"config": {"layers": [], "input_layers": [["gone", 0, 0]]}},
        {"config": {"layers": [], "input_layers": 5}},
        {"config": []},
    ],
)
def test_a_config_that_does_not_say(config: dict[str, Any]) -> None:
    assert inputs(config) == ()


@pytest.mark.parametrize("shape", [[None, -1], [True], ["4"], [1.5], [1] * 40, "44", 7, [2**64]])
def test_shapes_no_tensor_has(shape: object) -> None:
    config = functional("x")
    config["config"]["layers"][0]["config"]["batch_shape"] = shape
    assert inputs(config) == (spec("x", None),)


def test_a_structure_without_end() -> None:
    structure: list[Any] = []
    structure.append(structure)
    config = functional("x")
    config["config"]["input_layers"] = structure
    assert inputs(config) == ()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"1" * 10_000, "is not JSON"),
        (b"[]", "is not a JSON object"),
    ],
)
def test_what_is_no_config(data: bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_json(data)
