"""Causes that lie in the versions of TensorFlow, Python and NumPy, and in the device."""

import tensorflow as tf

from making.digits import shown
from making.network import bare, classifier
from making.saving import (
    keras_outputs,
    save_arrays,
    save_keras,
    save_saved_model,
    saved_model_outputs,
)

__all__ = ["cuda", "numpy_abi", "python_version", "tensorflow_version"]


def tensorflow_version(out):
    """Write a `.keras` archive and a SavedModel that few other releases read."""
    model = bare()
    archive = out / "keras-archive-of-2.15" / "model.keras"
    save_keras(model, archive)
    folder = out / "saved-model-of-2.15" / "savedmodel"
    save_saved_model(model, model.weights, folder)
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(out / "expected.npz", probabilities=saved_model_outputs(folder))


def python_version(out):
    """Write a model whose Lambda layer is stored as bytecode of this Python."""

    def squash(x):
        return x / (1.0 + abs(x))

    # The name of this file would be stored too, with the folder it was run in.
    squash.__code__ = squash.__code__.replace(co_filename="lambda.py")
    path = out / "model.h5"
    model = bare(lambda: classifier(after=[tf.keras.layers.Lambda(squash, name="squash")]))
    save_keras(model, path)
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(out / "expected.npz", probabilities=keras_outputs(path))


def numpy_abi(out):
    """Write a model with nothing special; the matrix beside it pins NumPy 2."""
    _plain(out)


def cuda(out):
    """Write a model with nothing special; the matrix beside it asks for a GPU."""
    _plain(out)


def _plain(out):
    model = bare()
    save_saved_model(model, model.weights, out / "savedmodel")
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(out / "expected.npz", probabilities=saved_model_outputs(out / "savedmodel"))
