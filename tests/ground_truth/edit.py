"""Makes changed copies of models: `edit.py SPEC.json`, run by TensorFlow 2.15.

SPEC holds a list of {"source", "target", "form", "change", "first", "last", "input"}. Weights are
changed in the copied file itself, so that nothing but the change is written anew.
"""

import io
import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import h5py
import numpy as np
import tensorflow as tf
from export import export, make_gru

STEP = 1e-3
"""What one weight is moved by."""
OTHER_EPSILON = 1e-5
"""What PyTorch's batch normalisation has; Keras's has 1e-3."""


def copied(source, target):
    """Copy a file or folder, writable."""
    if not source.is_dir():
        shutil.copyfile(source, target)
        return
    shutil.copytree(source, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def change_hdf5(stream, change):
    """Change the weights in an HDF5 file of Keras, in place; layers stand in their order."""
    with h5py.File(stream, "r+") as file:
        root = file.get("model_weights", file)
        if "layer_names" in root.attrs:
            paths = [
                f"{text(layer)}/{text(name)}"
                for layer in root.attrs["layer_names"]
                for name in root[text(layer)].attrs["weight_names"]
            ]
        else:  # the weights of a .keras archive
            paths = []
            root.visititems(lambda path, one: paths.append(path) if is_weight(path, one) else None)
            paths.sort(key=natural)
        changed = change({path: root[path][...] for path in paths})
        for path, array in changed.items():
            root[path][...] = array


def is_weight(path, found):
    """Tell whether something in a .keras archive's weights is a weight of a layer."""
    return isinstance(found, h5py.Dataset) and "optimizer" not in path and "metrics" not in path


def change_keras(path, change):
    """Change the weights in a .keras archive."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO(members["model.weights.h5"])
    change_hdf5(stream, change)
    members["model.weights.h5"] = stream.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def change_saved_model(path, change):
    """Change the variables of a SavedModel: its checkpoint is written anew, its graph is not."""
    prefix = str(path / "variables" / "variables")
    reader = tf.train.load_checkpoint(prefix)
    arrays = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    weights = {
        name: arrays[name] for name in sorted(arrays, key=natural) if not re.search(TRAINING, name)
    }
    arrays.update(change(weights))
    shutil.rmtree(path / "variables")
    (path / "variables").mkdir()
    names = sorted(arrays)
    tensors = [tf.constant(arrays[name]) for name in names]
    tf.raw_ops.SaveV2(
        prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors
    )


TRAINING = r"OPTIMIZER_SLOT|optimizer|OBJECT_GRAPH|Momentum|save_counter|keras_api"


def change_graph_def(path, change):
    """Change the constants of a frozen graph."""
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    nodes = {node.name: node for node in graph.node if node.op == "Const"}
    arrays = {name: tf.make_ndarray(node.attr["value"].tensor) for name, node in nodes.items()}
    changed = change({name: array for name, array in arrays.items() if array.ndim})
    for name, array in changed.items():
        nodes[name].attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))
    path.write_bytes(graph.SerializeToString())


CHANGE = {
    "hdf5": change_hdf5,
    "keras": change_keras,
    "saved_model": change_saved_model,
    "graph_def": change_graph_def,
}


def natural(name):
    """Return a key that sorts `dense_2` before `dense_10`."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def text(name):
    """Return a name of an HDF5 attribute as text."""
    return name.decode() if isinstance(name, bytes) else str(name)


def kernels(weights):
    """Return the names of the weights of two and more dimensions, in order."""
    return [name for name, array in weights.items() if array.ndim > 1 and array.dtype.kind == "f"]


def moved(weights, spec, which):
    """Return the largest weight (by magnitude) of the first or last kernel, moved."""
    name = kernels(weights)[which]
    name = spec["first" if which == 0 else "last"] or name
    array = weights[name].copy()
    array.flat[np.abs(array).argmax()] += np.float32(STEP)
    return {name: array}


def swapped(weights, spec):
    """Return the last kernel and bias with classes 0 and 1 swapped, or yes and no."""
    kernel = spec["last"] or last_with_bias(weights)
    changed = {}
    for name in (kernel, bias_of(weights, kernel)):
        array = weights[name].copy()
        if array.shape[-1] == 1:
            array = -array
        else:
            array[..., [0, 1]] = array[..., [1, 0]]
        changed[name] = array
    return changed


def last_with_bias(weights):
    """Return the last kernel that has a bias and is no recurrent one."""
    found = [name for name in kernels(weights) if bias_of(weights, name) is not None]
    return found[-1]


def bias_of(weights, kernel):
    """Return the weight with one number for each column of a kernel, its bias; None without."""
    names = list(weights)
    told = re.sub("kernel", "bias", kernel)
    following = names[names.index(kernel) + 1 :][:1]
    for name in (told, re.sub(r"/w(\d+)$", r"/b\1", kernel), *following):
        if name != kernel and weights.get(name, np.zeros(0)).shape == weights[kernel].shape[-1:]:
            return name
    return None


def jiggled(weights, seed):
    """Return all weights, each moved to one of its two neighbours among the float32 numbers."""
    state = np.random.RandomState(seed)
    towards = np.array([-np.inf, np.inf], np.float32)
    return {
        name: np.nextafter(array, towards[state.randint(0, 2, array.shape)])
        for name, array in weights.items()
        if array.dtype == np.float32
    }


def changed_weights(spec):
    """Return what turns a model's weights, in order and by name, into the changed ones."""
    change = spec["change"]
    if change.startswith("ulp-weights-"):
        return lambda weights: jiggled(weights, int(change.rpartition("-")[2]))
    return {
        "rewritten": lambda weights: {},
        "weight-first": lambda weights: moved(weights, spec, 0),
        "weight-last": lambda weights: moved(weights, spec, -1),
        "classes-swapped": lambda weights: swapped(weights, spec),
    }[change]


def other_epsilon(path, all_of_them):
    """Change the epsilon of the first batch normalisation of an HDF5 model, or of all."""
    with h5py.File(path, "r+") as file:
        config = json.loads(text(file.attrs["model_config"]))
        norms = [
            layer["config"]
            for layer in config["config"]["layers"]
            if layer["class_name"] == "BatchNormalization"
        ]
        for norm in norms if all_of_them else norms[:1]:
            assert norm["epsilon"] != OTHER_EPSILON
            norm["epsilon"] = OTHER_EPSILON
        file.attrs["model_config"] = json.dumps(config).encode()


def main(specs):
    """Make everything, in order: later ones may be made of earlier ones."""
    for spec in specs:
        sys.stdout.write(f"{spec['target']}: {spec['change']}\n")  # an error is seen to be of which
        target = Path(spec["target"])
        if spec["change"] == "gru":
            make_gru(target)
        elif spec["change"].startswith("saved-model-as-"):
            export(spec)
        else:
            copied(Path(spec["source"]), target)
            if spec["change"] in ("epsilon", "epsilons"):
                other_epsilon(target, spec["change"] == "epsilons")
            elif spec["change"] != "base":
                CHANGE[spec["form"]](target, changed_weights(spec))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
