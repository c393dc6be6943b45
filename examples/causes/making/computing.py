"""Causes that lie in how a model computes: kernels, threads, randomness, training mode."""

import tensorflow as tf

from making.digits import seeded, shown
from making.network import bare, classifier
from making.saving import save_arrays, save_saved_model, saved_model_outputs

__all__ = ["batch_norm_training", "cpu_kernels", "random_ops"]

REPEATED = 256


def cpu_kernels(out):
    """Write a convolutional network, and one product that is summed over 16 384 terms."""
    model = bare(_convolutional)
    save_saved_model(model, model.weights, out / "convolutions" / "savedmodel")
    save_arrays(out / "convolutions" / "inputs.npz", image=shown())

    seeded()
    weights = tf.Variable(tf.random.normal([64, 128]))

    def project(image):
        long = tf.tile(tf.reshape(image, [-1, 64]), [1, REPEATED])
        return tf.linalg.matmul(long, tf.tile(weights, [REPEATED, 1]))

    save_saved_model(project, [weights], out / "long-sum" / "savedmodel", output="features")
    save_arrays(out / "long-sum" / "inputs.npz", image=shown()[:1])


def _convolutional():
    layers = tf.keras.layers
    return classifier(
        layers.UpSampling2D(4, name="larger"),
        layers.Conv2D(16, 3, padding="same", activation="relu", name="conv_1"),
        layers.Conv2D(32, 3, padding="same", activation="relu", name="conv_2"),
        layers.MaxPooling2D(8, name="pool"),
    )


def random_ops(out):
    """Write a model whose dropout stays on, and one that adds noise to its input."""
    model = bare(lambda: classifier(after=[tf.keras.layers.Dropout(0.3, name="dropout")]))
    # A seed set here would go into the graph, and every process would draw the same.
    tf.random.set_seed(None)
    for name, call in (
        ("dropout-active", lambda image: model(image, training=True)),
        ("noise-added", lambda image: model(image + tf.random.normal(tf.shape(image), 0.0, 0.1))),
    ):
        save_saved_model(call, model.weights, out / name / "savedmodel")
        expected = saved_model_outputs(out / name / "savedmodel")
        save_arrays(out / name / "inputs.npz", image=shown())
        save_arrays(out / name / "expected.npz", probabilities=expected)


def batch_norm_training(out):
    """Write one network three times: as it should be called, in training mode, and with renorm.

    `expected.npz` is what the first answers.
    """
    save_arrays(out / "inputs.npz", image=shown())
    plain, renorm = bare(_normalised), bare(lambda: _normalised(renorm=True))
    for name, model, training in (
        ("inference-mode", plain, False),
        ("training-mode", plain, True),
        ("training-mode-renorm", renorm, True),
    ):
        save_saved_model(_called(model, training), model.weights, out / name / "savedmodel")
        expected = saved_model_outputs(out / name / "savedmodel")
        if not training:
            save_arrays(out / "expected.npz", probabilities=expected)


def _normalised(**how):
    norm = tf.keras.layers.BatchNormalization(name="norm", **how)
    return classifier(after=[norm])


def _called(model, training):
    return lambda image: model(image, training=training)
