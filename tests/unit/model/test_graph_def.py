from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ModelError
from harness.model.graph_def import inspect_graph_def, read_graph_def
from harness.model.inspected import Inspected, Wiring
from harness.model.model import TensorSpec
from harness.model.settings import Settings, load_settings
from tests.support.graph_files import classifier, node, training, write_graph
from tests.support.model_files import FLOAT, INT64, STRING

BOOL = 10
NAME_OTHERS = "; name others in model.yaml (`inputs.NAME.tensor`, `outputs.NAME.tensor`)"
NAME_OUTPUTS = "\n  hint: name them in model.yaml (`outputs: {NAME: {tensor: NODE:0}}`)"


def read(
    tmp_path: Path, *parts: Callable[[Any], None], told: str = "", **options: int
) -> Inspected:
    path = write_graph(tmp_path / "m.pb", *parts, **options)
    (tmp_path / "model.yaml").write_text(told)
    return inspect_graph_def(path, load_settings(tmp_path / "model.yaml"))


def problems(tmp_path: Path, *parts: Callable[[Any], None], told: str = "") -> str:
    with pytest.raises(ModelError) as caught:
        read(tmp_path, *parts, told=told)
    return str(caught.value).replace(f"{tmp_path}/", "")


def fetched(tmp_path: Path, *parts: Callable[[Any], None]) -> dict[str, str]:
    return dict(read(tmp_path, *parts).wiring["call"].fetches)


def test_inputs_and_outputs_are_found(tmp_path: Path) -> None:
    found = read(tmp_path)
    (signature,) = found.signatures
    assert signature.name == "call"
    assert signature.inputs == (TensorSpec(name="x", dtype="float32", shape=(None, 4)),)
    # What a decision is made of is a result as much as the decision.
    assert signature.outputs == (
        TensorSpec(name="scores", dtype="float32", shape=(None, 3)),
        TensorSpec(name="class", dtype="int64", shape=None),
    )
    assert found.wiring == {
        "call": Wiring({"x": "x:0"}, {"scores": "scores:0", "class": "class:0"})
    }
    assert found.producer == 1395
    assert found.notes == ("outputs found in the graph: scores, class" + NAME_OTHERS,)


def test_tensors_that_are_told(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        told="inputs: {image: {tensor: x}}\noutputs: {z: {tensor: 'logits:0'}}",
    )
    assert found.wiring == {"call": Wiring({"image": "x:0"}, {"z": "logits:0"})}
    assert [spec.name for spec in found.signatures[0].inputs] == ["image"]
    assert found.notes == ()


def test_a_tensor_inside_the_graph_can_be_fed(tmp_path: Path) -> None:
    found = read(tmp_path, told="inputs: {logits: {tensor: 'logits:0'}}")
    assert found.wiring == {
        "call": Wiring({"logits": "logits:0"}, {"scores": "scores:0", "class": "class:0"})
    }
    assert found.signatures[0].inputs[0].shape == (None, 3)


def test_tensors_that_are_not_in_the_graph(tmp_path: Path) -> None:
    told = (
        "inputs:\n  a: {tensor: 'y:0'}\noutputs:\n  b: {tensor: score}\n  c: {tensor: 'logits:1'}"
    )
    assert problems(tmp_path, told=told) == (
        "model.yaml:2 inputs.a.tensor: the graph has no tensor 'y:0'\n"
        "model.yaml:4 outputs.b.tensor: the graph has no tensor 'score'\n"
        "  hint: did you mean 'scores'?\n"
        "model.yaml:5 outputs.c.tensor: 'logits' has no output 1\n"
        "  allowed: 0"
    )


def test_a_name_that_is_a_placeholders_too(tmp_path: Path) -> None:
    def two(graph: Any) -> None:
        node(graph, "a", "Placeholder", dtype=FLOAT)
        node(graph, "b", "Placeholder", dtype=FLOAT)
        node(graph, "sum", "Add", "a", "b", T=FLOAT)

    found = read(tmp_path, two, told="inputs: {a: {tensor: b}}")
    assert found.wiring["call"].feeds == {"a": "b:0", "a:0": "a:0"}


def test_defaults_are_no_inputs_unless_they_are_told(tmp_path: Path) -> None:
    def optional(graph: Any) -> None:
        node(graph, "x", "Placeholder", dtype=FLOAT)
        node(graph, "half", "Const", dtype=FLOAT)
        node(graph, "keep", "PlaceholderWithDefault", "half", dtype=FLOAT, shape=[])
        node(graph, "y", "Mul", "x", "keep", T=FLOAT)

    assert read(tmp_path, optional).wiring["call"].feeds == {"x": "x:0"}
    told = read(tmp_path, optional, told="inputs: {keep: {tensor: 'keep:0'}}")
    assert told.wiring["call"].feeds == {"keep": "keep:0", "x": "x:0"}
    assert told.signatures[0].inputs[0].shape == ()


@pytest.mark.parametrize(("producer", "shape"), [(21, None), (22, ())])
def test_scalars_of_old_graphs_are_of_any_shape(
    tmp_path: Path, producer: int, shape: tuple[int, ...] | None
) -> None:
    def scalar(graph: Any) -> None:
        node(graph, "x", "Placeholder", dtype=FLOAT, shape=[])
        node(graph, "y", "Neg", "x", T=FLOAT)

    assert read(tmp_path, scalar, producer=producer).signatures[0].inputs[0].shape == shape


def test_several_outputs_of_one_node(tmp_path: Path) -> None:
    def best(graph: Any) -> None:
        node(graph, "k", "Const", dtype=3)
        node(graph, "best", "TopKV2", "scores", "k", T=FLOAT)

    found = read(tmp_path, classifier, best)
    assert found.wiring["call"].fetches == {
        "class": "class:0",
        "best": "best:0",
        "best:1": "best:1",
    }
    assert [spec.dtype for spec in found.signatures[0].outputs] == ["int64", "float32", "int32"]


def test_types_that_are_not_known_are_not_claimed(tmp_path: Path) -> None:
    def odd(graph: Any) -> None:
        node(graph, "x", "Placeholder", dtype=STRING)
        node(graph, "y", "MyOwnOperation", "x", T=STRING)
        node(graph, "z", "Cast", "x", SrcT=STRING, DstT=INT64)
        node(graph, "calls", "PartitionedCall", "x", Tout=[FLOAT, BOOL])

    outputs = read(tmp_path, odd).signatures[0].outputs
    assert {spec.name: spec.dtype for spec in outputs} == {
        "y": "unknown",
        "z": "int64",
        "calls": "float32",
        "calls:1": "bool",
    }


def test_branches_that_may_not_be_taken_are_no_outputs(tmp_path: Path) -> None:
    def conditional(graph: Any) -> None:
        node(graph, "x", "Placeholder", dtype=FLOAT)
        node(graph, "p", "Placeholder", dtype=BOOL)
        node(graph, "cond/switch", "Switch", "x", "p", T=FLOAT)
        node(graph, "cond/unused", "Identity", "cond/switch:1", T=FLOAT)
        node(graph, "cond/neg", "Neg", "cond/switch", T=FLOAT)
        node(graph, "cond/Merge", "Merge", "cond/neg", "cond/switch:1", T=FLOAT)

    assert fetched(tmp_path, conditional) == {"cond/Merge": "cond/Merge:0"}


def test_what_a_lowered_conditional_leaves_is_no_output(tmp_path: Path) -> None:
    def lowered(graph: Any) -> None:
        node(graph, "cond/branch_executed/_13", "Identity", "logits", T=INT64)

    assert list(fetched(tmp_path, classifier, lowered)) == ["scores", "class"]


def test_assertions_prints_and_summaries_are_no_outputs(tmp_path: Path) -> None:
    def aside(graph: Any) -> None:
        node(graph, "check", "Assert", "scores", "axis")
        node(graph, "histogram", "HistogramSummary", "axis", "scores", T=FLOAT)
        node(graph, "say", "PrintV2", "scores")
        node(graph, "group", "NoOp", "^check")

    assert list(fetched(tmp_path, classifier, aside)) == ["scores", "class"]


def test_what_does_not_depend_on_an_input_is_no_output(tmp_path: Path) -> None:
    def constant(graph: Any) -> None:
        node(graph, "twice", "Add", "w", "w", T=FLOAT)

    assert list(fetched(tmp_path, classifier, constant)) == ["scores", "class"]


def test_a_graph_without_placeholders(tmp_path: Path) -> None:
    def constant(graph: Any) -> None:
        node(graph, "c", "Const", dtype=FLOAT)
        node(graph, "y", "Neg", "c", T=FLOAT)

    assert read(tmp_path, constant).wiring == {"call": Wiring({}, {"y": "y:0"})}


def test_a_graph_without_outputs(tmp_path: Path) -> None:
    def empty(graph: Any) -> None:
        node(graph, "x", "Placeholder", dtype=FLOAT)

    assert problems(tmp_path, empty) == (
        "m.pb: has no node that looks like an output" + NAME_OUTPUTS
    )


def test_a_graph_with_far_too_many_ends(tmp_path: Path) -> None:
    def many(graph: Any) -> None:
        node(graph, "x", "Placeholder", dtype=FLOAT)
        for number in range(1001):
            node(graph, f"y{number}", "Neg", "x", T=FLOAT)

    assert problems(tmp_path, many) == (
        "m.pb: has 1001 nodes that nothing consumes: which are outputs cannot be guessed"
        + NAME_OUTPUTS
    )


def test_variables_that_are_not_frozen(tmp_path: Path) -> None:
    assert problems(tmp_path, training) == (
        "m.pb: is a graph that is not frozen: its outputs need variables, which have no values "
        "in it (w)\n"
        "  hint: freeze it (`tf.compat.v1.graph_util.convert_variables_to_constants`), give its "
        "checkpoint with the .meta file, or name outputs in model.yaml that need no variable"
    )
    found = read(tmp_path, training, told="outputs: {r: {tensor: 'w/initial'}}")
    assert found.wiring == {"call": Wiring({}, {"r": "w/initial:0"})}


def test_an_input_pipeline_cannot_be_fed(tmp_path: Path) -> None:
    def pipeline(graph: Any) -> None:
        node(graph, "files", "Const", dtype=STRING)
        node(graph, "iterator", "OneShotIterator", "files")
        node(graph, "next", "IteratorGetNext", "iterator", output_types=[FLOAT, INT64])
        node(graph, "y", "Neg", "next", T=FLOAT)

    assert problems(tmp_path, pipeline) == (
        "m.pb: reads its inputs from files or a queue by itself: next\n"
        "  allowed: a graph whose inputs can be fed\n"
        "  hint: name the tensors to feed in model.yaml (`inputs: {NAME: {tensor: NODE:0, "
        "shape: [...]}}`), or save it with placeholders"
    )
    found = read(tmp_path, pipeline, told="inputs: {x: {tensor: 'next:0', shape: [2]}}")
    assert found.wiring == {"call": Wiring({"x": "next:0"}, {"y": "y:0"})}
    assert found.signatures[0].inputs[0].dtype == "float32"


def test_weights_are_passed_over(tmp_path: Path) -> None:
    def large(graph: Any) -> None:
        node(graph, "w", "Const", dtype=FLOAT)
        graph.node[-1].attr.add(key=b"value" + bytes(100_000))
        node(graph, "x", "Placeholder", dtype=FLOAT)
        node(graph, "y", "Mul", "x", "w", T=FLOAT)

    graph = read_graph_def(write_graph(tmp_path / "m.pb", large))
    assert graph.nodes["w"].types == {"dtype": FLOAT}
    assert graph.ops == {"Const": 1, "Placeholder": 1, "Mul": 1}


def test_functions_are_counted_and_named(tmp_path: Path) -> None:
    def function(graph: Any) -> None:
        body = graph.library.function.add()
        body.signature.name = b"__inference_f_1"
        body.node_def.add(name=b"a", op=b"Neg").input.append(b"x:output:0")

    graph = read_graph_def(write_graph(tmp_path / "m.pb", classifier, function))
    assert graph.functions == {"__inference_f_1"}
    assert graph.ops["Neg"] == 1
    assert "a" not in graph.nodes


def test_loops_of_nodes_end(tmp_path: Path) -> None:
    def circle(graph: Any) -> None:
        node(graph, "x", "Placeholder", dtype=FLOAT)
        node(graph, "a", "Identity", "b", "x", T=FLOAT)
        node(graph, "b", "Identity", "a", T=FLOAT)
        node(graph, "y", "Neg", "b", T=FLOAT)

    assert fetched(tmp_path, circle) == {"y": "y:0"}


def twice(graph: Any) -> None:
    node(graph, "x", "Placeholder", dtype=FLOAT)
    node(graph, "x", "Placeholder", dtype=FLOAT)


def unnamed(graph: Any) -> None:
    node(graph, "a b", "Placeholder", dtype=FLOAT)


def unreachable(graph: Any) -> None:
    node(graph, "a", "Neg", "b c")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (twice, "it has two nodes named 'x'"),
        (unnamed, "it has a node with the impossible name 'a b'"),
        (unreachable, "it has a node with the impossible input 'b c'"),
    ],
)
def test_graphs_that_cannot_be(tmp_path: Path, part: Callable[[Any], None], said: str) -> None:
    assert problems(tmp_path, part) == (
        f"m.pb: is damaged: {said}\n  hint: copy or save the model again"
    )


def test_inputs_that_are_no_nodes_are_let_pass(tmp_path: Path) -> None:
    def dangling(graph: Any) -> None:
        node(graph, "x", "Placeholder", dtype=FLOAT)
        node(graph, "y", "Add", "x", "gone", T=FLOAT)

    assert fetched(tmp_path, dangling) == {"y": "y:0"}  # TensorFlow will say so


@pytest.mark.parametrize("part", [classifier, training])
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=5),
    cut=st.integers(0, 2**20),
)
def test_damaged_graphs_raise_nothing_else(
    tmp_path: Path, part: Callable[[Any], None], changes: list[tuple[int, int]], cut: int
) -> None:
    path = write_graph(tmp_path / "m.pb", part)
    data = bytearray(path.read_bytes())
    for position, value in changes:
        data[position % len(data)] = value
    path.write_bytes(data[: cut % len(data)] if cut % 3 == 0 else data)
    with suppress(ModelError):
        assert inspect_graph_def(path, Settings()).wiring["call"].fetches
