"""Keras models: loaded, and called as their config says."""

import collections
import os

from probing.inference import set_seeds
from probing.keras_config import (
    keras_config,
    keras_specs,
    keras_structures,
    packed,
    tensors_in,
    unique,
)
from probing.keras_saved import outputs_as_told, saved_structure, specs_as_told, told_by
from probing.saved_model import signatures_in
from probing.slots import slots_of_model
from probing.start import session_config
from probing.tensors import Entry, InSession
from probing.training import look_at_training, losses_of_step, targets_for
from probing.user_code import custom_objects

Form = collections.namedtuple("Form", "specs inputs names layers told")
"""What a model takes and returns. `specs`: its inputs, one by one; `inputs`: their structure;
`names` and `layers`: two ways to name its outputs; `told`: what the signature says, or None."""


def load_keras(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return the model of `tf.keras.models.load_model`, for inference only."""
    use_session(tf, request)
    return load_model(tf.keras, request, compile=False)


def load_compiled(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return the model of `tf.keras.models.load_model`, with what it needs to go on training."""
    use_session(tf, request)
    return load_model(tf.keras, request)


def load_tf_keras(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return the model of Keras 2 as the package `tf_keras`, which works beside Keras 3."""
    import tf_keras

    report.actual["keras"] = tf_keras.__version__
    return load_model(tf_keras, request, compile=False)


def load_model(keras, request, **options):
    """Return the model in the file; what is not said is left to the release's defaults."""
    objects = custom_objects(request)
    if objects:
        options["custom_objects"] = objects
    return keras.models.load_model(request["model"], **options)


def use_session(tf, request):
    """Give Keras a session with the request's settings, where it computes in one."""
    if not tf.executing_eagerly():
        session = tf.compat.v1.Session(config=session_config(tf, request))
        tf.compat.v1.keras.backend.set_session(session)


def entry_of_keras(tf, request, model):
    """Return the model of a file as something to call."""
    return entry_of_model(tf, request, model, form_of_file(tf, request, model))


def entry_of_compiled(tf, request, model):
    """Return the model of a file as something to call, and then to train for one step."""
    form = form_of_file(tf, request, model)
    return entry_of_model(tf, request, model, form, lambda: slots_of_model(tf, request["model"]))


def entry_of_model(tf, request, model, form, slots=None):
    """Return a Keras model as something to call.

    `slots` reads what its files hold of an optimizer; None: its training state is not looked at.
    """

    def call(arrays):
        return named_outputs(computed(tf, model, batch_of(tf, form, arrays)), form)

    def training(arrays, tell):
        def make_step():
            batch = batch_of(tf, form, arrays)
            targets = targets_for(model, computed(tf, model, batch), request["seed"])
            set_seeds(tf, request)
            return losses_of_step(model, batch, targets)

        look_at_training(tf, model, slots, make_step, tell)

    session = None if tf.executing_eagerly() else in_session(tf, model, form)
    return Entry(None, form.specs, call, True, training if slots else None, session)


def in_session(tf, model, form):
    """Return what Keras feeds and fetches where it computes in a session; None: it doesn't say."""
    inputs = getattr(model, "inputs", None)
    if not inputs or len(inputs) != len(form.specs):
        return None
    feeds = {spec.name: tensor for spec, tensor in zip(form.specs, inputs)}
    outputs = list(model.outputs)
    fetches = named_outputs(outputs if len(outputs) > 1 else outputs[0], form)
    return InSession(tf.compat.v1.keras.backend.get_session(), feeds, fetches)


def form_of_file(tf, request, model):
    """Return what a model takes and returns, as its file says, else as it says itself."""
    path = request["model"]
    config = keras_config(path, model)
    if not os.path.isdir(path):
        return form_of(tf, model, config)
    told = told_by(signatures_in(path), request["signature"])
    form = form_of(tf, model, config, saved_structure(model))
    if told is None:
        return form
    layers = unique([layer for _, layer in tensors_in(form.inputs)])
    return form._replace(
        specs=specs_as_told(tf, form.specs, layers, told.inputs), told=told.outputs
    )


def form_of(tf, model, config, saved=None):
    """Return what a model takes and returns; `saved` is the structure its SavedModel tells."""
    inputs, outputs = keras_structures(config)
    if not config.get("layers") and saved is not None:
        inputs = saved
    pairs = tensors_in(outputs)
    names, layers = unique([name for name, _ in pairs]), unique([layer for _, layer in pairs])
    return Form(keras_specs(tf, config, inputs, model), inputs, names, layers, None)


def batch_of(tf, form, arrays):
    """Return the arrays in the structure the model takes them in."""
    eager = computes_eagerly(tf)
    if set(arrays) != {spec.name for spec in form.specs}:  # the model does not say what it takes
        return {
            name: tf.convert_to_tensor(array) if eager else array for name, array in arrays.items()
        }
    values = [arrays[spec.name] for spec in form.specs]
    if not eager:
        return values if len(values) > 1 else values[0]
    values = [tf.convert_to_tensor(value) for value in values]
    single = len(values) == 1 and not isinstance(form.inputs, dict)
    return values[0] if single else packed(form.inputs, iter(values))


def computed(tf, model, batch):
    """Return what the model makes of a batch, in inference."""
    if not computes_eagerly(tf):
        return model.predict_on_batch(batch)
    return model(batch, training=False)


def computes_eagerly(tf):
    """Tell whether a model is called, or traced to be called, and not computed in a session."""
    with tf.init_scope():  # out of the function that is being traced, if any
        return tf.executing_eagerly()


def named_outputs(found, form):
    """Return {name: tensor} of what a Keras model returned, in whatever structure."""
    pairs = flattened(found, "")
    names, layers = form.names, form.layers
    if len(pairs) != len(names):
        names = unique([key or "output_%d" % index for index, (key, _) in enumerate(pairs)])
        layers = []
    if form.told is not None:
        names = outputs_as_told(names, layers, form.told)
    return {name: value for name, (_, value) in zip(names, pairs)}


def flattened(found, key):
    """Return the tensors in nested lists and dicts, each with its key ("" in a list)."""
    if isinstance(found, dict):
        return [pair for inner in sorted(found) for pair in flattened(found[inner], inner)]
    if isinstance(found, (list, tuple)) and not hasattr(found, "dense_shape"):
        return [pair for part in found for pair in flattened(part, key)]
    return [(key, found)]
