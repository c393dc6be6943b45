"""Write the small HDF5 files beside this script, as Keras writes them. Needs h5py.

    python tests/data/hdf5/make.py

h5py is not among the project's dependencies: the files are committed. `whole.h5` is as Keras 2
writes models (bytes), `whole_latest.h5` as Keras 3 does (text) in HDF5's newest layout with its
attributes in dense storage, `userblock.h5` has its superblock at 512, `weights.h5` is what
`save_weights` leaves, `weights_keras3.h5` what it leaves in Keras 3, `embedding.h5` is a model of
indices, `other.h5` is nothing of Keras, and `hostile.h5` refers back to itself from an attribute.
"""

import json
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent
CONFIG = {
    "class_name": "Functional",
    "config": {
        "name": "tiny",
        "layers": [
            {
                "class_name": "InputLayer",
                "config": {"batch_input_shape": [None, 4], "dtype": "float32", "name": "x"},
                "name": "x",
                "inbound_nodes": [],
            },
            {
                "class_name": "Dense",
                "config": {"name": "y", "units": 2, "dtype": "float32"},
                "name": "y",
                "inbound_nodes": [[["x", 0, 0, {}]]],
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["y", 0, 0]],
    },
}


EMBEDDING = {
    "class_name": "Sequential",
    "config": {
        "name": "tiny",
        "layers": [
            {
                "class_name": "InputLayer",
                "config": {"batch_input_shape": [None, 5], "dtype": "int32", "name": "ids"},
            },
            {
                "class_name": "Embedding",
                "config": {"name": "words", "input_dim": 100, "output_dim": 4},
            },
        ],
    },
}


def weights(file):
    """Write the group that holds the weights of `y`."""
    group = file.create_group("model_weights")
    group["kernel"] = np.arange(8, dtype=np.float32).reshape(4, 2)


def main():
    """Write every file."""
    text = json.dumps(CONFIG)
    for name, options in (("whole.h5", {}), ("userblock.h5", {"userblock_size": 512})):
        with h5py.File(HERE / name, "w", **options) as file:
            file.attrs["keras_version"] = b"2.11.0"
            file.attrs["backend"] = b"tensorflow"
            file.attrs["model_config"] = text.encode()
            weights(file)
    with h5py.File(HERE / "whole_latest.h5", "w", libver="latest") as file:
        file.attrs["keras_version"] = "3.8.0"
        file.attrs["backend"] = "jax"
        file.attrs["model_config"] = text
        for number in range(12):
            file.attrs[f"extra_{number}"] = number
        weights(file)
    with h5py.File(HERE / "weights.h5", "w") as file:
        file.attrs["keras_version"] = b"2.11.0"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["layer_names"] = [b"x", b"y"]
        weights(file)
    with h5py.File(HERE / "weights_keras3.h5", "w") as file:
        group = file.create_group("layers").create_group("dense").create_group("vars")
        group["0"] = np.arange(8, dtype=np.float32).reshape(4, 2)
        file["layers/link"] = h5py.SoftLink("/layers")
    with h5py.File(HERE / "embedding.h5", "w") as file:
        file.attrs["keras_version"] = b"2.11.0"
        file.attrs["model_config"] = json.dumps(EMBEDDING).encode()
        weights(file)
    with h5py.File(HERE / "other.h5", "w") as file:
        file.attrs["title"] = b"measurements"
        file["data/raw"] = np.arange(8, dtype=np.float32)
    with h5py.File(HERE / "hostile.h5", "w") as file:
        file.attrs["model_config"] = text.encode()
        kind = h5py.vlen_dtype(np.dtype("int64"))
        file.attrs.create("sequences", [np.arange(3), np.arange(2)], dtype=kind)
        file.attrs.create("reference", file.ref, dtype=h5py.ref_dtype)
        file.attrs["many"] = [b"text"] * 5


main()
