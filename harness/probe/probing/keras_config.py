"""What a Keras model takes and returns, as the config in its file says."""

import json
import zipfile

from probing.report import text_of
from probing.tensors import Spec, dimensions_of


def keras_config(path, model):
    """Return the model's config as the file has it, else as the loaded model has it, else {}.

    `path` None: the model is not from a file that has one.
    """
    try:
        whole = {"config": model.get_config()} if path is None else config_in(path)
    except Exception:
        try:
            whole = {"config": model.get_config()}
        except Exception:
            return {}
    config = whole["config"]
    if isinstance(config, list):
        return {"layers": config}
    built = (whole.get("build_config") or {}).get("input_shape")
    return dict(config, built_for=built) if built else config


def config_in(path):
    """Return what a `.keras` archive or a whole model in HDF5 says of its model."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json").decode("utf-8"))
    import h5py

    with h5py.File(path, "r") as archive:
        return json.loads(text_of(archive.attrs["model_config"]))


def keras_structures(config):
    """Return what the model takes and what it returns, as config writes it.

    A tensor is written [layer name, node, index], within lists or dicts. A Sequential model
    writes neither; a subclassed one has no config that says.
    """
    if "input_layers" in config:
        return config["input_layers"], config["output_layers"]
    layers = config.get("layers")
    if not layers:
        return ["input_1", 0, 0], []
    first, last = layers[0], layers[-1]
    name = first["config"]["name"]
    if first["class_name"] != "InputLayer":
        name += "_input"
    return [name, 0, 0], [last["config"]["name"], 0, 0]


def keras_specs(tf, config, inputs, model):
    """Return what the model takes: as the file says, else as the loaded model says."""
    written = {}
    for layer in config.get("layers", ()):
        name = layer["config"].get("name")
        written[name] = layer["config"]
        written.setdefault("%s_input" % name, layer["config"])  # Sequential without InputLayer
    pairs = tensors_in(inputs)
    names = unique([name for name, _ in pairs])
    loaded = getattr(model, "inputs", None) or []
    if len(loaded) != len(pairs):
        loaded = [None] * len(pairs)
    specs = [
        keras_spec(tf, name, written.get(layer, {}), tensor)
        for name, (_, layer), tensor in zip(names, pairs, loaded)
    ]
    built = config.get("built_for")  # the shape of the one input of a subclassed model
    if len(specs) == 1 and specs[0].shape is None and isinstance(built, list):
        specs = [specs[0]._replace(shape=[None] + built[1:])]
    return specs


def keras_spec(tf, name, layer, tensor):
    """Return one input from its layer's config and the loaded model's tensor (or None)."""
    dtype, shape = layer.get("dtype"), layer.get("batch_input_shape", layer.get("batch_shape"))
    if not (isinstance(dtype, str) and hasattr(tf.dtypes, dtype)):  # a policy, or not written
        dtype = None if tensor is None else tf.as_dtype(tensor.dtype).name
    if not isinstance(shape, list):
        shape = None if tensor is None else dimensions_of(tf, tensor.shape)
    return Spec(name, dtype, shape)


def is_tensor(structure):
    """Tell whether this part of a config is one tensor."""
    return bool(structure) and not isinstance(structure, dict) and isinstance(structure[0], str)


def tensors_in(structure):
    """Return (name, layer) of the tensors; the name is the layer's, or the key in a dict.

    They are in Keras's order, in which dicts are sorted.
    """
    if is_tensor(structure):
        return [(structure[0], structure[0])]
    if not isinstance(structure, dict):
        return [pair for part in structure for pair in tensors_in(part)]
    pairs = []
    for key in sorted(structure):
        for name, layer in tensors_in(structure[key]):
            pairs.append((key if is_tensor(structure[key]) else key + "/" + name, layer))
    return pairs


def packed(structure, values):
    """Return the values, one by one, in the shape of `structure`."""
    if is_tensor(structure):
        return next(values)
    if isinstance(structure, dict):
        return {key: packed(structure[key], values) for key in sorted(structure)}
    return [packed(part, values) for part in structure]


def unique(names):
    """Return the names with `_1`, `_2`, ... where one comes again."""
    result = []
    for name in names:
        count, candidate = 0, name
        while candidate in result:
            count += 1
            candidate = "%s_%d" % (name, count)
        result.append(candidate)
    return result
