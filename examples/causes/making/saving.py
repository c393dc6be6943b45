"""Writing models and what they answered, read back from disk as a user would."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

from making.digits import CAUSES, SHOWN, labels, shown

__all__ = [
    "code",
    "keras_outputs",
    "save_arrays",
    "save_keras",
    "save_labels",
    "save_saved_model",
    "saved_model_outputs",
]


def save_arrays(path, **arrays):
    """Write an .npz archive."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(str(path), **arrays)


def save_labels(folder):
    """Write `labels.npz`: the digits that the shown images show."""
    save_arrays(Path(folder) / "labels.npz", labels=labels()[:SHOWN])


def save_keras(model, path):
    """Write a whole Keras model, with its optimizer if it is compiled."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    model.save(str(path))


def save_saved_model(call, variables, folder, *, name="image", output="probabilities"):
    """Write a SavedModel of `call`: `name` float32 [n, 8, 8, 1] to the tensor `output`.

    It holds no Keras, so that it stays small and says nothing of the machine it was made on.
    """
    shutil.rmtree(str(folder), ignore_errors=True)
    module = tf.Module()
    module.all_variables = list(variables)

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32, name=name)])
    def serve(tensor):
        return {output: call(tensor)}

    module.serve = serve
    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})


def keras_outputs(path, inputs=None, objects=None):
    """Return what the Keras model in `path` makes of `inputs`, by default the shown images."""
    model = tf.keras.models.load_model(str(path), compile=False, custom_objects=objects)
    return model(tf.constant(shown() if inputs is None else inputs), training=False).numpy()


def saved_model_outputs(folder, inputs=None, name="image"):
    """Return what the SavedModel in `folder` makes of `inputs`, by default the shown images."""
    loaded = tf.saved_model.load(str(folder))
    given = {name: tf.constant(shown() if inputs is None else inputs)}
    return loaded.signatures["serving_default"](**given)["probabilities"].numpy()


def code(path):
    """Return the names that a Python file below `examples/causes` defines."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, str(CAUSES / path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)
