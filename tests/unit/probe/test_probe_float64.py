"""A graph made to compute in float64, without TensorFlow: types, constants, what is refused."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing.branches import without_dead_branches
from probing.float64 import NoFloat64Error, as_told, widened
from probing.frozen import cut, with_reached
from probing.refusals import random_operation, refusal
from probing.tensors import Tensor
from probing.widening import taken_instead, widen, widen_tensor

from harness.observation import TensorFacts
from harness.tensor import float64_facts
from tests.support.graph_protos import GraphDef, NodeDef, TensorProto, constant, node, op

FLOAT, DOUBLE, INT32, STRING, COMPLEX, INT64, BOOL, BFLOAT16, HALF = 1, 2, 3, 7, 8, 9, 10, 14, 19

OPS = {
    one.name: one
    for one in (
        op("Placeholder", "", "dtype"),
        op("Const", "", "dtype"),
        op("Identity"),
        op("MatMul", "T T", "T", FLOAT, DOUBLE),
        op("LRN", "T", "T", HALF, BFLOAT16, FLOAT),
        op("ResizeBilinear", f"T {INT32}", f"{FLOAT}"),
        op("ParseExample", f"{STRING} Tdense*", f"{INT64} Tdense*"),
        op("ArgMax", f"T {INT32}", "output_type"),
        op("While", "T*", "T*"),
        op("RandomUniform", "T", "dtype"),
        op("Bitcast", "T", "type"),
        op("FusedBatchNormV3", "T U U U U", "T U U U U U"),
        op("Custom"),
        op("TensorArrayReadV3", f"20 {INT32} {FLOAT}", "dtype"),
        op("TensorArrayWriteV3", f"20 {INT32} T {FLOAT}", f"{FLOAT}"),
    )
}


def has_kernel(name: str, types: dict[str, int]) -> bool:
    return name != "Custom"


def why(graph: Any) -> str | None:
    return refusal(graph, OPS.get, has_kernel)


def numbers(tensor: Any) -> list[Any]:
    """What a TensorProto holds, read as its documentation says."""
    if tensor.tensor_content:
        kind = {DOUBLE: "<f8", 18: "<c16"}[tensor.dtype]
        return np.frombuffer(tensor.tensor_content, kind).tolist()
    if tensor.dtype == 18:
        pairs = list(tensor.dcomplex_val)
        return [complex(*pairs[i : i + 2]) for i in range(0, len(pairs), 2)]
    return list(tensor.double_val)


@given(st.lists(st.floats(width=32), min_size=1))
def test_every_float32_keeps_its_value(values: list[float]) -> None:
    content = struct.pack(f"<{len(values)}f", *values)
    for tensor in (
        TensorProto(dtype=FLOAT, tensor_content=content),
        TensorProto(dtype=FLOAT, float_val=values),
    ):
        widen_tensor(tensor)
        assert tensor.dtype == DOUBLE
        assert not tensor.float_val
        np.testing.assert_array_equal(numbers(tensor), values)


@given(st.lists(st.floats(width=16), min_size=1))
def test_every_float16_keeps_its_value(values: list[float]) -> None:
    content = struct.pack(f"<{len(values)}e", *values)
    bits = struct.unpack(f"<{len(values)}H", content)
    for tensor in (
        TensorProto(dtype=HALF, tensor_content=content),
        TensorProto(dtype=HALF, half_val=bits),
    ):
        widen_tensor(tensor)
        np.testing.assert_array_equal(numbers(tensor), values)


def test_bfloat16_is_the_upper_half_of_a_float32() -> None:
    values = [1.0, -2.5, 3.0e38, 2.0**-133, 0.0]
    bits = [struct.unpack("<I", struct.pack("<f", value))[0] >> 16 for value in values]
    exact = [struct.unpack("<f", struct.pack("<I", one << 16))[0] for one in bits]
    for tensor in (
        TensorProto(dtype=BFLOAT16, half_val=bits),
        TensorProto(dtype=BFLOAT16, tensor_content=struct.pack("<5H", *bits)),
    ):
        widen_tensor(tensor)
        assert numbers(tensor) == exact
    fed = Tensor("x", "bfloat16", np.array(bits, np.uint16))
    assert widened(fed).tolist() == exact


def test_complex_numbers_and_others() -> None:
    listed = TensorProto(dtype=COMPLEX, scomplex_val=[0.5, -1, 2, 0.25])
    packed = TensorProto(dtype=COMPLEX, tensor_content=struct.pack("<4f", 0.5, -1, 2, 0.25))
    for tensor in (listed, packed):
        widen_tensor(tensor)
        assert tensor.dtype == 18
        assert numbers(tensor) == [0.5 - 1j, 2 + 0.25j]
    whole = TensorProto(dtype=INT32, int_val=[7])
    widen_tensor(whole)
    assert (whole.dtype, list(whole.int_val)) == (INT32, [7])


def test_one_number_may_still_stand_for_all() -> None:
    tensor = TensorProto(dtype=FLOAT, float_val=[0.5])
    tensor.tensor_shape.dim.add(size=1_000_000)
    widen_tensor(tensor)
    assert list(tensor.double_val) == [0.5]


def test_types_change_everywhere_and_nothing_else_does() -> None:
    graph = GraphDef()
    node(graph, "x", "Placeholder", dtype=FLOAT)
    constant(graph, "w", FLOAT, float_val=[0.5])
    node(graph, "y", "MatMul", "x", "w", T=FLOAT, transpose_a=True)
    node(graph, "to32", "Cast", "y", SrcT=FLOAT, DstT=FLOAT)
    loop = node(graph, "loop", "While", "to32", T=[FLOAT, INT32, HALF, COMPLEX])
    loop.attr["body"].func.name = "body"
    loop.attr["body"].func.attr["T"].type = FLOAT
    node(graph, "which", "ArgMax", "y", "axis", T=FLOAT, output_type=INT64)
    node(graph, "state", "RefIdentity", T=100 + FLOAT)
    function = graph.library.function.add()
    function.signature.name = "body"
    function.signature.input_arg.add(type=FLOAT)
    function.signature.output_arg.add(type=INT32)
    inner = function.node_def.add(name="h", op="Relu", input=["a"])
    inner.attr["T"].type = BFLOAT16
    assert widen(graph, OPS.get) == {}
    by_name = {one.name: one for one in graph.node}
    assert by_name["x"].attr["dtype"].type == DOUBLE
    assert by_name["w"].attr["dtype"].type == by_name["w"].attr["value"].tensor.dtype == DOUBLE
    assert by_name["y"].attr["T"].type == DOUBLE
    assert by_name["y"].attr["transpose_a"].b is True
    assert by_name["to32"].attr["DstT"].type == DOUBLE
    assert list(loop.attr["T"].list.type) == [DOUBLE, INT32, DOUBLE, 18]
    assert loop.attr["body"].func.attr["T"].type == DOUBLE
    assert by_name["which"].attr["output_type"].type == INT64
    assert by_name["state"].attr["T"].type == 100 + DOUBLE
    assert function.signature.input_arg[0].type == DOUBLE
    assert function.signature.output_arg[0].type == INT32
    assert inner.attr["T"].type == DOUBLE
    assert [list(one.input) for one in graph.node[2:4]] == [["x", "w"], ["y"]]


def test_what_says_how_to_compile_a_node_goes() -> None:
    graph = GraphDef()
    node(graph, "x", "Placeholder", dtype=FLOAT, _XlaMustCompile=True, _output_shapes=b"")
    widen(graph, OPS.get)
    assert sorted(graph.node[0].attr) == ["dtype"]


def test_what_reads_values_stays_and_what_it_gives_is_widened() -> None:
    graph = GraphDef()
    node(graph, "text", "Placeholder", dtype=STRING)
    constant(graph, "default", FLOAT, float_val=[0.1])
    node(graph, "parsed", "ParseExample", "text", "default", "^text", Tdense=[FLOAT])
    node(graph, "y", "Identity", "parsed:1", T=FLOAT)
    node(graph, "n", "Identity", "parsed", T=INT64)
    assert why(graph) is None
    moved = widen(graph, OPS.get)
    by_name = {one.name: one for one in graph.node}
    assert moved == {"parsed:1": "parsed/wide_1"}
    assert list(by_name["parsed"].input) == ["text", "parsed/narrow_1", "^text"]
    assert list(by_name["parsed"].attr["Tdense"].list.type) == [FLOAT]
    assert list(by_name["y"].input) == ["parsed/wide_1"]
    assert list(by_name["n"].input) == ["parsed"]
    before, after = by_name["parsed/narrow_1"], by_name["parsed/wide_1"]
    assert [before.input[0], after.input[0]] == ["default", "parsed:1"]
    assert [one.attr[key].type for one in (before, after) for key in ("SrcT", "DstT")] == [
        DOUBLE,
        FLOAT,
        FLOAT,
        DOUBLE,
    ]
    assert taken_instead(moved, "parsed:1") == "parsed/wide_1"
    assert taken_instead(moved, "y") == "y"


def test_what_orders_a_loop_stays_a_float32() -> None:
    graph = GraphDef()
    node(graph, "array", "Placeholder", dtype=20)
    node(graph, "x", "Placeholder", dtype=FLOAT)
    node(graph, "flow", "Placeholder", dtype=FLOAT)
    node(graph, "write", "TensorArrayWriteV3", "array", "i", "x", "flow", T=FLOAT)
    node(graph, "next", "Identity", "write", T=FLOAT)
    node(graph, "read", "TensorArrayReadV3", "array", "i", "next", dtype=FLOAT)
    assert why(graph) is None
    assert widen(graph, OPS.get) == {"write:0": "write/wide_0"}
    by_name = {one.name: one for one in graph.node}
    assert list(by_name["write"].input) == ["array", "i", "x", "write/narrow_3"]
    assert by_name["write"].attr["T"].type == by_name["read"].attr["dtype"].type == DOUBLE
    assert list(by_name["next"].input) == ["write/wide_0"]
    assert list(by_name["read"].input) == ["array", "i", "read/narrow_2"]
    assert list(by_name["read/narrow_2"].input) == ["next"]


def normalisation(graph: Any, *, training: bool | None = False, layout: bytes = b"NHWC") -> Any:
    for name in ("scale", "offset", "mean", "variance"):
        constant(graph, name, FLOAT, float_val=[1.0])
    node(graph, "x", "Placeholder", dtype=FLOAT)
    attributes = {} if training is None else {"is_training": training}
    inputs = ("x", "scale", "offset", "mean", "variance", "^x")
    return node(
        graph, "bn", "FusedBatchNormV3", *inputs, T=FLOAT, U=FLOAT, epsilon=0.001,
        data_format=layout, **attributes,
    )  # fmt: skip


def computed(graph: Any, name: str, x: np.ndarray, weights: dict[str, np.ndarray]) -> Any:
    """What the arithmetic of a graph gives, step by step in NumPy."""
    nodes = {one.name: one for one in graph.node}
    one = nodes[name]
    if one.op == "Placeholder":
        return x
    if name in weights:
        return weights[name]
    if one.op == "Const":
        tensor = one.attr["value"].tensor
        return np.array(list(tensor.double_val) or list(tensor.int_val)).reshape(
            [dim.size for dim in tensor.tensor_shape.dim]
        )
    left, *right = [
        computed(graph, each, x, weights) for each in one.input if not each.startswith("^")
    ]
    return {
        "Add": lambda: left + right[0],
        "Sub": lambda: left - right[0],
        "Mul": lambda: left * right[0],
        "Rsqrt": lambda: 1 / np.sqrt(left),
        "Reshape": lambda: left.reshape(right[0]),
    }[one.op]()


@pytest.mark.parametrize(("layout", "axis"), [(b"NHWC", 3), (b"NCHW", 1), (b"NCDHW", 1)])
def test_batch_normalisation_becomes_arithmetic(layout: bytes, axis: int) -> None:
    graph = GraphDef()
    normalisation(graph, layout=layout)
    node(graph, "y", "Identity", "bn", T=FLOAT)
    node(graph, "m", "Identity", "bn:1", T=FLOAT)
    assert why(graph) is None
    moved = widen(graph, OPS.get)
    assert moved == {"bn:1": "mean", "bn:2": "variance"}
    by_name = {one.name: one for one in graph.node}
    assert list(by_name["y"].input) == ["bn"]
    assert list(by_name["m"].input) == ["mean"]
    assert "^x" in by_name["bn"].input
    state = np.random.RandomState(0)
    shape = [2] * len(layout)
    shape[axis] = 3
    x = state.standard_normal(shape)
    weights = {
        name: state.standard_normal(3) ** 2 for name in ("scale", "offset", "mean", "variance")
    }
    broad = {name: each.reshape([3] + [1] * (x.ndim - axis - 1)) for name, each in weights.items()}
    epsilon = float(np.float32(0.001))
    expected = (x - broad["mean"]) / np.sqrt(broad["variance"] + epsilon)
    expected = expected * broad["scale"] + broad["offset"]
    np.testing.assert_allclose(computed(graph, "bn", x, weights), expected, rtol=1e-14)


def graph_of(name: str, **attributes: Any) -> Any:
    graph = GraphDef()
    node(graph, "it", name, **attributes)
    return graph


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (graph_of("MatMul", T=FLOAT), None),
        (graph_of("LRN", T=FLOAT), "LRN has no float64 kernel on the CPU"),
        (graph_of("LRN", T=DOUBLE), None),
        (graph_of("Custom", T=FLOAT), "Custom has no float64 kernel on the CPU"),
        (graph_of("Custom", T=INT32), None),
        (
            graph_of("ResizeBilinear", T=FLOAT),
            "ResizeBilinear computes in float32 whatever it is given",
        ),
        (
            graph_of("DecodeJpeg"),
            "DecodeJpeg decodes an image, which each library does a little differently",
        ),
        (graph_of("QuantizedConv2D"), "QuantizedConv2D works on quantised numbers"),
        (
            graph_of("FakeQuantWithMinMaxVars"),
            "FakeQuantWithMinMaxVars works on quantised numbers",
        ),
        (graph_of("Dequantize"), "Dequantize works on quantised numbers"),
        (graph_of("PyFunc"), "PyFunc runs Python code"),
        (graph_of("XlaCallModule"), "XlaCallModule is compiled or computed apart"),
        (graph_of("_FusedConv2D", T=FLOAT), "_FusedConv2D was put there by an optimiser"),
        (graph_of("AssignAdd"), "AssignAdd changes what the model remembers"),
        (graph_of("VariableV2"), "VariableV2 is a variable without a value"),
        (graph_of("IteratorV2"), "IteratorV2 reads its inputs by itself"),
        (graph_of("Bitcast", T=FLOAT, type=INT32), "Bitcast takes numbers for their bits"),
        (graph_of("Bitcast", T=INT32, type=6), None),
        (
            graph_of("StatelessRandomUniformV2"),
            "StatelessRandomUniformV2 is random: a random model has no true outputs",
        ),
        (graph_of("RandomUniform", dtype=FLOAT), None),
        (graph_of("AssertNextDataset"), "AssertNextDataset reads its inputs by itself"),
        (graph_of("Assert"), None),
    ],
    ids=lambda value: value.node[0].op if hasattr(value, "node") else "",
)
def test_what_cannot_be_is_named(graph: Any, expected: str | None) -> None:
    assert why(graph) == expected


def test_whether_a_random_operation_matters_is_seen_when_it_runs() -> None:
    assert random_operation(graph_of("RandomUniform")) == "RandomUniform"
    assert random_operation(graph_of("TruncatedNormal")) == "TruncatedNormal"
    assert random_operation(graph_of("MatMul")) is None
    graph = graph_of("MatMul")
    graph.library.function.add().node_def.add(name="r", op="Multinomial")
    assert random_operation(graph) == "Multinomial"


def test_all_that_cannot_be_is_told_up_to_three() -> None:
    graph = GraphDef()
    for name in ("PyFunc", "DecodeJpeg", "LRN", "LRN", "Custom", "ResizeBilinear"):
        node(graph, name, name, T=FLOAT)
    assert why(graph) == (
        "PyFunc runs Python code; DecodeJpeg decodes an image, which each library does a little "
        "differently; LRN has no float64 kernel on the CPU (and 2 more operations)"
    )


@pytest.mark.parametrize("training", [True, None])
def test_normalisation_in_training_is_refused(training: bool | None) -> None:
    graph = GraphDef()
    normalisation(graph, training=training)
    assert str(why(graph)).startswith("FusedBatchNormV3 is in training mode")


def test_normalisation_whose_reserved_outputs_are_used_is_refused() -> None:
    graph = GraphDef()
    normalisation(graph)
    node(graph, "r", "Identity", "bn:4", T=FLOAT)
    assert why(graph) == "FusedBatchNormV3 gives its reserved outputs to something"


def test_what_is_rewired_cannot_be_within_a_function() -> None:
    graph = GraphDef()
    body = GraphDef()
    normalisation(body)
    graph.library.function.add().node_def.extend(body.node)
    assert why(graph) == "FusedBatchNormV3 is within a function that cannot be put in its place"


def test_only_functions_that_are_reached_are_kept() -> None:
    graph = GraphDef()
    node(graph, "call", "outer")
    for name, inner in (("outer", "If"), ("then", "Relu"), ("unused", "PyFunc")):
        function = graph.library.function.add()
        function.signature.name = name
        made = function.node_def.add(name="n", op=inner)
        if inner == "If":
            made.attr["then_branch"].func.name = "then"
            made.attr["branches"].list.func.add(name="missing")
    kept = with_reached(graph).library.function
    assert [function.signature.name for function in kept] == ["outer", "then"]
    assert len(graph.library.function) == 3


def branching(default: bool, **values: Any) -> Any:
    """`cond(learning, random + x, x)` as TensorFlow 1 writes it."""
    graph = GraphDef()
    constant(graph, "default", BOOL, **(values or {"bool_val": [default]}))
    node(graph, "learning", "PlaceholderWithDefault", "default", dtype=BOOL)
    node(graph, "x", "Placeholder", dtype=FLOAT)
    node(graph, "pred", "Identity", "learning", T=BOOL)
    node(graph, "switch", "Switch", "x", "pred", T=FLOAT)
    node(graph, "random", "RandomUniform", "^switch_t", dtype=FLOAT)
    node(graph, "switch_t", "Identity", "switch:1", T=FLOAT)
    node(graph, "trained", "Add", "switch:1", "random", T=FLOAT)
    node(graph, "merge", "Merge", "switch", "trained", T=FLOAT)
    node(graph, "y", "Identity", "merge", T=FLOAT)
    return graph


def test_the_branch_that_is_never_taken_goes() -> None:
    graph = branching(False)
    found = {one.name: one for one in without_dead_branches(graph).node}
    assert sorted({one.name for one in graph.node} - set(found)) == [
        "random",
        "switch_t",
        "trained",
    ]
    assert (found["switch"].op, list(found["switch"].input)) == ("IdentityN", ["x", "x"])
    assert (found["merge"].op, list(found["merge"].input)) == ("Identity", ["switch"])
    assert found["merge"].attr["T"].type == FLOAT
    assert list(found["switch"].attr["T"].list.type) == [FLOAT, FLOAT]


def test_the_other_branch_goes_where_the_constant_says_so() -> None:
    for graph in (branching(True), branching(True, tensor_content=b"\1")):
        found = {one.name: one for one in without_dead_branches(graph).node}
        assert "random" in found
        assert list(found["merge"].input) == ["trained"]


def test_branches_whose_predicate_is_not_known_stay() -> None:
    graph = branching(False)
    graph.node[1].op = "Placeholder"
    del graph.node[1].input[:]
    assert without_dead_branches(graph) is graph


def test_what_is_fed_has_nothing_before_it() -> None:
    graph = GraphDef()
    node(graph, "jpeg", "DecodeJpeg", "text")
    node(graph, "x", "Cast", "jpeg", SrcT=4, DstT=FLOAT)
    dtype = SimpleNamespace(base_dtype=SimpleNamespace(as_datatype_enum=FLOAT))
    fed = SimpleNamespace(op=SimpleNamespace(name="x", outputs=[0]), dtype=dtype)
    cut(graph, [fed])
    assert (graph.node[1].op, list(graph.node[1].input)) == ("Placeholder", [])
    assert graph.node[1].attr["dtype"].type == FLOAT
    assert graph.node[1].attr["shape"].shape.unknown_rank
    assert graph.node[0].op == "DecodeJpeg"


FACTS = [
    {"name": "b", "dtype": "bfloat16", "shape": [2]},
    {"name": "n", "dtype": "int64", "shape": []},
    {"name": "y", "dtype": "float32", "shape": [1, 2]},
]


def test_the_outputs_are_those_that_were_told() -> None:
    found = {
        "y": Tensor("y", "float64", np.zeros((1, 2))),
        "n": Tensor("n", "int64", np.array(3)),
        "b": Tensor("b", "float64", np.zeros(2)),
    }
    tensors = as_told(found, FACTS)
    told = [TensorFacts.model_validate(fact) for fact in FACTS]
    assert [(one.name, one.dtype, list(one.array.shape)) for one in tensors] == [
        (fact.name, fact.dtype, fact.shape) for fact in float64_facts(told)
    ]
    for name, other in (
        ("y", Tensor("y", "float64", np.zeros((2, 2)))),
        ("y", Tensor("y", "float32", np.zeros((1, 2), np.float32))),
        ("z", Tensor("z", "float64", np.zeros(1))),
    ):
        with pytest.raises(NoFloat64Error, match=r"gives (more|other) outputs"):
            as_told({**found, name: other}, FACTS)
    with pytest.raises(NoFloat64Error, match="gives other outputs: None"):
        as_told({"y": found["y"]}, FACTS)


def test_nodes_of_tensorflow_itself_have_the_same_fields() -> None:
    made = NodeDef(name="a", op="Cast", input=["b"])
    made.attr["T"].type = FLOAT
    assert made.attr["T"].WhichOneof("value") == "type"
