"""Models of TensorFlow 1: graphs that are run in a session. Needs TensorFlow 1.15."""

import shutil

import numpy as np
import tensorflow.compat.v1 as tf

from making.digits import SHOWN, images, labels, seeded, shown
from making.saving import save_arrays

__all__ = ["legacy_graph"]


def legacy_graph(out):
    """Write one trained graph as a SavedModel, a frozen graph and a checkpoint with its graph."""
    with tf.Graph().as_default(), tf.Session() as session:
        seeded()
        image, probabilities = _trained(session)
        expected = session.run(probabilities, {image: shown()})
        _saved_model(session, image, probabilities, out / "graph-saved-model" / "savedmodel")
        _frozen(session, probabilities, out / "graph-frozen")
        _checkpoint(session, out / "graph-checkpoint")
    save_arrays(out / "inputs.npz", image=shown())
    save_arrays(out / "expected.npz", probabilities=expected)


def _trained(session):
    """Return the placeholder and the output of a classifier after 200 steps."""
    image = tf.placeholder(tf.float32, [None, 8, 8, 1], name="image")
    label = tf.placeholder(tf.int64, [None], name="label")
    hidden = tf.nn.relu(_dense(tf.reshape(image, [-1, 64]), 64, 16, "hidden"))
    logits = _dense(hidden, 16, 10, "output")
    probabilities = tf.nn.softmax(logits, name="probabilities")
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
    )
    with tf.variable_scope("training"):
        step = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    session.run(tf.global_variables_initializer())
    for _ in range(200):
        session.run(step, {image: images()[SHOWN:], label: labels()[SHOWN:]})
    return image, probabilities


def _dense(inputs, width, units, name):
    with tf.variable_scope(name, use_resource=False):
        start = np.random.normal(0, 0.2, (width, units)).astype(np.float32)
        kernel = tf.get_variable("kernel", initializer=start)
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        return tf.matmul(inputs, kernel) + bias


def _saved_model(session, image, probabilities, folder):
    shutil.rmtree(str(folder), ignore_errors=True)
    tf.saved_model.simple_save(
        session, str(folder), {"image": image}, {"probabilities": probabilities}
    )


def _frozen(session, probabilities, folder):
    graph = tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), [probabilities.op.name]
    )
    tf.train.write_graph(graph, str(folder), "frozen.pb", as_text=False)


def _checkpoint(session, folder):
    folder.mkdir(parents=True, exist_ok=True)
    kept = tf.trainable_variables()
    tf.train.Saver(kept).save(session, str(folder / "model.ckpt"), write_state=False)
