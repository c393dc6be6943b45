from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.details import Kind, Lambda, Training
from harness.model.keras_names import is_keras_name
from harness.model.keras_objects import KerasObjects, find_objects, training_of
from tests.support.model_files import functional

BUILTIN = "Keras has no class or function of this name"


def sequential(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    config = {"name": "net", "layers": list(layers)}
    return {"class_name": "Sequential", "config": config, **more}


def layer(class_name: str, name: str = "l", /, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}


def found(config: dict[str, Any], keras: str | None = "2.11.0", **compiled: Any) -> KerasObjects:
    return find_objects([(config, Kind.MODEL), (compiled, Kind.OTHER)], keras)


def custom(objects: KerasObjects) -> list[tuple[str, str, tuple[str, ...], str]]:
    return [(item.name, item.kind.value, item.where, item.why) for item in objects.custom]


def test_layers_are_counted_where_they_come_first() -> None:
    inner = sequential(layer("Dense"), layer("Dropout"))
    objects = found(sequential(layer("InputLayer"), layer("Dense"), inner, layer("Dense")))
    assert objects.model_class == "Sequential"
    assert {item.name: item.count for item in objects.layers} == {
        "InputLayer": 1,
        "Dense": 3,
        "Sequential": 1,
        "Dropout": 1,
    }
    assert [item.name for item in objects.layers][:2] == ["InputLayer", "Dense"]
    assert objects.custom == ()


def test_a_model_as_keras_3_writes_it() -> None:
    policy = {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": "float32"},
        "registered_name": None,
    }
    dense = layer("Dense", dtype=policy, kernel={"class_name": "__tuple__", "items": [1]})
    dense |= {"module": "keras.layers", "registered_name": None}
    assert custom(found(sequential(dense), "3.8.0")) == []
    assert custom(found(functional("a", "b"), "3.8.0")) == []


@pytest.mark.parametrize(
    ("extra", "name", "why"),
    [
        ({}, "Blur", BUILTIN),
        (
            {"module": "__main__", "registered_name": "Blur"},
            "Blur",
            "of the Python module __main__",
        ),
        (
            {"module": None, "registered_name": "Acme>Blur"},
            "Acme>Blur",
            "registered in the package Acme",
        ),
        ({"module": "keras_hub.layers"}, "Blur", "of the Python module keras_hub.layers"),
        ({"module": "tensorflow_addons.x"}, "Blur", "of the Python module tensorflow_addons.x"),
    ],
)
def test_a_custom_layer(extra: dict[str, Any], name: str, why: str) -> None:
    blur = layer("Blur", "blur_1") | extra
    assert custom(found(sequential(blur, layer("Blur", "blur_2") | extra))) == [
        (name, "layer", ("blur_1", "blur_2"), why)
    ]


def test_layers_in_layers() -> None:
    wrapper = layer("Bidirectional", "both", layer=layer("Gate", "gate"))
    cells = layer("RNN", "rnn", cell=layer("StackedRNNCells", "s", cells=[layer("Tick", "t")]))
    assert custom(found(sequential(wrapper, cells))) == [
        ("Gate", "layer", ("gate",), BUILTIN),
        ("Tick", "layer", ("t",), BUILTIN),
    ]


def test_a_name_as_older_keras_registers_it() -> None:
    assert custom(found(sequential(layer("Acme>Blur")))) == [
        ("Acme>Blur", "layer", ("l",), "registered in the package Acme")
    ]
    # Keras 2.11 registered its own optimizers so.
    assert custom(found(sequential(), optimizer_config=layer("Custom>RMSprop"))) == []
    assert custom(found(sequential(), optimizer_config=layer("Custom>Mine")))[0][0] == "Custom>Mine"


def test_functions_that_are_named_by_a_text() -> None:
    dense = layer("Dense", "d", activation="wiggle", kernel_initializer="he_normal", name_="wiggle")
    assert custom(found(sequential(dense))) == [("wiggle", "object", ("d",), BUILTIN)]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ({"module": "builtins", "class_name": "function", "config": "relu"}, []),
        (
            {"module": "builtins", "class_name": "function", "config": "wiggle"},
            [("wiggle", "object", ("d",), BUILTIN)],
        ),
        (
            {"module": "mine", "class_name": "function", "config": "wiggle"},
            [("wiggle", "object", ("d",), "of the Python module mine")],
        ),
        (
            {"class_name": "function", "config": "w", "registered_name": "Acme>w"},
            [("w", "object", ("d",), BUILTIN)],
        ),
    ],
)
def test_functions_as_objects(function: dict[str, Any], expected: list[object]) -> None:
    assert custom(found(sequential(layer("Dense", "d", activation=function)))) == expected


def test_what_a_model_was_compiled_with() -> None:
    objects = found(
        sequential(layer("Dense")),
        loss={"a": "mse", "b": "my_loss"},
        metrics=[
            ["accuracy", layer("MeanMetricWrapper", "m", fn="my_metric")],
            layer("Mine", "f1"),
        ],
        weighted_metrics=None,
        optimizer_config=layer("Sofia", "s"),
    )
    assert [(item.name, item.kind) for item in objects.custom] == [
        ("my_loss", Kind.LOSS),
        ("my_metric", Kind.METRIC),
        ("Mine", Kind.METRIC),
        ("Sofia", Kind.OPTIMIZER),
    ]


def test_a_model_class_of_the_users() -> None:
    config = {"class_name": "Net", "config": {"name": "net"}, "registered_name": "Acme>Net"}
    objects = found(config)
    assert objects.model_class == "Net"
    assert custom(objects) == [("Acme>Net", "model", ("net",), "registered in the package Acme")]


CODE = base64.b64encode(b"\xe3" + bytes(120)).decode()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            [CODE + "\n", None, None],
            (True, "Python bytecode, 121 bytes: tied to the Python version that wrote it"),
        ),
        (
            {
                "class_name": "__lambda__",
                "config": {"code": CODE, "defaults": None, "closure": None},
            },
            (True, "Python bytecode, 121 bytes: tied to the Python version that wrote it"),
        ),
        (
            {"class_name": "__tuple__", "items": [CODE, None, None]},
            (True, "Python bytecode, 121 bytes: tied to the Python version that wrote it"),
        ),
        ("square", (False, "the function square, which has to be given in custom_objects.py")),
        (
            {"module": "mine", "class_name": "function", "config": "square"},
            (False, "the function square, which has to be given in custom_objects.py"),
        ),
        (["no base64!"], (False, "a function that cannot be told from its config")),
        (None, (False, "a function that cannot be told from its config")),
        (
            {"class_name": "__lambda__", "config": 3},
            (False, "a function that cannot be told from its config"),
        ),
    ],
)
def test_lambda_layers(function: Any, expected: tuple[bool, str]) -> None:
    objects = found(sequential(layer("Lambda", "scale", function=function)))
    bytecode, what = expected
    assert objects.lambdas == (Lambda(layer="scale", bytecode=bytecode, what=what),)


def test_training() -> None:
    compiled = {
        "optimizer": {"class_name": "Adam", "config": {}},
        "loss": {"class_name": "function", "config": "my_loss"},
        "metrics": ["acc", {"class_name": "MeanMetricWrapper", "config": {"fn": "mae"}}],
        "weighted_metrics": [{"class_name": "AUC", "config": {}}],
    }
    assert training_of(compiled, "there", 4) == Training(
        optimizer="Adam",
        loss=("my_loss",),
        metrics=("acc", "mae", "AUC"),
        variables=4,
        where="there",
    )
    assert training_of({}, "there", 0) is None
    assert training_of({}, "there", None) is None
    assert training_of({}, "there", 2) == Training(variables=2, where="there")


@pytest.mark.parametrize(
    ("name", "keras", "known"),
    [
        ("Dense", "2.0.5", True),
        ("dice", "2.8.0", False),  # came with Keras 3
        ("dice", "3.1.0", True),
        ("F1Score", "2.8.0", False),
        ("F1Score", "2.13.1", True),  # came somewhere between 2.8 and 2.15
        ("F1Score", "2.15.0", True),
        ("F1Score", None, True),
        ("dice", "nonsense", True),
        ("Dense", "2.2.4-tf", True),
        ("dice", "99.0", True),
        ("Blur", None, False),
    ],
)
def test_names_of_keras(name: str, keras: str | None, known: bool) -> None:
    assert is_keras_name(name, keras) is known


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "class_name",
                    "config",
                    "module",
                    "registered_name",
                    "layers",
                    "loss",
                    "fn",
                    "function",
                    "name",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["class_name", "config", "optimizer", "loss"]), JSON))
def test_nothing_breaks_it(config: dict[str, Any]) -> None:
    find_objects([(config, Kind.MODEL)], None)
    training_of(config, "", None)


def test_a_config_as_deep_as_json_can_be() -> None:
    config: dict[str, Any] = sequential(layer("Blur"))
    for _ in range(5_000):
        config = sequential(config)
    assert [item.name for item in found(config).custom] == ["Blur"]
