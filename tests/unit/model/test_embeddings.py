from __future__ import annotations

from typing import Any

import pytest

from harness.model.embeddings import embedding_ranges


def layer(class_name: str, name: str, inbound: Any = (), **config: Any) -> dict[str, Any]:
    return {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": list(inbound),
    }


def keras_2(*sources: str) -> list[Any]:
    return [[[source, 0, 0, {}] for source in sources]]


def keras_3(*sources: str) -> list[Any]:
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [source, 0, 0]}}
        for source in sources
    ]
    return [{"args": [tensors if len(tensors) > 1 else tensors[0]], "kwargs": {}}]


def functional(inputs: Any, *layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Functional", "config": {"layers": layers, "input_layers": inputs}}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


@pytest.mark.parametrize("inbound", [keras_2, keras_3])
def test_inputs_of_embeddings(inbound: Any) -> None:
    config = functional(
        [["words", 0, 0], ["numbers", 0, 0], ["tags", 0, 0]],
        layer("InputLayer", "words"),
        layer("InputLayer", "numbers"),
        layer("InputLayer", "tags"),
        layer("Embedding", "e1", inbound("words"), input_dim=100),
        layer("Embedding", "e2", inbound("words"), input_dim=60),
        layer("Embedding", "e3", inbound("tags"), input_dim=7),
        layer("Dense", "d", inbound("numbers"), units=2),
        layer("Concatenate", "c", inbound("e1", "e2", "d")),
    )
    assert embedding_ranges(config) == {"words": (0.0, 60.0), "tags": (0.0, 7.0)}


def test_inputs_by_key_have_the_key_as_their_name() -> None:
    config = functional(
        {"b": {"deep": ["layer_b", 0, 0]}, "a": ["layer_a", 0, 0]},
        layer("InputLayer", "layer_a"),
        layer("InputLayer", "layer_b"),
        layer("Embedding", "e", keras_3("layer_b"), input_dim=9),
    )
    assert embedding_ranges(config) == {"b/deep": (0.0, 9.0)}


def test_an_input_that_is_the_only_one_and_not_in_a_list() -> None:
    config = functional(
        ["words", 0, 0],
        layer("InputLayer", "words"),
        layer("Embedding", "e", keras_2("words"), input_dim=3),
    )
    assert embedding_ranges(config) == {"words": (0.0, 3.0)}


def test_sequential_models() -> None:
    embedding = layer("Embedding", "e", input_dim=5)
    assert embedding_ranges(sequential(embedding)) == {"e_input": (0.0, 5.0)}
    assert embedding_ranges(sequential(layer("InputLayer", "x"), embedding)) == {"x": (0.0, 5.0)}
    assert embedding_ranges(sequential(layer("Dense", "d"), embedding)) == {}
    assert embedding_ranges(sequential(layer("InputLayer", "x"))) == {}
    old = {"class_name": "Sequential", "config": [embedding]}  # Keras before 2.2.3
    assert embedding_ranges(old) == {"e_input": (0.0, 5.0)}


def test_a_model_in_a_model() -> None:
    inner = sequential(layer("Embedding", "e", input_dim=50), layer("Flatten", "f"))
    nested = {**inner, "name": "inner", "inbound_nodes": keras_3("x")}
    config = functional([["x", 0, 0]], layer("InputLayer", "x"), nested)
    assert embedding_ranges(config) == {"x": (0.0, 50.0)}
    assert embedding_ranges(sequential(nested)) == {"s_input": (0.0, 50.0)}


def test_a_model_of_two_inputs_in_a_model_tells_nothing() -> None:
    inner = functional(
        [["a", 0, 0], ["b", 0, 0]],
        layer("InputLayer", "a"),
        layer("InputLayer", "b"),
        layer("Embedding", "e", keras_2("a"), input_dim=50),
    )
    nested = {**inner, "name": "inner", "inbound_nodes": keras_2("x", "y")}
    config = functional(
        [["x", 0, 0], ["y", 0, 0]], layer("InputLayer", "x"), layer("InputLayer", "y"), nested
    )
    assert embedding_ranges(config) == {}


@pytest.mark.parametrize("size", [0, -1, 2**31, "100", None, True, 1.5])
def test_sizes_that_are_none(size: object) -> None:
    assert embedding_ranges(sequential(layer("Embedding", "e", input_dim=size))) == {}


def deep(depth: int) -> Any:
    structure: Any = "x"
    for _ in range(depth):
        structure = [structure]
    return structure


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"config": None},
        {"config": {"layers": [], "input_layers": []}},
        {"config": {"layers": [{}]}},
        {"config": {"layers": "abc", "input_layers": [["a", 0, 0]]}},
        functional([["gone", 0, 0]], layer("Embedding", "e", keras_2("x"), input_dim=3)),
        functional(deep(100), layer("InputLayer", "x")),
        functional([["x", 0, 0]], layer("Embedding", "e", deep(100), input_dim=3)),
        functional([["x", 0, 0]], layer("Embedding", "e", keras_2("x"))),
    ],
)
def test_configs_that_tell_nothing(config: dict[str, Any]) -> None:
    assert embedding_ranges(config) == {}


def test_models_in_models_in_models_end() -> None:
    config = sequential(layer("Embedding", "e", input_dim=5))
    for _ in range(50):
        config = sequential({**config, "name": "m"})
    assert embedding_ranges(config) == {}
