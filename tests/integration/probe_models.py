"""Makes small models with the TensorFlow it runs under: `probe_models.py DIR`."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from probe_formats import make as make_formats

KERAS = tf.keras
VERSION = tuple(int(part) for part in tf.__version__.split(".")[:2])


def weights(*shape):
    """The same weights in every release, and sums of products that no order of adding changes."""
    return (np.arange(np.prod(shape)).reshape(shape) % 7 - 3).astype(np.float32) / 4


def sequential():
    """A model whose file may or may not hold an InputLayer."""
    model = KERAS.Sequential(
        [KERAS.layers.Dense(3, input_shape=(4,), name="hidden"), KERAS.layers.ReLU(name="scores")]
    )
    model.set_weights([weights(4, 3), weights(3)])
    return model


def functional():
    """Two inputs, and two outputs of one layer."""
    left = KERAS.layers.Input((4,), name="left")
    right = KERAS.layers.Input((4,), name="right")
    shared = KERAS.layers.Dense(2, name="shared")
    total = KERAS.layers.Add(name="total")([left, right])
    model = KERAS.Model([right, left], [shared(left), total, shared(right)])
    shared.set_weights([weights(4, 2), weights(2)])
    return model


def by_key():
    """Dicts on both sides, whose keys are not the names of layers."""
    left = KERAS.layers.Input((4,), name="left")
    right = KERAS.layers.Input((4,), name="right")
    outputs = {"sum": KERAS.layers.Add(name="total")([left, right]), "left": left}
    return KERAS.Model({"b": left, "a": right}, outputs)


def misbehave(x, how):
    """What is asked for, in an inference and not while loading."""
    import os, sys, time  # noqa: E401, I001, PLC0415 - the function is saved without its module

    if not hasattr(x, "numpy"):
        return x
    if how == "abort":
        os.abort()
    if how == "hang":
        time.sleep(600)
    if how == "exit":
        sys.exit(7)
    if how == "raise":
        raise RuntimeError("first words " + 40000 * "x" + " last words \udcff")
    return x


class Everything(tf.Module):
    """Many types, a table and a random result."""

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(weights(4, 3))
        words = tf.lookup.KeyValueTensorInitializer(
            tf.constant([0, 1, 2], tf.int64), tf.constant(["zero", "", "t\0wo\0"])
        )
        self.words = tf.lookup.StaticHashTable(words, "many")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4], tf.float32, "x"),
            tf.TensorSpec([None], tf.int64, "n"),
            tf.TensorSpec([None, 2], tf.string, "s"),
            tf.TensorSpec([None, 2], tf.bfloat16, "b"),
            tf.TensorSpec([], tf.bool, "flag"),
            tf.TensorSpec([2], tf.complex64, "z"),
        ]
    )
    def everything(self, x, n, s, b, flag, z):  # noqa: PLR0917
        """One output of each kind."""
        return {
            "product": tf.matmul(x, self.weights),
            "half": tf.cast(x, tf.float16),
            "word": self.words.lookup(n),
            "joined": tf.strings.reduce_join(s),
            "doubled": b + b,
            "not": tf.logical_not(flag),
            "z": z,
        }

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def any_shape(self, x):
        """An input of unknown rank, and a result that is never the same."""
        return {"y": x + tf.random.uniform(tf.shape(x))}


def old_graph(path):
    """A SavedModel as TensorFlow 1.x writes them, with a table and a sparse output."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4])
        words = v1.placeholder(tf.string, [None])
        kernel = v1.get_variable("kernel", initializer=weights(4, 3), use_resource=False)
        pairs = tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([5], tf.int64))
        numbers = tf.lookup.StaticHashTable(pairs, -1).lookup(words)
        product = tf.matmul(x, kernel)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        info = v1.saved_model.build_tensor_info
        signature = v1.saved_model.build_signature_def(
            {"x": info(x), "words": info(words)},
            {"product": info(product), "numbers": info(numbers)},
            "predict",
        )
        sparse = v1.saved_model.build_signature_def(
            {"x": info(x)}, {"rest": info(tf.sparse.from_dense(tf.nn.relu(product)))}, "predict"
        )
        builder = v1.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature, "sparse": sparse},
            main_op=v1.tables_initializer(),
        )
        builder.save()


def main(out):
    """Write everything into `out`."""
    for name, model in (("sequential", sequential()), ("functional", functional())):
        model.save(str(out / (name + ".h5")))
    by_key().save(str(out / "by_key.h5"))
    if VERSION >= (2, 12):
        functional().save(str(out / "functional.keras"))
    for how in ("abort", "hang", "exit", "raise"):
        batch = KERAS.layers.Input((4,), name="x")
        bad = KERAS.layers.Lambda(misbehave, output_shape=(4,), arguments={"how": how}, name="bad")
        KERAS.Model(batch, bad(batch)).save(str(out / (how + ".h5")))
    module = Everything()
    signatures = {"serving_default": module.everything, "any_shape": module.any_shape}
    tf.saved_model.save(module, str(out / "everything"), signatures=signatures)
    old_graph(str(out / "old_graph"))
    make_formats(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
