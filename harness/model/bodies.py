"""Reading what operations a graph and its functions have; weights are passed over."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO, Final

from harness.model.details import Variables
from harness.model.protos import NodeDef, TensorProto, VersionDef
from harness.model.suspicious import Outside, outside
from harness.model.wire import Field, Part, WireError, load, slim, walk
from harness.text import one_line

__all__ = ["MAIN", "Bodies", "producer"]

MAIN: Final = ""
"""Name of the body that is not a function."""

_NODE, _LIBRARY, _VERSIONS = 1, 2, 4
"""Fields of GraphDef."""
_FUNCTION = 1
_FUNCTION_SIGNATURE, _FUNCTION_NODE = 1, 3
_ATTRIBUTE, _ATTRIBUTE_VALUE, _TENSOR = 5, 2, 8
_SMALL_BYTES = 64 * 1024
_TENSOR_BYTES = 4 * 1024
"""Of a tensor's type and shape: what is larger is its content."""
_NODE_BYTES = 16 * 1024**2
_MAX_NODES = 2_000_000
_MAX_RANK = 254
_CONSTANT = "Const"


@dataclass(slots=True)
class _Body:
    """The main graph, or a function."""

    ops: Counter[str] = field(default_factory=Counter)
    calls: set[str] = field(default_factory=set)
    """Functions that its nodes name."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A node of the main graph: what the saver is found by."""

    op: str
    inputs: tuple[str, ...]
    calls: tuple[str, ...]


class Bodies:
    """The main graph and every function of a GraphDef.

    Reading raises `WireError` or `DecodeError` where it is damaged.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._count = 0
        self._constants = self._parameters = self._bytes = 0
        self.bodies: dict[str, _Body] = {MAIN: _Body()}
        self.nodes: dict[str, _Call] = {}
        self.reaching: Counter[str] = Counter()
        """Operations that reach something by an attribute."""
        self.targets: dict[str, set[str]] = {}
        """What they reach, by operation."""
        self.producer = self.min_consumer = 0

    def read(self, part: Part) -> None:
        """Read a GraphDef, or a further part of it."""
        for item in walk(self._stream, part):
            if item.content is None:
                continue
            if item.number == _NODE:
                node, calls = self._node(item.content, self.bodies[MAIN])
                self.nodes[_text(node.name)] = _Call(
                    op=_name(node.op),
                    inputs=tuple(producer(_text(name)) for name in node.input),
                    calls=calls,
                )
            elif item.number == _LIBRARY:
                for function in walk(self._stream, item.content):
                    if function.number == _FUNCTION and function.content is not None:
                        self._function(function.content)
            elif item.number == _VERSIONS:
                versions = VersionDef.FromString(load(self._stream, item.content, _SMALL_BYTES))
                self.producer, self.min_consumer = versions.producer, versions.min_consumer

    def constants(self) -> Variables:
        """Count the constants; bytes as they are stored."""
        return Variables(count=self._constants, parameters=self._parameters, bytes=self._bytes)

    def _function(self, part: Part) -> None:
        body, name = _Body(), f"function {len(self.bodies)}"
        for item in walk(self._stream, part):
            if item.content is None:
                continue
            if item.number == _FUNCTION_NODE:
                self._node(item.content, body)
            elif item.number == _FUNCTION_SIGNATURE:
                # An OpDef begins with its name, as a NodeDef does.
                name = _name(NodeDef.FromString(self._slim(item.content)).name)
        # Of two functions of one name nothing is to be hidden.
        there = self.bodies.setdefault(name, _Body())
        there.ops.update(body.ops)
        there.calls.update(body.calls)

    def _node(self, part: Part, body: _Body) -> tuple[Any, tuple[str, ...]]:
        """Return a NodeDef without its weights, and the functions it names; count it."""
        self._count += 1
        if self._count > _MAX_NODES:
            raise WireError(f"it has more than {_MAX_NODES} nodes")
        node = NodeDef.FromString(self._slim(part))
        op = _name(node.op)
        body.ops[op] += 1
        calls = tuple(_called(node))
        body.calls.update(calls, (op,))
        if op == _CONSTANT:
            self._constant(part)
        elif (known := outside(op)) is not None and known.attribute is not None:
            self._target(op, known, node)
        return node, calls

    def _slim(self, part: Part) -> bytes:
        return slim(
            self._stream, part, wanted=_is_small, whole_up_to=_SMALL_BYTES, limit=_NODE_BYTES
        )

    def _constant(self, node: Part) -> None:
        """Count a constant, whose values may be many and are not read."""
        self._constants += 1
        for content in self._inside(node, _ATTRIBUTE, _ATTRIBUTE_VALUE, _TENSOR):
            data = slim(
                self._stream,
                content,
                wanted=lambda item: item.end - item.begin <= _TENSOR_BYTES,
                whole_up_to=_TENSOR_BYTES,
                limit=_SMALL_BYTES,
            )
            sizes = [dim.size for dim in TensorProto.FromString(data).tensor_shape.dim]
            self._parameters += math.prod(max(0, size) for size in sizes[:_MAX_RANK])
            self._bytes += content.size

    def _inside(self, part: Part, *path: int) -> Iterable[Part]:
        """Yield the messages that lie at the end of a path of field numbers."""
        for item in walk(self._stream, part):
            if item.number != path[0] or item.content is None:
                continue
            if len(path) == 1:
                yield item.content
            else:
                yield from self._inside(item.content, *path[1:])

    def _target(self, op: str, known: Outside, node: Any) -> None:
        values = {_text(entry.key): entry.value for entry in node.attr}
        value = values.get(known.attribute or "")
        texts = [value.s, *value.list.s] if value is not None else []
        reached = {
            one_line(text)
            for text in map(_text, texts)
            if text and not text.startswith(known.harmless or ("\0",))
        }
        if reached:
            self.reaching[op] += 1
            self.targets.setdefault(op, set()).update(reached)


def _is_small(item: Field) -> bool:
    return item.number != _ATTRIBUTE or item.end - item.begin <= _SMALL_BYTES


def _called(node: Any) -> Iterable[str]:
    for entry in node.attr:
        for function in (entry.value.func, *entry.value.list.func):
            if function.name:
                yield _name(function.name)


def producer(tensor: str) -> str:
    """Return the node of `^x`, `x` and `x:1`."""
    return tensor.removeprefix("^").split(":", 1)[0]


@lru_cache(maxsize=10_000)
def _name(data: bytes) -> str:
    return one_line(_text(data))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
