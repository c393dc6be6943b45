"""Loads one model, feeds it one batch and writes down what happened: the fixed inference script.

    python probe.py --requests requests.json --out DIR

It runs inside the environment that is examined and needs nothing but CPython 3.6 or newer, NumPy
and TensorFlow 1.15 or newer. NumPy and TensorFlow are imported in a stage of their own, so that an
environment in which they are broken is reported like any other.

One environment, one start: TensorFlow is imported once, and then every attempt (one model, read by
one loader) runs in a process forked from there, so that a crash costs that attempt only.

What an attempt NAME writes
    DIR/NAME/report.json       rewritten on entering every stage (start, import, preprocess, load,
                               prepare, infer, collect): after a crash, a hang or a kill it still
                               names the stage and all that was learnt before. `completed` is true
                               once the outputs are written, before the inference is varied and a
                               training step is made.
    DIR/NAME/inputs.npz        the inputs, where they were generated.
    DIR/NAME/preprocessed.npz  what `preprocess.py` returned, where it was run.
    DIR/NAME/outputs.npz       the outputs, before the report says `completed`.
    DIR/NAME/repeat.npz        those of a second inference, where it gave other bits.
    DIR/NAME/variation-V.npz   those of a variation V of the inference, where it gave other bits.
    DIR/NAME/probe.log         what it printed.
    DIR/NAME/ended.json        written by the parent, when nothing of the attempt is left: exit
                               status (0 completed, 1 a stage failed) or signal, seconds, and how
                               many processes of the container were out of memory meanwhile.

How a model is called
    saved_model.load   `tf.saved_model.load(path).signatures[key]`, in TensorFlow 2.
    session            a `tf.compat.v1.Session` with the graph and its main op; in 1.x and 2.x.
    keras.load_model   `tf.keras.models.load_model(path, compile=False)`, then, in TensorFlow 2,
                       `model(batch, training=False)`. That is the call Keras documents for a batch
                       that fits in memory, and the same work in every 2.x: `predict` compiles with
                       XLA under Keras 3 and not under Keras 2, which would compare two compilers
                       rather than two environments. TensorFlow 1.x computes nothing outside of a
                       session: there it is `model.predict_on_batch(batch)`.
    keras.load_model.compiled
                       the same without `compile=False`; afterwards its training state is looked at.
    tf_keras.load_model
                       the same with Keras 2 as the package `tf_keras`.
    TFSMLayer          `keras.layers.TFSMLayer(path, call_endpoint=key)(batch)`, in Keras 3.
    load_weights       `build_model()` of `build.py`, then `model.load_weights(path)`.
    train.Checkpoint   `build_model()`, then `tf.train.Checkpoint(...).restore(prefix)`, the model
                       put where the checkpoint's graph of objects has it (its root, or below a
                       name such as `model`), its optimizer beside it.
    train.Saver        `build_model()`, then `tf.compat.v1.train.Saver` by the variables' names.
    import_meta_graph  the graph of `PREFIX.meta` without its devices, restored in a session.
    import_graph_def   a frozen graph in a session.
    wrap_function      a frozen graph as a function, in TensorFlow 2.
    lite.Interpreter   `tf.lite.Interpreter(path)`; of several signatures the one that is asked for.
    lite.Interpreter.reference
                       the same with the reference kernels and without a delegate, from 2.5 on.

    What a Keras model takes and returns is read from its config as it stands in the file, so that
    names and generated inputs are the same whichever Keras loads it (Keras 3 renames tensors, and
    misreads `batch_input_shape`). Inputs and outputs have the names of their layers, or the keys
    where the model takes or returns a dict; a second output of one layer has the suffix `_1`; the
    input of a Sequential model without an InputLayer is `<first layer>_input`. From a SavedModel
    they have the names of its signature, as far as it is plain which is which.
    What is no Keras model (`build_model()` may return any `tf.Module`) takes its parameters without
    a default; `training` and `is_training` are False. TensorFlow Lite has the names of a signature,
    or of tensors. Tables of a graph are filled; what a TensorFlow Lite model remembers is forgotten
    before each call.

Weights put into a model
    Before `load_weights`, `train.Checkpoint` and `train.Saver` every variable is filled with bits
    that no file holds, and afterwards none may hold them: where a loader silently skips what it
    cannot match, the load fails with a PartialRestoreError that names it. Variables that come into
    being only in the first call are an error too.

Training state
    Told of models that come with an optimizer: its class, its steps, how many of the slot variables
    in the files it holds bit by bit (variables of an optimizer that are no scalars), and the loss
    before and after a step on the inputs and fixed targets (classes 0, 1, 2, ... or values of
    `RandomState(seed)`). A process forked before TensorFlow computes loads the model once more for
    that, when the outputs are written: a step may crash where inference does not.

Variations of the inference
    How far the outputs move where they ought not to: the noise floor. Asked for by `noise` in the
    request. Always after the report is complete, within a share of its limits, with the same seeds.
    ulp-1, ...         (quick; three in full) every float of the inputs is moved to one of its two
                       neighbours, at random with a fixed seed; zeros stay (see `steps.moved`).
    batch-split        (quick) the batch in two halves, where every input and output begins with it.
    batch-one          (full) the first 32 samples one by one, the others together.
    threads-1          (full) one thread, and
    threads-n          twice as many as the attempt has, each in a process forked before TensorFlow
                       computes, since that keeps its thread pools for good. Only on a CPU.

How arrays are stored
    `outputs.npz`, `repeat.npz` and those of variations hold `output_0`, `output_1`, ... in the
    order of `outputs` in the report (sorted by name), never pickled. Outputs are written and let go
    before the second inference: they are in memory once. `inputs.npz` and `preprocessed.npz` hold
    arrays by name; an
    array that `preprocess.py` returned without a name is `input`, and an array of that name is for
    a model's only input, whatever it is called.
    string             two arrays: `output_0.data` (uint8, all strings one after the other) and
                       `output_0.offsets` (int64, n + 1 positions in it, strings in C order).
                       In `inputs.npz`: an array of fixed-width bytes.
    bfloat16           the bits as uint16.
    float8_*, int4, .. the bits as uint8.
    ragged tensor      as the outputs `name/values` and `name/row_splits_0`, ...
    sparse tensor      as the outputs `name/indices`, `name/values` and `name/dense_shape`.

Generated inputs come from `numpy.random.RandomState(seed)`, whose stream never changes (NEP 19),
for the inputs in order of their names. Floats are made as float32 and then converted, so that the
last bit of a C library's logarithm does not show.
"""

import argparse
import faulthandler
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from probing.guard import guard  # noqa: E402
from probing.parent import oom_kills, run_all, run_here  # noqa: E402


def main(arguments=None):
    """Run the attempts and return the exit status."""
    parser = argparse.ArgumentParser(description="Load models, feed each one batch, report.")
    parser.add_argument("--requests", required=True, help="what to do (requests.json)")
    parser.add_argument("--out", required=True, help="folder with one folder for each attempt")
    parser.add_argument("--attempt", help="run only this one, in this very process")
    parser.add_argument("--afresh", action="store_true", help="no process is forked: import anew")
    options = parser.parse_args(arguments)
    if options.attempt is not None:
        return run_here(options.requests, options.out, options.attempt)
    return run_all(options.requests, options.out, os.path.abspath(__file__), options.afresh)


if __name__ == "__main__":
    faulthandler.enable()
    sys.path.remove(HERE)  # a model's code must not find the probe's modules under their names
    guard(oom_kills)
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all is written: a library that hangs or crashes at exit is not the model
