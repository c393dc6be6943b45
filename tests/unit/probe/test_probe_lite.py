"""TensorFlow Lite: what a file says of its inputs, and how an interpreter is called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from probing.flatbuffer import LiteTensor, Signature, signatures_of
from probing.lite import Lite, call_of, entry_of_lite, load_reference, run
from probing.requests import DEFAULTS
from probing.tensors import Spec

from tests.support.tflite_files import (
    INT8,
    INT32,
    STRING,
    LiteGraph,
    LiteModel,
    LiteSignature,
)
from tests.support.tflite_files import LiteTensor as Written


def signatures(model: LiteModel) -> Any:
    return signatures_of(model.data())


def test_without_a_signature_tensors_name_the_inputs() -> None:
    graph = LiteGraph(
        tensors=(
            Written("x", (1, 4), signature=(-1, 4)),
            Written("x", (2,), INT8),
            Written("", (3,), INT32, has_rank=True),
            Written("y", (), STRING, has_rank=True),
            Written("z", ()),
        ),
        inputs=(0, 1, 2),
        outputs=(3, 4),
    )
    assert signatures(LiteModel(graphs=(graph,))) == [
        Signature(
            None,
            0,
            {
                "x": LiteTensor(0, "x", "float32", [None, 4]),
                "x_1": LiteTensor(1, "x", "int8", [2]),
                "tensor_2": LiteTensor(2, "", "int32", [3]),
            },
            {
                "y": LiteTensor(3, "y", "string", []),
                "z": LiteTensor(4, "z", "float32", None),
            },
        )
    ]


def test_signatures_name_tensors_of_their_own_graph() -> None:
    first = LiteGraph((Written("a"), Written("b")))
    second = LiteGraph((Written("c", (7,)), Written("d"), Written("e")), inputs=(2,), outputs=(1,))
    model = LiteModel(
        graphs=(first, second),
        signatures=(
            LiteSignature("serving_default", {"x": 0}, {"y": 1}),
            LiteSignature("other", {"q": 2}, {"r": 1, "s": 0}, graph=1),
        ),
    )
    default, other = signatures(model)
    assert (default.key, default.subgraph, default.inputs["x"].name) == ("serving_default", 0, "a")
    assert (other.key, other.subgraph) == ("other", 1)
    assert {name: tensor.index for name, tensor in other.outputs.items()} == {"r": 1, "s": 0}
    assert other.outputs["s"].shape == [7]


class Interpreter:
    """An interpreter that doubles what it is given, and knows what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.values: dict[int, Any] = {}

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 0, "shape": np.array([1, 4])}]

    def resize_tensor_input(self, index: int, shape: tuple[int, ...]) -> None:
        self.asked.append(("resize", index, shape))

    def allocate_tensors(self) -> None:
        self.asked.append("allocate")

    def reset_all_variables(self) -> None:
        self.asked.append("reset")

    def set_tensor(self, index: int, array: np.ndarray) -> None:
        self.values[index] = array

    def invoke(self) -> None:
        self.asked.append("invoke")

    def get_tensor(self, index: int) -> Any:
        return self.values[index - 5] * 2


class NewInterpreter(Interpreter):
    """One of 2.5 and newer."""

    def get_signature_list(self) -> dict[str, Any]:
        return {}

    def get_signature_runner(self, key: str) -> Any:
        return lambda **arrays: {"y": (key, arrays)}


SIGNATURE = Signature(
    "serving_default",
    0,
    {"x": LiteTensor(0, "a", "float32", [None, 4])},
    {"y": LiteTensor(5, "b", "float32", [None, 4])},
)


def test_the_main_graph_is_run_with_the_shape_that_is_given() -> None:
    interpreter = Interpreter()
    found = run(interpreter, SIGNATURE, {"x": np.ones((3, 4), np.float32)})
    assert found["y"].tolist() == [[2] * 4] * 3
    assert interpreter.asked == [("resize", 0, (3, 4)), "allocate", "reset", "invoke"]
    interpreter.asked.clear()
    run(interpreter, SIGNATURE, {"x": np.ones((1, 4), np.float32)})
    assert interpreter.asked == ["allocate", "reset", "invoke"]


def test_a_signature_is_run_as_the_release_can() -> None:
    assert call_of(NewInterpreter(), SIGNATURE)({"x": 1}) == {"y": ("serving_default", {"x": 1})}
    old = call_of(Interpreter(), SIGNATURE)
    assert old({"x": np.ones((1, 4), np.float32)})["y"].tolist() == [[2] * 4]
    with pytest.raises(ValueError, match="cannot run the signature 'serving_default'"):
        call_of(Interpreter(), SIGNATURE._replace(subgraph=1))


def entry(*found: Signature, **request: Any) -> Any:
    lite = Lite(NewInterpreter(), {signature.key: signature for signature in found})
    return entry_of_lite(None, {**DEFAULTS, **request}, lite)


def test_the_signature_is_the_one_asked_for() -> None:
    other = SIGNATURE._replace(key="other")
    assert entry(SIGNATURE, other).signature == "serving_default"
    assert entry(SIGNATURE, other, signature="other").signature == "other"
    with pytest.raises(ValueError, match="no signature 'none'; it has: other, serving_default"):
        entry(SIGNATURE, other, signature="none")
    unnamed = SIGNATURE._replace(key=None)
    assert entry(unnamed).signature is None
    with pytest.raises(ValueError, match="no signature 'other'; it has: none"):
        entry(unnamed, signature="other")


def test_an_input_without_a_rank_is_a_scalar_unless_one_is_given() -> None:
    any_rank = SIGNATURE._replace(inputs={"x": LiteTensor(0, "a", "float32", None)})
    assert entry(any_rank).inputs == [Spec("x", "float32", [])]
    assert entry(any_rank, inputs="inputs.npz").inputs == [Spec("x", "float32", None)]
    assert entry(any_rank, dimensions={"x": [2]}).inputs == [Spec("x", "float32", None)]


def test_releases_without_a_choice_of_kernels_say_so() -> None:
    tf = SimpleNamespace(__version__="2.4.4", lite=SimpleNamespace(experimental=SimpleNamespace()))
    with pytest.raises(ValueError, match=r"from TensorFlow 2\.5 on; this is 2\.4\.4"):
        load_reference(tf, DEFAULTS, None)
