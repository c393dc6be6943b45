"""What files hold of an optimizer: the values of its slot variables.

A slot variable is what an optimizer keeps for each weight, such as a mean of its gradients. Step
counts and learning rates are scalars, which tells them apart in every format.
"""

import os
import zipfile

from probing.checkpoints import nodes_of_models, object_graph, reader_of, values_at
from probing.digests import digest_of
from probing.hdf5 import datasets_in

KERAS_WEIGHTS = "model.weights.h5"
"""Where a `.keras` archive has its weights."""


def slots_of_model(tf, path):
    """Return the digests of the slot variables that a model's files hold; None: they don't say."""
    if os.path.isdir(path):
        return slots_of_checkpoint(tf, os.path.join(path, "variables", "variables"))
    if not zipfile.is_zipfile(path):
        return slots_of_hdf5(path)
    with zipfile.ZipFile(path) as archive:
        if KERAS_WEIGHTS not in archive.namelist():
            return None
        with archive.open(KERAS_WEIGHTS) as stream:
            return slots_of_hdf5(stream)


def slots_of_hdf5(file):
    """Return the digests of the slot variables in an HDF5 file of Keras."""
    import h5py

    with h5py.File(file, "r") as archive:
        return [
            digest_of(dataset[()])
            for group in ("optimizer_weights", "optimizer")
            if group in archive
            for _, dataset in datasets_in(archive[group])
            if dataset.shape
        ]


def slots_of_checkpoint(tf, prefix):
    """Return the digests of the slot variables in a checkpoint; None where it is name-based."""
    reader = reader_of(tf, prefix)
    graph = object_graph(reader)
    if graph is None:
        return None
    models = set(values_at(graph, nodes_of_models(graph)))
    shapes = reader.get_variable_to_shape_map()
    return [
        digest_of(reader.get_tensor(key))
        for key, shape in sorted(shapes.items())
        if shape and key not in models
    ]
