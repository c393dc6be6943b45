"""Graphs without a signature: `.meta` beside a checkpoint, and frozen GraphDefs."""

import glob
import os

from probing.start import needs_eager, session_config
from probing.tensors import Entry, InSession, Spec, dimensions_of

TABLE_INITIALIZERS = {
    "InitializeTable",
    "InitializeTableV2",
    "InitializeTableFromTextFile",
    "InitializeTableFromTextFileV2",
    "LookupTableImport",
    "LookupTableImportV2",
}
"""Operations that fill a table; a GraphDef has no collection that names them."""


def load_meta_graph(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return a session with the graph of `PREFIX.meta` and the values of `PREFIX`."""
    prefix = request["model"]
    session = tf.compat.v1.Session(graph=tf.Graph(), config=session_config(tf, request))
    with session.graph.as_default():
        # Devices are those of the machine it was trained on.
        saver = tf.compat.v1.train.import_meta_graph(prefix + ".meta", clear_devices=True)
        if saver is not None:  # the graph has variables
            saver.restore(session, saved_as(prefix))
        session.run(tf.compat.v1.tables_initializer())
    return session


def saved_as(prefix):
    """Return what a Saver calls the files: before TensorFlow 1 they could be a pattern."""
    if not os.path.exists(prefix + ".index") and glob.glob(glob.escape(prefix) + "-*-of-*"):
        return prefix + "-?????-of-?????"
    return prefix


def load_graph_def(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return a session with the graph of a frozen `.pb`."""
    session = tf.compat.v1.Session(graph=tf.Graph(), config=session_config(tf, request))
    with session.graph.as_default():
        tf.import_graph_def(graph_def_of(tf, request["model"]), name="")
        session.run(table_initializers(session.graph))
    return session


def graph_def_of(tf, path):
    """Return the GraphDef in a file."""
    graph_def = tf.compat.v1.GraphDef()
    with open(path, "rb") as stream:
        graph_def.ParseFromString(stream.read())
    return graph_def


def table_initializers(graph):
    """Return the operations that fill the graph's tables."""
    return [
        operation for operation in graph.get_operations() if operation.type in TABLE_INITIALIZERS
    ]


def entry_of_graph(tf, request, session):
    """Return the session as something to call with the request's feeds and fetches."""
    feeds, fetches = tensors_of(request, session.graph)

    def call(arrays):
        return session.run(fetches, {feeds[name]: array for name, array in arrays.items()})

    inside = InSession(session, feeds, fetches)
    return Entry(None, specs_of(tf, feeds), call, False, session=inside)


def load_wrapped(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return the graph of a frozen `.pb` as a function of no arguments."""
    needs_eager(tf, "wrap_function", "import_graph_def")
    graph_def = graph_def_of(tf, request["model"])

    def import_graph():
        tf.compat.v1.import_graph_def(graph_def, name="")

    wrapped = tf.compat.v1.wrap_function(import_graph, [])
    initializers = table_initializers(wrapped.graph)
    if initializers:
        wrapped.prune([], initializers)()
    return wrapped


def entry_of_wrapped(tf, request, wrapped):
    """Return the function pruned to the request's feeds and fetches."""
    feeds, fetches = tensors_of(request, wrapped.graph)
    names = sorted(feeds)
    pruned = wrapped.prune([feeds[name] for name in names], fetches)

    def call(arrays):
        return dict(pruned(*[tf.convert_to_tensor(arrays[name]) for name in names]))

    return Entry(None, specs_of(tf, feeds), call, False)


def tensors_of(request, graph):
    """Return the tensors to feed and to fetch, each by its name outside of the graph."""
    if not request["fetches"]:
        raise ValueError(
            "nothing says which tensors of the graph are its outputs: name them in model.yaml"
        )
    return [
        {name: tensor_of(graph, tensor) for name, tensor in sorted(request[kind].items())}
        for kind in ("feeds", "fetches")
    ]


def tensor_of(graph, name):
    """Return a tensor by its name, with or without the number of the output."""
    try:
        return graph.get_tensor_by_name(name if ":" in name else name + ":0")
    except (KeyError, ValueError):
        placeholders = [op.name for op in graph.get_operations() if op.type == "Placeholder"]
        raise ValueError(
            "the graph has no tensor %r; its placeholders are: %s"
            % (name, ", ".join(placeholders[:20]) or "none")
        ) from None


def specs_of(tf, feeds):
    """Return what the graph says of the tensors to feed."""
    return [
        Spec(name, tensor.dtype.base_dtype.name, dimensions_of(tf, tensor.shape))
        for name, tensor in feeds.items()
    ]


def tensor_shape(tf, info):
    """Return the shape in a TensorInfo, as `dimensions_of` does."""
    return dimensions_of(tf, tf.TensorShape(info.tensor_shape))
