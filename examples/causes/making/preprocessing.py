"""Causes that lie before the model: what is computed and fed outside of it."""

import numpy as np
import tensorflow as tf

from making.digits import SHOWN, images, pixels
from making.network import bare
from making.saving import (
    code,
    keras_outputs,
    save_arrays,
    save_keras,
    save_labels,
    save_saved_model,
    saved_model_outputs,
)

__all__ = [
    "normalisation",
    "numpy_promotion",
    "preprocess_library",
    "preprocess_statistics",
    "wrong_input",
]


def numpy_promotion(out):
    """Write a model and the inputs that NumPy 1 makes for it."""
    save_keras(bare(), out / "model.keras")
    save_arrays(out / "raw.npz", pixels=pixels()[:SHOWN])
    _record(out, "numpy-promotion/preprocess.py", out / "model.keras")


def preprocess_statistics(out):
    """Write a model trained on z-scores three times, for three `preprocess.py`."""
    right = "preprocess-statistics/statistics-of-training/preprocess.py"
    given = code(right)
    mean, deviation = images()[SHOWN:].mean(), images()[SHOWN:].std()
    assert np.allclose([mean, deviation], [given["MEAN"], given["DEVIATION"]], atol=5e-5), (
        mean,
        deviation,
    )
    model = bare(prepare=lambda image: (image - given["MEAN"]) / given["DEVIATION"])
    for name in ("statistics-of-training", "statistics-of-other-data", "min-max"):
        save_keras(model, out / name / "model.h5")
    save_arrays(out / "raw.npz", pixels=pixels()[:SHOWN])
    _record(out, right, out / "statistics-of-training" / "model.h5")


def preprocess_library(out):
    """Write a model that takes what Pillow shrinks, and what this Pillow makes of it."""
    photos = np.kron(pixels()[:SHOWN, :, :, 0], np.ones((1, 5, 5), np.uint8))
    model = bare()
    for name in ("resize-default", "antialias-removed"):
        folder = out / name
        save_keras(model, folder / "model.h5")
        save_arrays(folder / "raw.npz", photo=photos)
        _record(folder, f"preprocess-library/{name}/preprocess.py", folder / "model.h5")


def wrong_input(out):
    """Write a model that says what it takes, and inputs that are something else."""
    model = bare()
    for name in ("wrong-shape", "wrong-dtype", "wrong-name", "refused"):
        save_saved_model(model, model.weights, out / name / "savedmodel")
    right = pixels()[:SHOWN].astype(np.float32) / np.float32(255)
    expected = saved_model_outputs(out / "wrong-shape" / "savedmodel", right)
    for name in ("wrong-shape", "wrong-dtype", "wrong-name"):
        save_arrays(out / name / "raw.npz", pixels=pixels()[:SHOWN])
        save_arrays(out / name / "expected.npz", probabilities=expected)
    save_arrays(out / "refused" / "inputs.npz", image=images()[:SHOWN].reshape(-1, 64))


def normalisation(out):
    """Write one classifier with the normalisation inside, and without it."""
    given = code("normalisation/normalisation-outside/preprocess.py")
    scale = tf.keras.layers.experimental.preprocessing.Normalization(axis=None, name="scale")
    scale.adapt(images()[SHOWN:] * 255)
    found = [float(scale.mean), float(scale.variance) ** 0.5]
    assert np.allclose(found, [given["MEAN"], given["DEVIATION"]], atol=5e-4), found
    model = bare(prepare=lambda image: (image * 255 - given["MEAN"]) / given["DEVIATION"])
    inside, outside = out / "normalisation-inside", out / "normalisation-outside"
    save_saved_model(
        lambda image: model(scale(image)),
        model.weights + scale.weights,
        inside / "savedmodel",
        name="pixels",
    )
    save_saved_model(model, model.weights, outside / "savedmodel")
    shown = (images()[:SHOWN] * 255).astype(np.float32)
    expected = saved_model_outputs(inside / "savedmodel", shown, "pixels")
    save_arrays(inside / "inputs.npz", pixels=shown)
    save_arrays(outside / "raw.npz", pixels=shown)
    for folder in (inside, outside):
        save_arrays(folder / "expected.npz", probabilities=expected)


def _record(folder, preprocess, model):
    """Write what `preprocess` makes of `raw.npz`, what the model answers to it, and the labels."""
    with np.load(str(folder / "raw.npz")) as raw:
        inputs = code(preprocess)["preprocess"](dict(raw))
    save_arrays(folder / "inputs.npz", **inputs)
    save_arrays(folder / "expected.npz", probabilities=keras_outputs(model, inputs["image"]))
    save_labels(folder)
