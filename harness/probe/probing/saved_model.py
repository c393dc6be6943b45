"""SavedModels: as functions, in a session, and as a Keras 3 layer."""

import os

from probing.graphs import tensor_shape
from probing.start import needs_eager, session_config
from probing.tensors import Entry, InSession, Spec, dimensions_of

INITIALIZER = "__saved_model_init_op"
"""Key of a signature that TensorFlow 2 adds, and of its one output."""


def load_saved_model(tf, request, report):
    """Return the object of `tf.saved_model.load`."""
    needs_eager(tf, "saved_model.load", "session")
    tags = request["tags"]
    if tags is None:
        graphs = tag_sets(request["model"])
        tags = best_tags(graphs, report) if len(graphs) > 1 else None
    return tf.saved_model.load(request["model"], tags=tags)


def entry_of_saved_model(tf, request, loaded):
    """Return the signature as something to call."""
    name = choose_signature(request["signature"], loaded.signatures)
    function = loaded.signatures[name]
    if function.structured_input_signature is None:  # 2.0 to 2.2, for models that 1.x wrote
        wanted = dict(zip(function._arg_keywords, function.inputs))
    else:
        wanted = function.structured_input_signature[1]
    specs = [
        Spec(key, spec.dtype.name, dimensions_of(tf, spec.shape)) for key, spec in wanted.items()
    ]

    def call(arrays):
        found = function(**{key: tf.convert_to_tensor(array) for key, array in arrays.items()})
        return dict(found)

    return Entry(name, specs, call, False)


def load_session(tf, request, report):
    """Return the session and the MetaGraphDef; variables are restored and tables filled."""
    tags = request["tags"]
    if tags is None:
        tags = best_tags(tag_sets(request["model"]), report)
    session = tf.compat.v1.Session(graph=tf.Graph(), config=session_config(tf, request))
    with session.graph.as_default():
        meta_graph = tf.compat.v1.saved_model.loader.load(session, tags, request["model"])
    return session, meta_graph


def entry_of_session(tf, request, loaded):
    """Return the signature as something to call."""
    session, meta_graph = loaded
    name = choose_signature(request["signature"], meta_graph.signature_def)
    signature = meta_graph.signature_def[name]
    specs, feeds = [], {}
    for key, info in signature.inputs.items():
        if info.WhichOneof("encoding") != "name":
            raise ValueError("the input %r is not a dense tensor: it cannot be fed" % key)
        tensor = session.graph.get_tensor_by_name(info.name)
        shape = tf.TensorShape(info.tensor_shape)
        if not shape.is_compatible_with(tensor.shape):  # old exporters wrote [] for any shape
            shape = tensor.shape
        specs.append(Spec(key, tensor.dtype.base_dtype.name, dimensions_of(tf, shape)))
        feeds[key] = tensor
    with session.graph.as_default():
        fetches = {
            key: fetch_of(tf, session.graph, key, info) for key, info in signature.outputs.items()
        }

    def call(arrays):
        return session.run(fetches, {feeds[key]: array for key, array in arrays.items()})

    inside = InSession(session, feeds, fetches, initializer_in(meta_graph))
    return Entry(name, specs, call, False, session=inside)


def initializer_in(meta_graph):
    """Return the name of the operation that fills the tables; only TensorFlow 2 names it."""
    if INITIALIZER not in meta_graph.signature_def:
        return None
    return meta_graph.signature_def[INITIALIZER].outputs[INITIALIZER].name.split(":")[0]


def fetch_of(tf, graph, key, info):
    """Return the tensor (dense or sparse) that a signature's output stands for."""
    encoding = info.WhichOneof("encoding")
    if encoding == "name":
        return graph.get_tensor_by_name(info.name)
    if encoding != "coo_sparse":
        raise ValueError("the output %r is a composite tensor: a session cannot fetch it" % key)
    parts = info.coo_sparse
    names = (parts.indices_tensor_name, parts.values_tensor_name, parts.dense_shape_tensor_name)
    return tf.compat.v1.SparseTensor(*[graph.get_tensor_by_name(name) for name in names])


def load_layer(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return Keras 3's layer around the SavedModel's signature, and the signature's name."""
    layer = getattr(tf.keras.layers, "TFSMLayer", None)
    if layer is None:
        raise ValueError(
            "tf.keras has no TFSMLayer here, which came with Keras 3 and TensorFlow 2.16; this is "
            "TensorFlow %s" % tf.__version__
        )
    signatures = signatures_in(request["model"])
    name = request["signature"] or "serving_default"
    if signatures:
        name = choose_signature(request["signature"], signatures)
    return layer(request["model"], call_endpoint=name), name


def entry_of_layer(tf, request, loaded):
    """Return the layer as something to call; its inputs have the names of the signature's."""
    layer, name = loaded
    signature = signatures_in(request["model"])[name]
    specs = [
        Spec(key, tf.as_dtype(info.dtype).name, tensor_shape(tf, info))
        for key, info in signature.inputs.items()
    ]

    def call(arrays):
        tensors = {key: tf.convert_to_tensor(array) for key, array in arrays.items()}
        # The layer gives the signature one positional argument; of several inputs it can take
        # none (Keras 3.14), so the error for them is the layer's own.
        found = layer(next(iter(tensors.values())) if len(tensors) == 1 else tensors)
        return dict(found) if isinstance(found, dict) else {"output_0": found}

    return Entry(name, specs, call, False)


def graphs_in(path):
    """Return the MetaGraphDefs of the SavedModel; none where the file cannot be read."""
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel()
    try:
        with open(os.path.join(path, "saved_model.pb"), "rb") as stream:
            message.ParseFromString(stream.read())
    except Exception:  # TensorFlow has the better words for it, in the load itself
        return []
    return list(message.meta_graphs)


def tag_sets(path):
    """Return the tags of each graph in the SavedModel; none where the file cannot be read."""
    return [sorted(graph.meta_info_def.tags) for graph in graphs_in(path)]


def signatures_in(path):
    """Return the signatures of a SavedModel's first graph by key; {} where it has none."""
    graphs = graphs_in(path)
    return dict(graphs[0].signature_def) if graphs else {}


def best_tags(graphs, report):
    """Return the tags to load with: those for serving, the fewest of them."""
    serving = [tags for tags in graphs if "serve" in tags] or graphs or [["serve"]]
    best = min(serving, key=len)
    if len(graphs) > 1:
        report.warnings.append("of the graphs with the tags %s, %s is loaded" % (graphs, best))
    return best


def choose_signature(wanted, signatures):
    """Return the key of the signature to call; the one asked for, the default, the only one."""
    public = sorted(key for key in signatures if not key.startswith("__"))
    if wanted is None:
        wanted = public[0] if len(public) == 1 else "serving_default"
    if wanted not in public:
        raise ValueError(
            "the model has no signature %r; it has: %s" % (wanted, ", ".join(public) or "none")
        )
    return wanted
