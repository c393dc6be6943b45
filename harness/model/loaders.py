"""Which calls read a model, by its format and by what is installed where it is read."""

from __future__ import annotations

from collections.abc import Collection
from typing import assert_never

from packaging.version import Version

from harness.model.model import Format, Model

__all__ = ["LOADERS", "loaders"]

_EAGER = Version("2.0.dev0")
"""From here on `tf.saved_model.load` returns callable signatures by itself; TensorFlow 1 runs
them in a session."""

_KERAS_3 = Version("2.16.dev0")
"""From here on `tf.keras` is Keras 3: it reads no SavedModel, and has `TFSMLayer` for them."""

_REFERENCE_KERNELS = Version("2.5.dev0")
"""From here on `tf.lite.Interpreter` lets its kernels be chosen."""

LOADERS = {
    "saved_model.load": "tf.saved_model.load and a signature (TensorFlow 2)",
    "session": "tf.compat.v1.saved_model.loader and a signature in a session",
    "keras.load_model": "tf.keras.models.load_model(compile=False)",
    "keras.load_model.compiled": "tf.keras.models.load_model, with its optimizer and losses",
    "tf_keras.load_model": "tf_keras.models.load_model(compile=False), Keras 2 beside Keras 3",
    "TFSMLayer": "keras.layers.TFSMLayer, Keras 3's way to call a SavedModel",
    "load_weights": "build_model() of build.py, then load_weights; every variable is checked",
    "train.Checkpoint": "build_model() of build.py, then tf.train.Checkpoint.restore, checked",
    "train.Saver": "build_model() of build.py, then tf.compat.v1.train.Saver, by name",
    "import_meta_graph": "tf.compat.v1.train.import_meta_graph and restore, in a session",
    "import_graph_def": "tf.import_graph_def in a session",
    "wrap_function": "tf.compat.v1.wrap_function of the graph (TensorFlow 2)",
    "lite.Interpreter": "tf.lite.Interpreter with its default kernels and delegate",
    "lite.Interpreter.reference": "tf.lite.Interpreter with the reference kernels, no delegate",
}
"""Every loader, with the call it stands for."""


def loaders(model: Model, tensorflow: str, packages: Collection[str]) -> tuple[str, ...]:
    """Return the loaders for a model, the one whose outcome is the cell's verdict first.

    Those that `model.yaml` names, else all that fit. `tensorflow` is a version, such as `2.15.1`;
    `packages` the normalised names (PEP 503) of what is installed beside it.
    """
    if model.loaders:
        return model.loaders
    eager, keras_3 = Version(tensorflow) >= _EAGER, Version(tensorflow) >= _KERAS_3
    tf_keras = ("tf_keras.load_model",) if "tf-keras" in packages else ()
    names: tuple[str, ...]
    match model.format:
        case Format.SAVED_MODEL:
            layer = ("TFSMLayer",) if keras_3 else ()
            keras = ("keras.load_model",) if model.keras and not keras_3 else ()
            raw = ("saved_model.load", "session") if eager else ("session",)
            names = (*raw, *keras, *layer, *(tf_keras if model.keras else ()))
        case Format.KERAS | Format.HDF5:
            names = ("keras.load_model", "keras.load_model.compiled", *tf_keras)
        case Format.HDF5_WEIGHTS:
            names = ("load_weights",)
        case Format.CHECKPOINT:
            names = ("train.Saver",) if model.name_based else ("train.Checkpoint", "load_weights")
        case Format.META_GRAPH:
            names = ("import_meta_graph",)
        case Format.GRAPH_DEF:
            names = ("import_graph_def", *(("wrap_function",) if eager else ()))
        case Format.TFLITE:
            chosen = Version(tensorflow) >= _REFERENCE_KERNELS
            names = ("lite.Interpreter", *(("lite.Interpreter.reference",) if chosen else ()))
        case _:
            assert_never(model.format)
    return names
