"""Checkpoints: how they were rooted, what they hold, and how they are restored.

An object-based checkpoint holds a graph of objects: names of children, and at the leaves the keys
of values. A value reaches a variable only if the same names lead to it from the object that is
restored, so the object must be put where it was when the checkpoint was written.
"""

import re

from probing.variables import children_of

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
DEPTH = 3
"""How many names may lead from the root of a checkpoint to the model in it."""

COUNTERS = re.compile(r"(global_step|save_counter|beta[12]_power|_CHECKPOINTABLE_OBJECT_GRAPH)$")
"""What is in a checkpoint beside variables of the model and of optimizers."""


def reader_of(tf, prefix):
    """Return what reads single values of a checkpoint."""
    return tf.train.load_checkpoint(prefix)


def object_graph(reader):
    """Return the graph of objects in a checkpoint; None where it knows variables by name."""
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    if not reader.has_tensor(OBJECT_GRAPH):
        return None
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor(OBJECT_GRAPH))
    return graph


def reached(graph, index, thing):
    """Return the nodes that names lead to from node `index` and from `thing` alike."""
    pairs, nodes, seen = [(index, thing)], set(), set()
    while pairs:
        index, thing = pairs.pop()
        if (index, id(thing)) in seen:
            continue
        seen.add((index, id(thing)))
        nodes.add(index)
        children = children_of(thing)
        pairs += [
            (child.node_id, children[child.local_name])
            for child in graph.nodes[index].children
            if child.local_name in children
        ]
    return nodes


def values_at(graph, nodes):
    """Return the keys of the values at `nodes`."""
    return [
        attribute.checkpoint_key for node in nodes for attribute in graph.nodes[node].attributes
    ]


def place_of(graph, thing):
    """Return the names that lead from the root of the checkpoint to where `thing` fits best."""
    best, most = (), -1
    for path, index in places(graph):
        count = len(values_at(graph, reached(graph, index, thing)))
        if count > most:  # of equals the first, which is the nearest to the root
            best, most = path, count
    return best


def places(graph):
    """Return (names, node) of the root and of what is near it, the nearest first."""
    found, known = [((), 0)], {0}
    for path, index in found:  # grows while it is walked
        if len(path) == DEPTH:
            break
        for child in graph.nodes[index].children:
            if child.node_id not in known and graph.nodes[child.node_id].children:
                known.add(child.node_id)
                found.append((path + (child.local_name,), child.node_id))
    return found


def checkpoint_at(tf, thing, path, beside):
    """Return a `tf.train.Checkpoint` in which `thing` is where the names of `path` lead.

    `beside` are further objects next to it, by name.
    """
    if not path:
        return checkpoint_of(tf, thing)
    for name in reversed(path[1:]):
        thing = tf.train.Checkpoint(**{name: thing})
    return tf.train.Checkpoint(**dict(beside, **{path[0]: thing}))


def checkpoint_of(tf, thing):
    """Return a `tf.train.Checkpoint` whose root is `thing`."""
    if isinstance(thing, tf.train.Checkpoint):
        return thing
    try:
        return tf.train.Checkpoint(thing)
    except TypeError:  # before 2.4 a checkpoint was always a root of its own
        return tf.train.Checkpoint(**children_of(thing))


def unused_values(graph, nodes):
    """Return the names of values that are not at `nodes`; those of optimizers are not counted.

    A name is what leads to the value from the root: keys may lead through an optimizer.
    """
    return sorted(
        name
        for node, name in nodes_of_models(graph).items()
        if graph.nodes[node].attributes and node not in nodes and not COUNTERS.search(name)
    )


def nodes_of_models(graph):
    """Return {node: the names that lead to it} of what is reached without an optimizer."""
    optimizers = {
        child.node_id
        for node in graph.nodes
        for child in node.children
        if re.match(r"(.*_)?opt(imizer)?$", child.local_name)
    }
    optimizers |= {index for index, node in enumerate(graph.nodes) if node.slot_variables}
    found, left = {}, [(0, ())]
    for index, path in left:  # grows while it is walked, so that the shortest way comes first
        if index not in found and index not in optimizers:
            found[index] = "/".join(path)
            left += [
                (child.node_id, path + (child.local_name,)) for child in graph.nodes[index].children
            ]
    return found


def unused_names(names, known):
    """Return the names of a name-based checkpoint that are not `known` variables, sorted.

    Slots have the variable's name and one more: `dense/kernel/Adam`, or an optimizer's before it.
    """
    return sorted(name for name in names if name not in known and not is_slot(name, known))


def is_slot(name, known):
    """Tell whether a name is of an optimizer's slot or of a counter."""
    if COUNTERS.search(name):
        return True
    parts = name.split("/")
    return "/".join(parts[:-1]) in known or "/".join(parts[1:-1]) in known
