"""Causes that lie in weights without their model, and in the state of optimizers."""

import h5py
import numpy as np
import tensorflow as tf

from making.digits import SHOWN, images, labels, seeded, shown
from making.network import bare, classifier
from making.saving import code, keras_outputs, save_arrays, save_keras

__all__ = ["optimizer_state", "weights_only", "weights_only_keras3"]


def weights_only(out):
    """Write weights in HDF5 as Keras 2 does, and in checkpoints, beside code that fits or not."""
    model = bare(code("weights-only/h5-matching/build.py")["build_model"])
    for name in ("h5-without-build", "h5-matching", "h5-not-matching"):
        _folder(out / name)
        model.save_weights(str(out / name / "model.h5"))
    _folder(out / "keras-checkpoint-matching")
    model.save_weights(str(out / "keras-checkpoint-matching" / "model"), save_format="tf")
    module = code("weights-only/checkpoint-matching/build.py")["build_model"]()
    for variable, value in (
        (module.hidden_kernel, model.weights[0]),
        (module.hidden_bias, model.weights[1]),
        (module.kernel, model.weights[2]),
        (module.bias, model.weights[3]),
    ):
        variable.assign(value)
    for name in ("without-build", "matching", "not-matching", "partly-matching"):
        tf.train.Checkpoint(root=module).write(str(_folder(out / ("checkpoint-" + name)) / "model"))
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(out / "expected.npz", probabilities=model(shown(), training=False).numpy())


def weights_only_keras3(out):
    """Write the weights of a Keras 3 model, in the layout that Keras 3 gives HDF5."""
    model = bare(code("weights-only-keras3/keras3-matching/build.py")["build_model"])
    for name in ("keras3-matching", "keras3-not-matching"):
        model.save_weights(str(_folder(out / name) / "model.weights.h5"))
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(out / "expected.npz", probabilities=np.asarray(model(shown(), training=False)))


def optimizer_state(out):
    """Write a model after ten steps of Adam, and again without the optimizer's variables."""
    kept, stripped = out / "state-kept" / "model.h5", out / "state-stripped" / "model.h5"
    for path in (kept, stripped):
        save_keras(_ten_steps(), path)
    with h5py.File(str(stripped), "r+") as file:
        del file["optimizer_weights"]
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(out / "expected.npz", probabilities=keras_outputs(kept))


def _ten_steps():
    seeded()
    model = classifier()
    model.compile(tf.keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    first = slice(SHOWN, SHOWN + 160)
    model.fit(images()[first], labels()[first], batch_size=16, epochs=1, verbose=0, shuffle=False)
    return model


def _folder(path):
    path.mkdir(parents=True, exist_ok=True)
    return path
