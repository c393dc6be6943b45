"""What an `Entry` calls, as one graph that holds the values of its variables."""

import collections
import inspect
import re

from probing.graphs import TABLE_INITIALIZERS
from probing.refusals import CHANGES, REMEMBERED
from probing.saved_model import entry_of_session, load_session
from probing.tensors import parts_of

Frozen = collections.namedtuple("Frozen", "graph_def feeds fetches initializers")
"""A GraphDef without variables; {name of an input: tensor}, {name of an output: tensor}, and the
names of the operations that fill its tables. Outputs are dense: a ragged or sparse one is several,
as in `outputs.npz`."""

OF_SAVED_MODEL = ("saved_model.load", "TFSMLayer")
"""Loaders of files that a session can read too."""

Warned = collections.namedtuple("Warned", "warnings")
"""What a loader needs of a report."""


class NotFrozenError(Exception):
    """There is no such graph."""


class ChangesError(NotFrozenError):
    """The graph changes what the model remembers."""


def frozen_graph(tf, request, entry, inputs):
    """Return what is called, as a graph.

    Where an eager SavedModel cannot be frozen (it has tables, or is of TensorFlow 1 and has what
    TensorFlow 2 does not freeze) the same files are read in a session.

    Raises:
        NotFrozenError, or an error of TensorFlow's or the model's own: there is no such graph.
    """
    if entry.session is not None:
        return frozen_session(tf, entry.session)
    if not tf.executing_eagerly():
        raise NotFrozenError("the model does not say which tensors it takes and returns")
    try:
        return frozen_function(tf, entry, inputs)
    except Exception as error:
        found = frozen_files(tf, request) if not isinstance(error, ChangesError) else None
        if found is None:
            raise
        return found


def frozen_files(tf, request):
    """Return the graph in a SavedModel's files, read in a session; None where that is not to be."""
    if request["loader"] not in OF_SAVED_MODEL:
        return None
    try:
        loaded = load_session(tf, request, Warned([]))
        return frozen_session(tf, entry_of_session(tf, request, loaded).session)
    except Exception:
        return None  # what went wrong before says more


def frozen_function(tf, entry, inputs):
    """Trace an eager call with the shapes it is fed, and freeze that."""
    from tensorflow.python.framework import convert_to_constants

    names = [tensor.name for tensor in inputs]
    outputs = []

    def call(*tensors):
        found = entry.call(dict(zip(names, tensors)))
        parts = [(name + suffix, part) for name in found for suffix, part in parts_of(found[name])]
        outputs[:] = [name for name, _ in parts]
        return [tf.identity(part) for _, part in parts]

    specs = [tf.TensorSpec(tensor.array.shape, tf.as_dtype(tensor.dtype)) for tensor in inputs]
    function = tf.function(call, autograph=False).get_concrete_function(*specs)
    refuse_changes(function.graph.as_graph_def())
    convert = convert_to_constants.convert_variables_to_constants_v2
    options = {"lower_control_flow": True, "aggressive_inlining": True}
    known = inspect.signature(convert).parameters
    frozen = convert(function, **{key: options[key] for key in options if key in known})
    kept = frozen.inputs[len(names) :]
    if kept:
        raise NotFrozenError("it uses what is kept outside of the graph: %s" % kinds(function))
    return Frozen(
        with_reached(frozen.graph.as_graph_def()),
        {name: tensor.name for name, tensor in zip(names, frozen.inputs)},
        {name: tensor.name for name, tensor in zip(outputs, frozen.outputs)},
        [],
    )


def kinds(function):
    """Return what a traced function captures that has no value, in words."""
    graph_def = function.graph.as_graph_def()
    tables = any(node.op.startswith("LookupTable") for node in every_node(graph_def))
    return "a lookup table" if tables else "a resource"


def refuse_changes(graph_def):
    """Refuse a graph that changes variables: they would have to be constants."""
    for node in every_node(graph_def):
        if re.search(CHANGES, node.op):
            raise ChangesError("%s %s" % (node.op, REMEMBERED))


def every_node(graph_def):
    """Return the nodes of a graph and of the functions it can come to."""
    inner = [node for function in reached(graph_def) for node in function.node_def]
    return list(graph_def.node) + inner


def reached(graph_def):
    """Return the functions that a graph can come to."""
    functions = {function.signature.name: function for function in graph_def.library.function}
    found, nodes = [], list(graph_def.node)
    for node in nodes:  # grows while it is walked
        for name in called(node):
            if name in functions:
                found.append(functions.pop(name))
                nodes += found[-1].node_def
    return found


def with_reached(graph_def):
    """Return the graph with no other functions than it can come to."""
    kept = reached(graph_def)
    result = type(graph_def)()
    result.CopyFrom(graph_def)
    result.ClearField("library")
    result.library.function.extend(kept)
    return result


def called(node):
    """Return the names of the functions that a node may call."""
    names = [node.op]
    for value in node.attr.values():
        names += [value.func.name] if value.func.name else []
        names += [function.name for function in value.list.func]
    return names


def frozen_session(tf, inside):
    """Freeze what a session computes for its fetches."""
    with inside.session.graph.as_default():
        fetches = {
            name + suffix: tf.identity(part, name="float64_output")
            for name in sorted(inside.fetches)
            for suffix, part in parts_of(inside.fetches[name])
        }
    graph_def = inside.session.graph.as_graph_def()
    feeds = {name: tensor.name for name, tensor in inside.feeds.items()}
    cut(graph_def, inside.feeds.values())
    wanted = [tensor.op.name for tensor in fetches.values()]
    initializers = initializers_of(tf, graph_def, wanted, inside.initializer)
    graph_def = tf.compat.v1.graph_util.extract_sub_graph(graph_def, wanted + initializers)
    fed = {name.split(":")[0] for name in feeds.values()}
    fed &= {node.name for node in graph_def.node}
    if graph_def.library.function:
        graph_def = inlined(tf, graph_def, wanted + initializers + sorted(fed))
    refuse_changes(graph_def)
    graph_def = tf.compat.v1.graph_util.convert_variables_to_constants(
        inside.session, graph_def, wanted + initializers
    )
    there = {node.name for node in graph_def.node}
    return Frozen(
        with_reached(graph_def),
        {name: tensor for name, tensor in feeds.items() if tensor.split(":")[0] in there},
        {name: tensor.name for name, tensor in fetches.items()},
        initializers,
    )


def cut(graph_def, tensors):
    """Make placeholders of the operations whose output is fed, so that none before them is run."""
    fed = {tensor.op.name: tensor for tensor in tensors if len(tensor.op.outputs) == 1}
    for node in graph_def.node:
        if node.name in fed and node.op != "Placeholder":
            node.op = "Placeholder"
            del node.input[:]
            for key in list(node.attr):
                del node.attr[key]
            node.attr["dtype"].type = fed[node.name].dtype.base_dtype.as_datatype_enum
            node.attr["shape"].shape.unknown_rank = True


def initializers_of(tf, graph_def, wanted, named):
    """Return the names of the operations that fill the tables that are used.

    `named` does so in a graph of TensorFlow 2, within functions; None where there is none.
    """
    used = tf.compat.v1.graph_util.extract_sub_graph(graph_def, wanted)
    there = {node.name for node in used.node}
    found = [
        node.name
        for node in graph_def.node
        if node.op in TABLE_INITIALIZERS and node.input[0].split(":")[0] in there
    ]
    looked_up = any(node.op.startswith("LookupTable") for node in every_node(used))
    return found + [named] if looked_up and named is not None else found


def inlined(tf, graph_def, kept):
    """Return a graph with the functions it calls, loops and branches in their place."""
    from tensorflow.python.grappler import tf_optimizer

    for function in graph_def.library.function:
        if "api_implements" in function.attr:  # one of several ways to do it, which stays a call
            del function.attr["api_implements"]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph_def, graph=graph)
    meta_graph.collection_def["train_op"].node_list.value.extend(kept)
    config = tf.compat.v1.ConfigProto()
    options = config.graph_options.rewrite_options
    options.min_graph_nodes = -1
    options.optimizers.append("function")
    options.function_optimization = options.AGGRESSIVE
    return tf_optimizer.OptimizeGraph(config, meta_graph)
