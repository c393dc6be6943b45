"""What operations a graph has, functions included, and which of them are only there to save it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from google.protobuf.message import DecodeError

from harness.model.bodies import MAIN, Bodies, producer
from harness.model.details import CustomOp, Effect, Operation, RandomOp, Variables
from harness.model.ops import foreign, is_random
from harness.model.suspicious import SAVERS, outside
from harness.model.wire import Part, WireError

__all__ = ["Survey", "survey"]

_MAX_TARGETS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found."""

    producer: int
    min_consumer: int
    """GraphDef versions (tensorflow/core/public/version.h); 0 where they were not recorded."""
    operations: tuple[Operation, ...]
    functions: int
    custom_ops: tuple[CustomOp, ...]
    effects: tuple[Effect, ...]
    random_ops: tuple[RandomOp, ...]
    constants: Variables


def survey(
    stream: BinaryIO,
    parts: Iterable[Part],
    *,
    saver: Iterable[str] = (),
    outputs: Iterable[str] = (),
) -> Survey:
    """Read a GraphDef, which may be in several parts as protocol buffers allow.

    `saver` names the tensors and nodes that save and restore its variables, `outputs` the tensors
    that are the model's outputs, where they are known.

    Raises:
        WireError: it is damaged, or has more nodes than any graph.
    """
    reader = Bodies(stream)
    try:
        for part in parts:
            reader.read(part)
    except DecodeError:
        raise WireError("a node of it cannot be read") from None
    ops: Counter[str] = Counter()
    for body in reader.bodies.values():
        ops.update(body.ops)
    functions = set(reader.bodies) - {MAIN}
    counts = {name: count for name, count in ops.items() if name not in functions}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Survey(
        producer=reader.producer,
        min_consumer=reader.min_consumer,
        operations=tuple(Operation(name=name, count=count) for name, count in ordered),
        functions=len(functions),
        custom_ops=tuple(
            CustomOp(name=name, count=counts[name], why=why)
            for name in sorted(counts)
            if (why := foreign(name)) is not None
        ),
        effects=tuple(_effects(reader, counts, _saver_ops(reader, saver))),
        random_ops=_random_ops(reader, counts, tuple(outputs)),
        constants=reader.constants(),
    )


def _effects(
    reader: Bodies, counts: Mapping[str, int], saver: Mapping[str, int]
) -> Iterable[Effect]:
    for name in sorted(counts):
        known = outside(name)
        if known is None:
            continue
        count = counts[name] if known.attribute is None else reader.reaching[name]
        if count:
            yield Effect(
                name=name,
                count=count,
                reach=known.reach,
                what=known.what,
                targets=tuple(sorted(reader.targets.get(name, ()))[:_MAX_TARGETS]),
                saver=min(saver.get(name, 0), count),
            )


def _random_ops(
    reader: Bodies, counts: Mapping[str, int], outputs: tuple[str, ...]
) -> tuple[RandomOp, ...]:
    """Tell the random operations in the way of the outputs from those of initial values."""
    nodes = _before(reader, outputs)
    used = Counter(reader.nodes[name].op for name in nodes)
    for function in _all_called(reader, _called_by(reader, nodes)):
        used.update(reader.bodies[function].ops)
    return tuple(
        RandomOp(name=name, count=counts[name], used=used[name] if outputs else None)
        for name in sorted(counts)
        if is_random(name)
    )


def _saver_ops(reader: Bodies, saver: Iterable[str]) -> Counter[str]:
    """Return the operations on checkpoints that nothing but saving and restoring leads to."""
    nodes = _before(reader, saver)
    found = Counter(reader.nodes[name].op for name in nodes)
    others = _all_called(reader, _called_by(reader, set(reader.nodes) - nodes))
    for function in _all_called(reader, _called_by(reader, nodes)) - others:
        found.update(reader.bodies[function].ops)
    return Counter({name: count for name, count in found.items() if name in SAVERS})


def _before(reader: Bodies, tensors: Iterable[str]) -> set[str]:
    """Return the nodes of the main graph that have to run for these tensors."""
    found: set[str] = set()
    waiting = [producer(name) for name in tensors if name]
    while waiting:
        name = waiting.pop()
        if name in reader.nodes and name not in found:
            found.add(name)
            waiting += reader.nodes[name].inputs
    return found


def _called_by(reader: Bodies, nodes: Iterable[str]) -> set[str]:
    return {
        called for name in nodes for called in (*reader.nodes[name].calls, reader.nodes[name].op)
    }


def _all_called(reader: Bodies, functions: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(functions)
    while waiting:
        name = waiting.pop()
        if name in reader.bodies and name not in found:
            found.add(name)
            waiting += reader.bodies[name].calls
    return found
