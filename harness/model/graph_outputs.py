"""Guessing what a bare graph is called with: its outputs, and the placeholders they need.

A graph says neither. Placeholders are inputs; outputs are what nothing else consumes. Graphs that
were saved in training also hold what restores variables, gradients, updates, and placeholders for
labels, which are all left aside.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from harness.model.graph import Graph, Node, TensorRef
from harness.model.graph_types import output_count

__all__ = ["PLACEHOLDERS", "VARIABLES", "Guess", "Needs", "guess_outputs", "needs"]

PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2"})
"""PlaceholderWithDefault is none of them: what it takes is an option."""

VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp", "TemporaryVariable"})
_PIPELINES = re.compile(r"IteratorGetNext\w*|Queue\w*Dequeue\w*|Reader(Read|Restore)\w*")
_STATE = re.compile(
    r"(Resource)?(Sparse)?Apply\w+|Assign\w*"
    r"|(Resource)?Scatter(Nd)?(Add|Div|Max|Min|Mul|Sub|Update)|\w*Enqueue\w*|InitializeTable\w*"
)
"""Operations that change variables and other state: initialisers and training steps."""
_SAVER = re.compile(r"Save(Slices|V2)?|Restore(Slice|V2)?|ShardedFilename|MergeV2Checkpoints")
_SILENT = re.compile(
    r"Placeholder\w*|Variable(V2)?|TemporaryVariable|VarHandleOp|Const|NoOp|ControlTrigger|Abort"
    r"|Assert|PrintV2|Write\w+|\w*Summary(V2)?"
)
_LOWERED = re.compile(r"(.*/)?branch_executed/_\d+")
"""What TensorFlow leaves where it turns a conditional into single nodes."""
_DECISIONS = frozenset({"ArgMax", "ArgMin"})
"""What they decide on is a result too: of the numbers, they show the least."""
_READ = frozenset(
    {"Identity", "ReadVariableOp", "Enter", "RefEnter", "Cast", "Transpose", "Reshape"}
)
"""What stands between a variable and what uses it."""
_SPLITTING = frozenset({"Switch", "RefSwitch", "Enter", "RefEnter"})
_REJOINING = frozenset({"Merge", "RefMerge", "Exit", "RefExit"})
"""Control flow of TensorFlow 1: what lies between them may never be computed."""
_SAVE_SCOPE = re.compile(r"save(_\d+)?")
_GRADIENTS = re.compile(r"gradients(_\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What seems to be the graph's result."""

    outputs: tuple[TensorRef, ...]
    """In the order of the file; empty where there is none."""
    labels: tuple[str, ...]
    """Placeholders that seem to be fed in training only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What has to be there for some outputs to be computed."""

    placeholders: tuple[str, ...]
    variables: tuple[str, ...]
    pipelines: tuple[str, ...]
    """Nodes that read what is fed by other means than by their caller: iterators, queues."""


def guess_outputs(graph: Graph, fed: Collection[TensorRef]) -> Guess:
    """Return what nothing consumes of what is computed from the inputs, training aside.

    `fed` are tensors that are known to be inputs, beside the placeholders.
    """
    aside = _aside(graph)
    consumers = _consumers(graph, aside)
    inputs = [
        name for name, node in graph.nodes.items() if node.op in PLACEHOLDERS and name not in aside
    ]
    labels = _labels(graph, [name for name in inputs if (name, 0) not in fed], consumers)
    # Where every placeholder looks like a label, none of them is.
    labels = [] if len(labels) == len(inputs) and not fed else labels
    for_training = _for_training(graph, labels, consumers)
    starts = [name for name in inputs if name not in labels] + [name for name, _ in fed]
    computed = _reached(starts, consumers) if starts else set(graph.nodes)
    silent = {name for name, node in graph.nodes.items() if _is_silent(node)}
    candidates = computed - aside - for_training - silent - _conditional(graph, consumers)
    ends = for_training | silent

    def is_end(name: str) -> bool:
        return ends.issuperset(consumers.get(name, ()))

    ends |= {name for name in candidates if graph.nodes[name].op in _DECISIONS and is_end(name)}
    found = [node for name, node in graph.nodes.items() if name in candidates and is_end(name)]
    outputs = tuple((node.name, index) for node in found for index in range(_results(node)))
    return Guess(outputs=outputs, labels=tuple(labels))


def _is_silent(node: Node) -> bool:
    """Tell whether a node has no result of its own, though it may take others'."""
    return bool(_SILENT.fullmatch(node.op) or _LOWERED.fullmatch(node.name))


def _results(node: Node) -> int:
    """Return how many outputs count: the second of a Merge says which branch was taken."""
    return 1 if node.op == "Merge" else output_count(node) or 1


def needs(graph: Graph, fetched: Iterable[TensorRef], fed: Collection[TensorRef]) -> Needs:
    """Return what `fetched` are computed from, where `fed` are given; by the order of the file."""
    seen: set[str] = set()
    waiting = deque(name for name, index in fetched if (name, index) not in fed)
    while waiting:
        name = waiting.popleft()
        node = graph.nodes.get(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        if _PIPELINES.fullmatch(node.op) is None:
            waiting.extend(source for source, index in node.inputs if (source, index) not in fed)
            waiting.extend(node.controls)
    found = [node for name, node in graph.nodes.items() if name in seen]
    return Needs(
        placeholders=_names(found, lambda op: op in PLACEHOLDERS),
        variables=_names(found, lambda op: op in VARIABLES),
        pipelines=_names(found, lambda op: _PIPELINES.fullmatch(op) is not None),
    )


def _names(nodes: list[Node], is_one: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(node.name for node in nodes if is_one(node.op))


def _aside(graph: Graph) -> set[str]:
    """Return the nodes of saving, gradients, updates and initialisation."""
    savers = {
        scope
        for name, node in graph.nodes.items()
        if _SAVER.fullmatch(node.op) and _SAVE_SCOPE.fullmatch(scope := name.partition("/")[0])
    }
    return {
        name
        for name, node in graph.nodes.items()
        if _STATE.fullmatch(node.op)
        or _SAVER.fullmatch(node.op)
        or name.partition("/")[0] in savers
        or any(_GRADIENTS.fullmatch(scope) for scope in name.split("/")[:-1])
    }


def _consumers(graph: Graph, aside: Collection[str]) -> Mapping[str, list[str]]:
    """Return by node the nodes that take its outputs; those that are aside take nothing."""
    consumers: dict[str, list[str]] = {}
    for name, node in graph.nodes.items():
        if name not in aside:
            for source, _ in node.inputs:
                consumers.setdefault(source, []).append(name)
    return consumers


def _reached(starts: Iterable[str], consumers: Mapping[str, list[str]]) -> set[str]:
    """Return `starts` and everything that is computed from them."""
    seen: set[str] = set()
    waiting = deque(starts)
    while waiting:
        name = waiting.popleft()
        if name not in seen:
            seen.add(name)
            waiting.extend(consumers.get(name, ()))
    return seen


def _for_training(
    graph: Graph, labels: Collection[str], consumers: Mapping[str, list[str]]
) -> set[str]:
    """Return what is computed from labels, and what stands in one scope with it.

    A loss begins by reshaping what it is given, which is no result of its own. Scopes that hold
    variables are the model's.
    """
    from_labels = _reached(labels, consumers)
    weights = (name for name, node in graph.nodes.items() if node.op in VARIABLES)
    users = (user for name in weights for user in (name, *consumers.get(name, ())))
    of_model = {scope for name in users for scope in _scopes(name)}
    losses = {name.rpartition("/")[0] for name in from_labels - set(labels)} - of_model - {""}
    return from_labels | {name for name in graph.nodes if name.rpartition("/")[0] in losses}


def _scopes(name: str) -> list[str]:
    """Return the scopes a node is in: `a` and `a/b` of `a/b/c`."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _conditional(graph: Graph, consumers: Mapping[str, list[str]]) -> set[str]:
    """Return what is only computed where a condition holds, or inside a loop."""
    inside = {
        name: [user for user in users if graph.nodes[user].op not in _REJOINING]
        for name, users in consumers.items()
    }
    switches = [name for name, node in graph.nodes.items() if node.op in _SPLITTING]
    return _reached(switches, inside)


def _labels(graph: Graph, placeholders: list[str], consumers: Mapping[str, list[str]]) -> list[str]:
    """Return the placeholders nothing of which ever meets a variable.

    A model's input is multiplied with weights, on its way. A label is compared with what comes
    out of that. Without variables nothing can be told: none is a label.
    """
    weights = _weights(graph, consumers)
    if not weights:
        return []
    users = {user for name in weights for user in consumers.get(name, ())} - weights
    sources = {name: [source for source, _ in node.inputs] for name, node in graph.nodes.items()}
    meeting_weights = _reached(users, sources)
    return [name for name in placeholders if name not in meeting_weights]


def _weights(graph: Graph, consumers: Mapping[str, list[str]]) -> set[str]:
    """Return the variables and what only reads them."""
    variables = [name for name, node in graph.nodes.items() if node.op in VARIABLES]
    reads = {
        name: [user for user in users if graph.nodes[user].op in _READ]
        for name, users in consumers.items()
    }
    return _reached(variables, reads)
