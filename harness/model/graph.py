"""Reading the nodes of a TensorFlow graph; its weights are passed over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError

from harness.model.protos import NodeDef, VersionDef
from harness.model.wire import Budget, Field, Part, WireError, load, slim, walk
from harness.text import one_line

__all__ = ["Graph", "Node", "Shape", "TensorRef", "read_graph", "tensor_ref"]

Shape = tuple[int | None, ...] | None
"""Dimensions; None for those, and for the rank, that are not known."""

TensorRef = tuple[str, int]
"""A node's name and the number of one of its outputs."""

_NODE, _LIBRARY, _VERSIONS = 1, 2, 4
"""Fields of GraphDef."""
_FUNCTION = 1
_FUNCTION_SIGNATURE, _FUNCTION_NODE = 1, 3
_ATTRIBUTE = 5
_SMALL_BYTES = 64 * 1024
_NODE_BYTES = 16 * 1024**2
_MAX_NODES = 500_000
"""Without those of functions, which are only counted."""
_MAX_RANK = 254
_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.\\/>-]{0,9999}")
"""tensorflow/core/framework/node_def_util.cc, IsValidNodeName; TensorFlow's own begin with `_`."""
_REFERENCE = re.compile(rf"({_NAME.pattern})(?::(\d{{1,6}}))?")
_NUMBERS = ("num", "num_split", "N")
_OUTPUT_SHAPES = "_output_shapes"


@dataclass(frozen=True, slots=True)
class Node:
    """An operation of a graph."""

    name: str
    op: str
    inputs: tuple[TensorRef, ...] = ()
    controls: tuple[str, ...] = ()
    """Nodes that have to run before it."""
    types: Mapping[str, int] = field(default_factory=dict)
    """Attributes that are types: `T`, `dtype`."""
    type_lists: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    shape: Shape = None
    """Attribute `shape`: None also where it is not there."""
    output_shapes: tuple[Shape, ...] = ()
    """Of its outputs, where the graph was saved with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The nodes of a graph, without their values."""

    nodes: Mapping[str, Node]
    """By name, in the order of the file."""
    ops: Mapping[str, int]
    """How often each operation is there, functions' bodies included."""
    functions: frozenset[str]
    """Names of the library's functions; nodes may have them as their operation."""
    producer: int
    """GraphDef version it was written with; 0 where that was not recorded."""


def read_graph(stream: BinaryIO, parts: Iterable[Part]) -> Graph:
    """Read a GraphDef that may be in several parts, as protocol buffers allow.

    Raises:
        WireError: it is damaged, or has more nodes than any graph.
    """
    reader = _Reader(stream)
    try:
        for part in parts:
            reader.graph(part)
    except DecodeError:
        raise WireError("a node of it cannot be read") from None
    return Graph(
        nodes=reader.nodes,
        ops=reader.ops,
        functions=frozenset(reader.functions),
        producer=reader.producer,
    )


def tensor_ref(text: str) -> TensorRef | None:
    """Return what `x:1` means; `x` is its first output. None for what names no tensor."""
    found = _REFERENCE.fullmatch(text)
    return (found[1], int(found[2] or 0)) if found is not None else None


class _Reader:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._budget = Budget()
        self.nodes: dict[str, Node] = {}
        self.ops: Counter[str] = Counter()
        self.functions: set[str] = set()
        self.producer = 0

    def graph(self, part: Part) -> None:
        for item in walk(self._stream, part, self._budget):
            if item.content is None:
                continue
            if item.number == _NODE:
                self._add(_node(self._message(item.content)))
            elif item.number == _LIBRARY:
                self._library(item.content)
            elif item.number == _VERSIONS:
                data = load(self._stream, item.content, _SMALL_BYTES)
                self.producer = VersionDef.FromString(data).producer

    def _add(self, node: Node) -> None:
        if node.name in self.nodes:
            raise WireError(f"it has two nodes named {one_line(node.name)!r}")
        if len(self.nodes) == _MAX_NODES:
            raise WireError(f"it has more than {_MAX_NODES} nodes")
        self.nodes[node.name] = node

    def _library(self, part: Part) -> None:
        for function in walk(self._stream, part, self._budget):
            if function.number != _FUNCTION or function.content is None:
                continue
            for item in walk(self._stream, function.content, self._budget):
                if item.content is None:
                    continue
                if item.number == _FUNCTION_NODE:
                    self._message(item.content)
                elif item.number == _FUNCTION_SIGNATURE:
                    # An OpDef begins with its name, as a NodeDef does.
                    data = self._slim(item.content)
                    self.functions.add(one_line(_text(NodeDef.FromString(data).name)))

    def _message(self, part: Part) -> Any:
        """Return a NodeDef without its weights; count it."""
        message = NodeDef.FromString(self._slim(part))
        self.ops[one_line(_text(message.op))] += 1
        return message

    def _slim(self, part: Part) -> bytes:
        return slim(
            self._stream,
            part,
            wanted=_is_small,
            whole_up_to=_SMALL_BYTES,
            limit=_NODE_BYTES,
            budget=self._budget,
        )


def _is_small(item: Field) -> bool:
    """Leave out attributes that hold weights; the other fields are names and inputs."""
    return item.number != _ATTRIBUTE or item.end - item.begin <= _SMALL_BYTES


def _node(message: Any) -> Node:
    name = _text(message.name)
    if _NAME.fullmatch(name) is None:
        raise WireError(f"it has a node with the impossible name {one_line(name, 80)!r}")
    values = {_text(entry.key): entry.value for entry in message.attr}
    inputs = [_text(text) for text in message.input]
    shapes = values.get(_OUTPUT_SHAPES)
    return Node(
        name=name,
        op=one_line(_text(message.op)),
        inputs=tuple(_input(text) for text in inputs if not text.startswith("^")),
        controls=tuple(text[1:] for text in inputs if text.startswith("^")),
        types={key: value.type for key, value in values.items() if value.type},
        type_lists={
            key: tuple(value.list.type) for key, value in values.items() if value.list.type
        },
        numbers={key: values[key].i for key in _NUMBERS if key in values},
        shape=_shape(values["shape"].shape) if "shape" in values else None,
        output_shapes=tuple(_shape(shape) for shape in shapes.list.shape) if shapes else (),
    )


def _input(text: str) -> TensorRef:
    reference = tensor_ref(text)
    if reference is None:
        raise WireError(f"it has a node with the impossible input {one_line(text, 80)!r}")
    return reference


def _shape(shape: Any) -> Shape:
    if shape.unknown_rank or len(shape.dim) > _MAX_RANK:
        return None
    return tuple(dim.size if dim.size >= 0 else None for dim in shape.dim)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
