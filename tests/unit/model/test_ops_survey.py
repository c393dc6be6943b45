from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from harness.model import bodies
from harness.model.details import CustomOp, Effect, Operation, RandomOp, Reach, Variables
from harness.model.protos import MetaGraphDef
from harness.model.survey import Survey, survey
from harness.model.wire import WireError, whole
from tests.support.graph_files import classifier, node, training
from tests.support.model_files import FLOAT, STRING


def surveyed(*parts: Callable[[Any], None], **options: Any) -> Survey:
    graph = MetaGraphDef().graph_def
    for part in parts:
        part(graph)
    graph.versions.producer, graph.versions.min_consumer = 1_395, 12
    stream = io.BytesIO(graph.SerializeToString())
    return survey(stream, [whole(stream)], **options)


def function(graph: Any, name: str, *ops: str, calls: str | None = None) -> None:
    made = graph.library.function.add()
    made.signature.name = name.encode()
    for number, op in enumerate(ops):
        made.node_def.add(name=f"n{number}".encode(), op=op.encode())
    if calls is not None:
        call = made.node_def.add(name=b"call", op=b"PartitionedCall")
        call.attr.add(key=b"f").value.func.name = calls.encode()


def call(graph: Any, name: str, called: str, *inputs: str) -> None:
    made = graph.node.add(name=name.encode(), op=b"StatefulPartitionedCall")
    made.input.extend(text.encode() for text in inputs)
    made.attr.add(key=b"f").value.func.name = called.encode()


def effects(found: Survey) -> dict[str, tuple[int, int]]:
    return {effect.name: (effect.count, effect.saver) for effect in found.effects}


def test_operations_the_most_frequent_first() -> None:
    found = surveyed(classifier)
    assert found.operations[:2] == (
        Operation(name="Const", count=2),
        Operation(name="ArgMax", count=1),
    )
    assert (found.producer, found.min_consumer, found.functions) == (1_395, 12, 0)


def test_functions_count_and_their_calls_do_not() -> None:
    def part(graph: Any) -> None:
        function(graph, "inner", "Relu", "ZeroOut")
        function(graph, "outer", "Relu", calls="inner")
        node(graph, "y", "outer")  # TensorFlow 1 calls a function by an operation of its name

    found = surveyed(part)
    assert found.functions == 2
    assert {item.name: item.count for item in found.operations} == {
        "Relu": 2,
        "ZeroOut": 1,
        "PartitionedCall": 1,
    }
    assert [(item.name, item.count) for item in found.custom_ops] == [("ZeroOut", 1)]


def test_functions_of_one_name_hide_nothing() -> None:
    def part(graph: Any) -> None:
        function(graph, "f", "WriteFile")
        function(graph, "f", "Relu")
        function(graph, "", "ReadFile")

    assert effects(surveyed(part)) == {"ReadFile": (1, 0), "WriteFile": (1, 0)}


def test_operations_of_others() -> None:
    found = surveyed(lambda graph: node(graph, "x", "Addons>GatherTree"))
    assert found.custom_ops == (
        CustomOp(name="Addons>GatherTree", count=1, why="of tensorflow-addons"),
    )


def test_the_saver_of_tensorflow_1() -> None:
    saver = ("save/control:0", "save/Assign")
    assert effects(surveyed(training, saver=saver)) == {"SaveV2": (1, 1), "RestoreV2": (1, 1)}
    assert effects(surveyed(training)) == {"SaveV2": (1, 0), "RestoreV2": (1, 0)}


def test_the_saver_of_tensorflow_2() -> None:
    def part(graph: Any) -> None:
        function(graph, "inner_save", "SaveV2")
        function(graph, "traced_save", "MergeV2Checkpoints", calls="inner_save")
        function(graph, "traced_restore", "RestoreV2")
        function(graph, "serve", "WriteFile")
        node(graph, "saver_filename", "Placeholder", dtype=STRING)
        call(graph, "call_save", "traced_save", "saver_filename")
        call(graph, "call_restore", "traced_restore", "saver_filename")
        call(graph, "call_serve", "serve")

    saver = ("call_save:0", "call_restore")
    assert effects(surveyed(part, saver=saver)) == {
        "MergeV2Checkpoints": (1, 1),
        "RestoreV2": (1, 1),
        "SaveV2": (1, 1),
        "WriteFile": (1, 0),
    }


def test_what_looks_like_the_saver_and_is_called_by_the_model() -> None:
    def part(graph: Any) -> None:
        function(graph, "traced_save", "SaveV2", "WriteFile")
        call(graph, "call_save", "traced_save")
        call(graph, "call_serve", "traced_save")

    found = surveyed(part, saver=("call_save:0", ""))
    assert effects(found) == {"SaveV2": (1, 0), "WriteFile": (1, 0)}


@pytest.mark.parametrize(
    ("op", "key", "value", "targets"),
    [
        ("PrintV2", "output_stream", ["file:///tmp/log"], ("file:///tmp/log",)),
        ("PrintV2", "output_stream", ["stderr"], None),
        ("PrintV2", "output_stream", ["log(info)"], None),
        ("PrintV2", "message", ["file://x"], None),
        ("DebugIdentity", "debug_urls", ["grpc://h:1", "file:///t"], ("file:///t", "grpc://h:1")),
        ("DebugIdentity", "debug_urls", [], None),
        ("DecodeProtoV2", "descriptor_source", ["/d.pb"], ("/d.pb",)),
        ("DecodeProtoV2", "descriptor_source", ["bytes://x"], None),
        ("FixedUnigramCandidateSampler", "vocab_file", [""], None),
    ],
)
def test_what_depends_on_an_attribute(
    op: str, key: str, value: list[str], targets: tuple[str, ...] | None
) -> None:
    def part(graph: Any) -> None:
        attribute = graph.node.add(name=b"n", op=op.encode()).attr.add(key=key.encode()).value
        if len(value) == 1:
            attribute.s = value[0].encode()
        attribute.list.s.extend(text.encode() for text in value[1:] and value)

    found = surveyed(part).effects
    assert [effect.targets for effect in found] == ([] if targets is None else [targets])


def test_what_an_effect_says() -> None:
    (found,) = surveyed(lambda graph: node(graph, "n", "ReadFile")).effects
    assert found == Effect(name="ReadFile", count=1, reach=(Reach.FILES,), what="reads whole files")


def test_random_operations_that_outputs_depend_on() -> None:
    def part(graph: Any) -> None:
        function(graph, "train", "RandomUniform")
        function(graph, "serve", "RandomUniform", "RandomUniform")
        call(graph, "served", "serve", "noise")
        call(graph, "trained", "train")
        node(graph, "noise", "RandomStandardNormal")
        node(graph, "initial", "RandomStandardNormal")

    assert surveyed(part, outputs=["served:0"]).random_ops == (
        RandomOp(name="RandomStandardNormal", count=2, used=1),
        RandomOp(name="RandomUniform", count=3, used=2),
    )
    assert [found.used for found in surveyed(part).random_ops] == [None, None]


def test_constants_small_and_large() -> None:
    def part(graph: Any) -> None:
        for name, sizes in (("small", (2, 3)), ("large", (300, 100)), ("scalar", ())):
            made = graph.node.add(name=name.encode(), op=b"Const")
            tensor = made.attr.add(key=b"value").value.tensor
            tensor.dtype = FLOAT
            tensor.tensor_shape.SetInParent()
            for length in sizes:
                tensor.tensor_shape.dim.add(size=length)
            # tensor_content (field 4) is not declared: it is appended as it is on the wire.
            count = 4
            for length in sizes:
                count *= length
            size = b""
            left = count
            while True:
                size += bytes([left & 0x7F | (0x80 if left > 0x7F else 0)])
                left >>= 7
                if not left:
                    break
            tensor.MergeFromString(b"\x22" + size + bytes(count))

    found = surveyed(part).constants
    assert (found.count, found.parameters) == (3, 6 + 30_000 + 1)
    assert 30_007 * 4 <= found.bytes <= 30_007 * 4 + 100


def test_a_graph_in_several_parts() -> None:
    graph = MetaGraphDef().graph_def
    classifier(graph)
    data = graph.SerializeToString()
    stream = io.BytesIO(data + data)
    found = survey(stream, [whole(io.BytesIO(data)), *_second(stream, len(data))])
    assert {item.name: item.count for item in found.operations}["MatMul"] == 2


def _second(stream: io.BytesIO, start: int) -> list[Any]:
    part = whole(stream)
    return [type(part)(start, part.end)]


def test_more_nodes_than_any_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_MAX_NODES", 3)
    with pytest.raises(WireError, match="it has more than 3 nodes"):
        surveyed(classifier)


@pytest.mark.parametrize("data", [b"\x0a\x05\x0a\x09x", b"\x0a\x04\x0a\x02\x08", b"\xff" * 20])
def test_damage(data: bytes) -> None:
    stream = io.BytesIO(data)
    with pytest.raises(WireError):
        survey(stream, [whole(stream)])


def test_constants_of_no_elements() -> None:
    assert surveyed(lambda graph: node(graph, "c", "Const")).constants == Variables(
        count=1, parameters=0, bytes=0
    )
