"""Branches of a graph that are never taken, where the graph itself says so.

TensorFlow 1 has training and inference in one graph: a placeholder with the default False chooses.
What belongs to training must not count against the model.
"""

from probing.type_numbers import BOOL
from probing.widening import tensor_name

SAME = ("Identity", "PlaceholderWithDefault")
"""Operations that give what they take, where nothing else is fed."""


def without_dead_branches(graph_def):
    """Return the graph without what is never run, as far as constants tell; loops stay.

    A `Switch` gives its data to output 0 where its predicate is False, else to output 1. What takes
    a dead tensor is dead, but for a `Merge`, which gives the tensor that is not.
    """
    nodes = {node.name: node for node in graph_def.node}
    dead = dead_tensors(graph_def, nodes)
    if not dead:
        return graph_def
    result = type(graph_def)()
    result.CopyFrom(graph_def)
    del result.node[:]
    for node in graph_def.node:
        if not is_dead(node, dead):
            result.node.add().CopyFrom(revived(node, nodes, dead))
    return result


def dead_tensors(graph_def, nodes):
    """Return the names of the tensors, and of the operations as `^name`, that never are."""
    dead = set()
    for node in graph_def.node:
        if node.op == "Switch":
            taken = predicate(nodes, node.input[1])
            if taken is not None:
                dead.add("%s:%d" % (node.name, 0 if taken else 1))
    before = -1
    while len(dead) != before:
        before = len(dead)
        for node in graph_def.node:
            if is_dead(node, dead):
                dead.add("^" + node.name)
                dead.update("%s:%d" % (node.name, index) for index in range(outputs_of(node)))
    return dead


def outputs_of(node):
    """Return how many outputs a node may have at the most, by its attributes."""
    listed = [len(value.list.type) for value in node.attr.values()]
    counted = [value.i for key, value in node.attr.items() if key in ("N", "num", "num_split")]
    return max([6] + listed + counted)


def is_dead(node, dead):
    """Tell whether an operation never runs."""
    names = [tensor_name(name) for name in node.input]
    if node.op == "Merge":
        return all(name in dead for name in names if not name.startswith("^"))
    return any(name in dead for name in names)


def revived(node, nodes, dead):
    """Return a node as it is without the dead: a `Switch` or `Merge` just gives what it takes."""
    names = [name for name in node.input if tensor_name(name) not in dead]
    result = type(node)()
    result.CopyFrom(node)
    if node.op == "Switch" and predicate(nodes, node.input[1]) is not None:
        result.op = "IdentityN"
        result.input[:] = [node.input[0], node.input[0]] + list(node.input[2:])
        result.ClearField("attr")
        result.attr["T"].list.type.extend(2 * [node.attr["T"].type])
    elif len(names) != len(node.input):  # a Merge of two
        result.op = "Identity"
        result.input[:] = names
        result.ClearField("attr")
        result.attr["T"].type = node.attr["T"].type
    return result


def predicate(nodes, name):
    """Return the truth value a tensor always has; None where that is not known."""
    node = nodes.get(name.split(":")[0])
    while node is not None and node.op in SAME:
        node = nodes.get(node.input[0].split(":")[0])
    if node is None or node.op != "Const" or node.attr["dtype"].type != BOOL:
        return None
    tensor = node.attr["value"].tensor
    if tensor.tensor_shape.dim:
        return None
    if tensor.tensor_content:
        return tensor.tensor_content != b"\0"
    return bool(tensor.bool_val and tensor.bool_val[0])
