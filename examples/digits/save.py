"""Save the trained weights in one format, read the file back and measure it.

Run by `make.py` inside a TensorFlow environment: `python save.py FORMAT DIRECTORY`, where
DIRECTORY holds what `train.py` wrote. The SavedModel comes first: its outputs, read back
from disk, become `expected.npz`; those of the other formats are compared with it.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf
from network import network

PATHS = {"savedmodel": "savedmodel", "h5": "h5/model.h5", "keras": "keras/model.keras"}


def trained(weights):
    """Return the network with the weights of `weights.npz`, not compiled."""
    model = network()
    with np.load(weights) as arrays:
        model.set_weights([arrays[f"arr_{i}"] for i in range(len(arrays.files))])
    return model


def outputs(path, image):
    """Return what the saved model at `path` makes of `image`: float32 [n, 10]."""
    if path.is_dir():
        loaded = tf.saved_model.load(str(path))
        return loaded.signatures["serving_default"](image=image)["probabilities"].numpy()
    return tf.keras.models.load_model(path, compile=False)(image, training=False).numpy()


def main():
    """Save, read back, print the versions, the accuracy and the distance."""
    name, directory = sys.argv[1], Path(sys.argv[2])
    path = directory / PATHS[name]
    path.parent.mkdir(exist_ok=True)
    trained(directory / "weights.npz").save(path)
    image = tf.constant(np.load(directory / "inputs.npz")["image"])
    labels = np.load(directory / "labels.npz")["labels"]
    probabilities = outputs(path, image)
    expected = directory / "expected.npz"
    if name == "savedmodel":
        np.savez_compressed(expected, probabilities=probabilities)
    distance = np.abs(probabilities - np.load(expected)["probabilities"]).max()
    right = (probabilities.argmax(axis=1) == labels).sum()
    print(f"{name}: Python {sys.version.split()[0]}, TensorFlow {tf.__version__}", end=", ")
    print(f"NumPy {np.__version__}, h5py {h5py.__version__}")
    print(f"{right} of {len(labels)} right, {distance:.3g} from expected.npz")


main()
