"""Makes one small model of every further format with the TensorFlow it runs under.

`probe_models.py` calls it. The weights are those of `probe_files`, so that every format computes
the same: `(x @ kernel + bias) @ head`, or the first of the two products.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

FILES = Path(__file__).resolve().parent / "probe_files"
sys.path.insert(0, str(FILES))
sys.dont_write_bytecode = True

import build  # noqa: E402
import custom_objects  # noqa: E402
from affine import Affine  # noqa: E402
from constants import BIAS, KERNEL  # noqa: E402

KERAS = tf.keras
V1 = tf.compat.v1
VERSION = tuple(int(part) for part in tf.__version__.split(".")[:2])


def trained():
    """The model of `build.py` after three steps of Adam, all of whose sums are not exact."""
    model = build.build_model()
    model.compile(optimizer="adam", loss="mse")
    x = np.arange(32, dtype=np.float32).reshape(8, 4) / 32
    for _ in range(3):
        model.train_on_batch(x, x[:, :2])
    return model


def whole_models(out):
    """Models with training state, with an own layer, and one that only a class describes."""
    trained().save(str(out / "trained.h5"))
    custom = KERAS.Sequential([KERAS.layers.InputLayer((4,)), custom_objects.Twice(name="twice")])
    custom.save(str(out / "custom.h5"))
    if VERSION >= (2, 12):
        trained().save(str(out / "trained.keras"))
        custom.save(str(out / "custom.keras"))
    if VERSION >= (2, 16):
        build.build_model().export(str(out / "exported"))
    else:
        build.build_model().save(str(out / "keras_saved"), save_format="tf")


def weights(out):
    """Weights alone, in every form of the release."""
    model = build.build_model()
    model.save_weights(str(out / "alone.weights.h5"))
    if VERSION < (2, 16):
        model.save_weights(str(out / "old.h5"))
        model.save_weights(str(out / "tf_format" / "weights"))
    x = KERAS.layers.Input((4,), name="x")
    KERAS.Model(x, KERAS.layers.Dense(5, name="hidden")(x)).save_weights(
        str(out / "other.weights.h5")
    )


def checkpoints(out):
    """Checkpoints of objects: rooted at a model, above it, and one that lacks a variable."""
    model = trained()
    saver = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    saver.write(str(out / "above" / "ckpt"))
    module = Affine()
    tf.train.Checkpoint(net=module).write(str(out / "module" / "ckpt"))
    tf.train.Checkpoint(net=tf.train.Checkpoint(kernel=module.kernel)).write(
        str(out / "partial" / "ckpt")
    )
    if VERSION >= (2, 4):
        tf.train.Checkpoint(module).write(str(out / "root" / "ckpt"))


def graphs(out):
    """What TensorFlow 1 wrote: a graph with its checkpoint, a frozen graph, names alone."""
    with tf.Graph().as_default(), V1.Session() as session:
        x = V1.placeholder(tf.float32, [None, 4], name="x")
        words = V1.placeholder(tf.string, [None], name="words")
        kernel = V1.get_variable("affine/kernel", initializer=KERNEL, use_resource=False)
        bias = V1.get_variable("affine/bias", initializer=BIAS, use_resource=False)
        tf.add(tf.matmul(x, kernel), bias, name="y")
        pairs = tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([5], tf.int64))
        table = tf.lookup.StaticHashTable(pairs, -1)
        tf.identity(table.lookup(words), name="numbers")
        session.run([V1.global_variables_initializer(), V1.tables_initializer()])
        V1.train.Saver().save(session, str(out / "meta" / "model.ckpt"), global_step=7)
        kinds = ("InitializeTableV2", "LookupTableImportV2")
        fill = [op.name for op in session.graph.get_operations() if op.type in kinds]
        frozen = V1.graph_util.convert_variables_to_constants(
            session, session.graph_def, ["y", "numbers", *fill]
        )
        (out / "frozen.pb").write_bytes(frozen.SerializeToString())


class Signatures(tf.Module):
    """Two signatures, and an unknown dimension."""

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def double(self, x):
        """Named output."""
        return {"doubled": x + x}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="b"),
            tf.TensorSpec([None, 2], tf.float32, name="a"),
        ]
    )
    def minus(self, b, a):
        """The order of inputs matters."""
        return {"difference": a - b}


def lite(out):
    """TensorFlow Lite: of a Keras model, quantised, and with signatures."""
    model = build.build_model()
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    (out / "model.tflite").write_bytes(converter.convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [np.full((1, 4), number, np.float32)] for number in (-2, 2)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (out / "int8.tflite").write_bytes(converter.convert())
    if VERSION >= (2, 5):
        module = Signatures()
        tf.saved_model.save(
            module, str(out / "signatures"), {"double": module.double, "minus": module.minus}
        )
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(out / "signatures"), signature_keys=["double", "minus"]
        )
        (out / "signatures.tflite").write_bytes(converter.convert())


def make(out):
    """Write everything into `out`."""
    for step in (whole_models, weights, checkpoints, graphs):
        step(out)
    if VERSION >= (2, 4):
        lite(out)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
