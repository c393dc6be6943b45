"""Causes that lie in classes and functions of the user, which a file only names."""

from making.digits import shown
from making.network import bare, classifier, trained
from making.saving import code, keras_outputs, save_arrays, save_keras

__all__ = ["custom_layer", "custom_loss"]


def custom_layer(out):
    """Write a model with a layer of the user's, for five states of the code that defines it."""
    layer = code("custom-layer/layer-present/custom_objects.py")["Gate"]
    model = bare(lambda: classifier(after=[layer(sharpness=4.0, name="gate")]))
    for name in (
        "layer-missing",
        "layer-present",
        "arguments-changed",
        "weights-changed",
        "maths-changed",
    ):
        save_keras(model, out / name / "model.h5")
    path = out / "layer-present" / "model.h5"
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(out / "expected.npz", probabilities=keras_outputs(path, objects={"Gate": layer}))


def custom_loss(out):
    """Write a compiled model whose loss is the user's, with the code of the loss and without."""
    loss = code("custom-loss/loss-present/custom_objects.py")["sparse_categorical_focal"]
    model = trained(loss=loss)
    for name in ("loss-missing", "loss-present"):
        save_keras(model, out / name / "model.h5")
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(
        out / "expected.npz", probabilities=keras_outputs(out / "loss-missing" / "model.h5")
    )
