"""Makes small models and runs each in float64 as the probe does: `float64_models.py PROBE DIR`.

Writes DIR/weights.npz (weights and inputs, by `model/name`), DIR/found.npz (`case/float32` and
`case/float64`) and DIR/found.json (why there is no float64 run, by case; null where there is one).
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, sys.argv[1])

import numpy as np
import tensorflow as tf
from probing.float64 import NoFloat64Error, in_float64
from probing.inference import infer, set_seeds
from probing.inputs import prepare
from probing.loaders import LOADERS
from probing.report import Report
from probing.requests import asked
from tensorflow.python.framework import convert_to_constants

VERSION = tuple(int(part) for part in tf.__version__.split(".")[:2])
EAGER = tf.executing_eagerly()
LAYERS = tf.keras.layers
STATE = np.random.RandomState(7)
FOLDER = sys.argv[2]
WEIGHTS, FOUND, PROBLEMS = {}, {}, {}


def path(*names):
    return str(Path(FOLDER, *names))


def mlp():
    layers = [
        LAYERS.Dense(16, activation="relu", input_shape=(12,)),
        LAYERS.Dropout(0.5),
        LAYERS.Dense(8, activation="tanh"),
        LAYERS.Dense(5, activation="softmax"),
    ]
    return tf.keras.Sequential(layers), (6, 12)


def cnn():
    layers = [
        LAYERS.Conv2D(4, 3, strides=2, input_shape=(12, 12, 3)),
        LAYERS.DepthwiseConv2D(3, depth_multiplier=2),
        LAYERS.BatchNormalization(epsilon=1e-3),
        LAYERS.ReLU(),
        LAYERS.GlobalAveragePooling2D(),
        LAYERS.Dense(3),
    ]
    return tf.keras.Sequential(layers), (4, 12, 12, 3)


def lstm():
    layers = [LAYERS.LSTM(6, recurrent_activation="sigmoid", input_shape=(9, 5)), LAYERS.Dense(3)]
    return tf.keras.Sequential(layers), (4, 9, 5)


def made(name, make):
    """Make a model with weights that are kept, and its inputs."""
    model, shape = make()
    values = [
        STATE.standard_normal(one.shape).astype(np.float32) / 2 for one in model.get_weights()
    ]
    for index, variable in enumerate(model.weights):
        if "variance" in variable.name:
            values[index] = np.abs(values[index])
    model.set_weights(values)
    for index, one in enumerate(values):
        WEIGHTS[f"{name}/{index}"] = one
    WEIGHTS[f"{name}/x"] = STATE.standard_normal(shape).astype(np.float32)
    np.savez(path(name + ".npz"), x=WEIGHTS[f"{name}/x"])
    return model, shape


def by_key(function):
    return lambda x: {"y": function(x)}


def signature(function, *shape, dtype=tf.float32):
    spec = tf.TensorSpec((None, *shape[1:]), dtype, name="x")
    return tf.function(function, input_signature=[spec])


def saved(name, holder, function, *shape, dtype=tf.float32):
    """Save a function of `x` as the signature of a SavedModel."""
    made = signature(function, *shape, dtype=dtype)
    holder.function = made  # keeps what the function uses
    tf.saved_model.save(holder, path(name), signatures=made)


def frozen(name, function, *shape):
    graph = convert_to_constants.convert_variables_to_constants_v2(
        signature(function, *shape).get_concrete_function()
    )
    Path(path(name)).write_bytes(graph.graph.as_graph_def().SerializeToString())
    return {"feeds": {"x": graph.inputs[0].name}, "fetches": {"y": graph.outputs[0].name}}


def run(case, loader, model, inputs=None, **more):
    """Run a model as it is and in float64."""
    given = dict(more, schema=1, loader=loader, model=path(model), intra_op_threads=1)
    given.update(inter_op_threads=1, inputs=None if inputs is None else path(inputs + ".npz"))
    request = asked(given).request
    Path(path("runs", case)).mkdir(parents=True)
    report = Report(path("runs", case))
    set_seeds(tf, request)
    load, find_entry = LOADERS[loader]
    loaded = load(tf, request, report)  # kept: it holds the variables
    entry = find_entry(tf, request, loaded)
    tensors = prepare(report, request, entry)
    written, first = infer(tf, report, request, entry, tensors)
    with np.load(written) as archive:
        FOUND[case + "/float32"] = archive["output_0"]
    try:
        (found,) = in_float64(tf, request, entry, tensors, first.facts)
        assert found.name == first.facts[0]["name"]
        FOUND[case + "/float64"] = found.array
        PROBLEMS[case] = None
    except NoFloat64Error as error:
        PROBLEMS[case] = str(error)


def keras_cases():
    for name, make in (("mlp", mlp), ("cnn", cnn), ("lstm", lstm)):
        model, shape = made(name, make)
        model.save(path(name + ".h5"))
        if not EAGER:
            session = tf.compat.v1.keras.backend.get_session()
            outputs = {"y": model.outputs[0]}
            tf.compat.v1.saved_model.simple_save(
                session, path(name), {"x": model.inputs[0]}, outputs
            )
        run(name + "-h5", "keras.load_model", name + ".h5", name)
        if VERSION >= (2, 12):
            model.save(path(name + ".keras"))
            run(name + "-keras", "keras.load_model", name + ".keras", name)
        if not EAGER:
            tf.compat.v1.keras.backend.clear_session()
            run(name + "-session", "session", name, name)
            continue
        holder = tf.Module()
        holder.model = model

        call = by_key(lambda x: holder.model(x, training=False))  # noqa: B023 - used at once
        saved(name, holder, call, *shape)
        run(name + "-saved", "saved_model.load", name, name)
        if VERSION < (2, 16):  # what Keras 3 saves so, a session does not restore
            run(name + "-session", "session", name, name)
        settings = frozen(name + ".pb", call, *shape)
        run(name + "-graph", "import_graph_def", name + ".pb", name, **settings)
        run(name + "-wrapped", "wrap_function", name + ".pb", name, **settings)


def function_cases():
    """What can be done, what is refused, and what is random."""
    holder = tf.Module()
    holder.steps = tf.Variable(0.0)
    holder.table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant([0, 1], tf.int64), tf.constant([0.1, 0.2])),
        0.3,
    )
    unit = tf.range(0.0, 1.0, 0.01)

    def branch(x):
        return tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.exp(x), lambda: tf.exp(-x) / 3.0)

    def loop(x):
        step = lambda i, y: (i + 1, tf.sin(y) + x)  # noqa: E731
        return tf.while_loop(lambda i, _: i < 20, step, (0, x))[1]

    functions = {
        "half": lambda x: tf.cast(tf.exp(tf.cast(x, tf.float16)) / 3, tf.float32),
        "brain": lambda x: tf.cast(tf.cast(x, tf.bfloat16) * 3, tf.float32) / 7.0,
        "branch": branch,
        "loop": loop,
        "fourier": lambda x: tf.math.imag(tf.signal.fft(tf.cast(x, tf.complex64))),
        "table": lambda x: holder.table.lookup(tf.cast(x, tf.int64) * 0) * x / 3.0,
        "harmless-random": lambda x: x / 3.0 + 0.0 * tf.floor(tf.random.uniform(tf.shape(x))),
        "random": lambda x: x + tf.random.uniform(tf.shape(x)),
        "counting": lambda x: x + holder.steps.assign_add(1.0),
        "resize": lambda x: tf.image.resize(x[:, :, None, None], (9, 1))[:, :, 0, 0],
        "fake-quant": tf.quantization.fake_quant_with_min_max_args,
        "python": lambda x: tf.reshape(tf.numpy_function(np.sin, [x], tf.float32), tf.shape(x)),
        "lrn": lambda x: tf.nn.lrn(x[:, :, None, None])[:, :, 0, 0] + unit[0],
    }
    np.savez(path("functions.npz"), x=STATE.standard_normal((4, 5)).astype(np.float32))
    WEIGHTS["functions/x"] = np.load(path("functions.npz"))["x"]
    for name, function in functions.items():
        saved(name, holder, by_key(function), 4, 5)
        run(name, "saved_model.load", name, "functions")
        if name in ("branch", "loop", "table"):
            run(name + "-session", "session", name, "functions")
    make = signature(tf.abs, 4, 5).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([make])
    Path(path("lite.tflite")).write_bytes(converter.convert())
    run("lite", "lite.Interpreter", "lite.tflite", None)


keras_cases()
if EAGER:
    function_cases()
np.savez(path("weights.npz"), **WEIGHTS)
np.savez(path("found.npz"), **FOUND)
Path(path("found.json")).write_text(json.dumps(PROBLEMS))
