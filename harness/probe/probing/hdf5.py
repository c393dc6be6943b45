"""What HDF5 files of Keras hold, beside what Keras took from them.

There are two layouts. In the older one (`.h5`, in a whole model below `model_weights`) the
attributes `layer_names` and `weight_names` name the datasets. In that of Keras v3 (`.weights.h5`,
and inside `.keras`) datasets are numbered below the path of their layer.
"""

import os

from probing.digests import digest_of
from probing.report import text_of

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path):
    """Tell whether a file is HDF5; a checkpoint's prefix is no file."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as stream:
        return stream.read(len(SIGNATURE)) == SIGNATURE


def unused_datasets(path, variables, all_restored):
    """Return the names of the weights in the file that no variable has the values of.

    Where every variable took a value and there are as many in the file, none is unused, even if
    a layer keeps its weights in another form than the file does.
    """
    import h5py

    with h5py.File(path, "r") as archive:
        weights = weights_in(archive)
        if all_restored and len(weights) == len(variables):
            return []
        known = {}
        for named in variables:
            value = named.variable.numpy()
            known.setdefault(value.shape, []).append((value.dtype, digest_of(value)))
        return [
            name
            for name, dataset in weights
            if not any(
                digest_of(dataset[()].astype(dtype)) == digest
                for dtype, digest in known.get(dataset.shape, ())
            )
        ]


def weights_in(archive):
    """Return (name, dataset) of the weights of a model, without those of an optimizer."""
    group = archive.get("model_weights", archive)
    if "layer_names" not in group.attrs:
        return [
            (name, dataset)
            for name, dataset in datasets_in(group)
            if not name.startswith("optimizer/") and "seed_generator" not in name
        ]
    found = []
    for layer in attribute_names(group, "layer_names") + ["top_level_model_weights"]:
        if layer in group:
            names = attribute_names(group[layer], "weight_names")
            found += [(name, group[layer][name]) for name in names]
    return found


def attribute_names(group, key):
    """Return a list of names in an attribute; Keras cuts long ones up into `key0`, `key1`, ..."""
    if key in group.attrs:
        return [text_of(name) for name in group.attrs[key]]
    found, index = [], 0
    while "%s%d" % (key, index) in group.attrs:
        found += [text_of(name) for name in group.attrs["%s%d" % (key, index)]]
        index += 1
    return found


def datasets_in(group):
    """Return (path, dataset) of all datasets below a group."""
    import h5py

    found = []

    def visit(name, thing):
        if isinstance(thing, h5py.Dataset):
            found.append((name, thing))

    group.visititems(visit)
    return found
