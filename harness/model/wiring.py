"""Which tensors of a bare graph are fed and fetched: told by `model.yaml`, else found in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ModelError, Problem, nearest
from harness.model.graph import Graph, Shape, TensorRef, tensor_ref
from harness.model.graph_outputs import Needs, guess_outputs, needs
from harness.model.graph_types import output_count, output_dtype, output_shape
from harness.model.inspected import Wiring
from harness.model.model import Signature, TensorSpec
from harness.model.protos import dtype_name
from harness.model.settings import Settings

__all__ = ["CALL", "Wired", "is_told", "unknown_tensor", "wire"]

CALL = "call"
"""Name of the one signature of a graph that declares none."""

_OVERRIDE = "name others in model.yaml (`inputs.NAME.tensor`, `outputs.NAME.tensor`)"
_NAMED = 10
"""Most names a message lists."""
_MAX_OUTPUTS = 1_000
_MAX_NEAR = 5_000
"""Most names a misspelt one is compared with."""
_MAX_PROBLEMS = 50
_SCALAR_IS_UNKNOWN = 21
"""GraphDef version up to which a placeholder of shape [] takes any shape: array_ops.cc."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A graph with its ends."""

    signature: Signature
    wiring: Wiring
    needs: Needs
    notes: tuple[str, ...] = ()


def is_told(settings: Settings) -> bool:
    """Tell whether `model.yaml` names tensors."""
    fed = any(given.tensor for given in settings.inputs.values())
    return fed or any(given.tensor for given in settings.outputs.values())


def wire(path: Path, graph: Graph, settings: Settings) -> Wired:
    """Return what the graph is called with.

    Raises:
        ModelError: tensors that `model.yaml` names are not there, there is nothing that looks
            like an output, or the outputs need what cannot be fed.
    """
    feeds, fetches = _told(graph, settings)
    notes: list[str] = []
    if not fetches:
        guess = guess_outputs(graph, set(feeds.values()))
        if not 0 < len(guess.outputs) <= _MAX_OUTPUTS:
            raise ModelError([_no_outputs(path, len(guess.outputs))])
        fetches = {_name(ref): ref for ref in guess.outputs}
        notes.append(f"outputs found in the graph: {_listed(fetches)}; {_OVERRIDE}")
        if guess.labels:
            notes.append(f"not fed, as only training seems to need it: {_listed(guess.labels)}")
    wanted = needs(graph, fetches.values(), set(feeds.values()))
    if wanted.pipelines:
        raise ModelError([_pipeline(path, wanted)])
    for name in wanted.placeholders:
        feeds[name if name not in feeds else f"{name}:0"] = (name, 0)
    return Wired(
        signature=Signature(
            name=CALL,
            inputs=tuple(_spec(graph, name, ref) for name, ref in feeds.items()),
            outputs=tuple(_spec(graph, name, ref) for name, ref in fetches.items()),
        ),
        wiring=Wiring(feeds=_texts(feeds), fetches=_texts(fetches)),
        needs=wanted,
        notes=tuple(notes),
    )


def unknown_tensor(graph: Graph, text: str, where: str) -> Problem | None:
    """Return the problem of a tensor that is not in the graph; None where it is there."""
    ref = tensor_ref(text)
    node = graph.nodes.get(ref[0]) if ref is not None else None
    if ref is None or node is None:
        name = ref[0] if ref is not None else text
        near = [other for other in graph.nodes if other[:1] == name[:1]][:_MAX_NEAR]
        return Problem(
            where=where,
            what=f"the graph has no tensor {text!r}",
            hint=nearest(name, near) or nearest(name, list(graph.nodes)[:_MAX_NEAR]),
        )
    count = output_count(node)
    if count is not None and ref[1] >= count:
        what = f"{node.name!r} has no output {ref[1]}"
        return Problem(where=where, what=what, allowed=f"0 to {count - 1}" if count > 1 else "0")
    return None


def _told(graph: Graph, settings: Settings) -> tuple[dict[str, TensorRef], dict[str, TensorRef]]:
    named = {
        **{("inputs", name): given.tensor for name, given in settings.inputs.items()},
        **{("outputs", name): given.tensor for name, given in settings.outputs.items()},
    }
    told: dict[str, dict[str, TensorRef]] = {"inputs": {}, "outputs": {}}
    problems: list[Problem] = []
    for (section, name), text in named.items():
        ref = tensor_ref(text) if text is not None else None
        if text is None or ref is None:
            continue
        where = settings.where(section, name, "tensor")
        if len(problems) < _MAX_PROBLEMS and (problem := unknown_tensor(graph, text, where)):
            problems.append(problem)
        told[section][name] = ref
    if problems:
        raise ModelError(problems)
    return told["inputs"], told["outputs"]


def _spec(graph: Graph, name: str, ref: TensorRef) -> TensorSpec:
    node, index = graph.nodes[ref[0]], ref[1]
    dtype = output_dtype(node, index)
    shape: Shape = output_shape(node, index)
    if node.op.startswith("Placeholder"):
        dtype = dtype_name(node.types.get("dtype", 0))
        shape = node.shape
        if shape == () and graph.producer <= _SCALAR_IS_UNKNOWN:
            shape = None
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def _name(ref: TensorRef) -> str:
    return f"{ref[0]}:{ref[1]}" if ref[1] else ref[0]


def _texts(refs: Mapping[str, TensorRef]) -> dict[str, str]:
    return {name: f"{node}:{index}" for name, (node, index) in refs.items()}


def _no_outputs(path: Path, count: int) -> Problem:
    if count:
        what = f"has {count} nodes that nothing consumes: which are outputs cannot be guessed"
    else:
        what = "has no node that looks like an output"
    hint = "name them in model.yaml (`outputs: {NAME: {tensor: NODE:0}}`)"
    return Problem(where=str(path), what=what, hint=hint)


def _pipeline(path: Path, wanted: Needs) -> Problem:
    return Problem(
        where=str(path),
        what=f"reads its inputs from files or a queue by itself: {_listed(wanted.pipelines)}",
        allowed="a graph whose inputs can be fed",
        hint="name the tensors to feed in model.yaml (`inputs: {NAME: {tensor: NODE:0, "
        "shape: [...]}}`), or save it with placeholders",
    )


def _listed(names: Iterable[str] | Collection[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more
