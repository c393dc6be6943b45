"""Weights put into what `build_model()` of `build.py` returns."""

import collections

from probing.checkpoints import (
    checkpoint_at,
    object_graph,
    place_of,
    reached,
    reader_of,
    unused_names,
    unused_values,
)
from probing.graphs import saved_as
from probing.hdf5 import is_hdf5, unused_datasets
from probing.inputs import fitted, read_inputs
from probing.keras_config import keras_config
from probing.keras_model import entry_of_model, form_of
from probing.modules import entry_of_module
from probing.restoring import PartialRestoreError, restore, some
from probing.slots import slots_of_checkpoint, slots_of_hdf5
from probing.tensors import fed
from probing.training import make_slots
from probing.user_code import built_model
from probing.variables import (
    children_of,
    is_keras_model,
    is_optimizer,
    name_of,
    plain_variable,
    variables_of,
)

Built = collections.namedtuple("Built", "model whole variables slots")
"""What is called, what weights were put into (the model, or a checkpoint around it), its variables,
and what reads the digests of the slot variables in the files."""


def load_weights(tf, request, report):
    """Return the Keras model of `build.py` after `model.load_weights(path)`."""
    path = request["model"]
    model, _, variables = ready(tf, request)
    if not is_keras_model(model):
        raise ValueError(
            "build_model() returned %s, which has no load_weights()" % type(model).__name__
        )

    def unused(all_restored):
        if is_hdf5(path):
            return unused_datasets(path, variables, all_restored)
        return unused_in_checkpoint(tf, path, model, variables)

    def slots():
        return slots_of_hdf5(path) if is_hdf5(path) else slots_of_checkpoint(tf, path)

    restore(report, variables, lambda: model.load_weights(path), unused)
    return Built(model, model, variables, slots)


def load_checkpoint(tf, request, report):
    """Return what `build.py` makes after `tf.train.Checkpoint.restore`, rooted as when written."""
    prefix = request["model"]
    model, whole, variables = ready(tf, request)
    graph = object_graph(reader_of(tf, prefix))
    if graph is None:
        raise ValueError(
            "the checkpoint knows variables by name and holds no graph of objects: use the loader "
            "train.Saver"
        )
    if isinstance(whole, tf.train.Checkpoint):
        checkpoint = whole
    else:
        checkpoint = checkpoint_at(tf, whole, place_of(graph, whole), beside(graph, model))

    def unused(all_restored):  # noqa: ARG001 - called like the others
        return unused_values(graph, reached(graph, 0, checkpoint))

    restore(report, variables, lambda: checkpoint.restore(prefix).expect_partial(), unused)
    return Built(model, whole, variables, lambda: slots_of_checkpoint(tf, prefix))


def load_saver(tf, request, report):
    """Return what `build.py` makes after `tf.compat.v1.train.Saver.restore`, by name."""
    prefix = saved_as(request["model"])
    model, whole, variables = ready(tf, request)
    in_file = set(reader_of(tf, prefix).get_variable_to_shape_map())
    by_name = {}
    for named in variables:
        by_name.setdefault(saved_name(named.variable, in_file), []).append(named)
    twice = sorted(name for name, several in by_name.items() if len(several) > 1)
    if twice:
        raise ValueError("several variables of the model have one name: %s" % some(twice))
    known = {
        name: plain_variable(several[0].variable)
        for name, several in by_name.items()
        if name in in_file
    }

    def load():
        if known:
            tf.compat.v1.train.Saver(known).restore(None, prefix)

    restore(report, variables, load, lambda _: unused_names(in_file, set(by_name)))
    return Built(model, whole, variables, None)


def saved_name(variable, in_file):
    """Return what a variable is called in a file: Keras 3 may put the model's name before it."""
    name = name_of(variable)
    inner = name.partition("/")[2]
    return inner if name not in in_file and inner in in_file else name


def unused_in_checkpoint(tf, prefix, model, variables):
    """Return what a checkpoint holds beside what `load_weights` takes from it."""
    reader = reader_of(tf, prefix)
    graph = object_graph(reader)
    if graph is None:
        names = {name_of(named.variable) for named in variables}
        return unused_names(reader.get_variable_to_shape_map(), names)
    return unused_values(graph, reached(graph, 0, model))


def beside(graph, model):
    """Return the optimizer to restore next to the model, where the checkpoint has one there."""
    optimizer = getattr(model, "optimizer", None)
    there = any(child.local_name == "optimizer" for child in graph.nodes[0].children)
    return {"optimizer": optimizer} if there and optimizer is not None else {}


def ready(tf, request):
    """Return the model of `build.py`, what it is in, and its variables, which are all there."""
    whole = built_model(tf, request)
    model = model_in(tf, whole)
    make_variables(tf, request, model)
    optimizers = [child for child in children_of(whole).values() if is_optimizer(child)]
    for optimizer in optimizers or [getattr(model, "optimizer", None)]:
        make_slots(model, optimizer)
    variables = variables_of(tf, whole)
    if not variables:
        raise ValueError(
            "no variables are found in what build_model() returned (%s)" % type(whole).__name__
        )
    return model, whole, variables


def model_in(tf, whole):
    """Return what is called: the object itself, or the model in a checkpoint."""
    if is_keras_model(whole) or callable(whole):
        return whole
    if not children_of(whole):
        raise ValueError(
            "build_model() returned %s; a Keras model, a tf.Module or a tf.train.Checkpoint of "
            "one is wanted" % type(whole).__name__
        )
    models = {
        name: child
        for name, child in sorted(children_of(whole).items())
        if is_keras_model(child) or (isinstance(child, tf.Module) and callable(child))
    }
    models = {name: child for name, child in models.items() if not is_optimizer(child)}
    for name in ("model", "net", "module"):
        if name in models:
            return models[name]
    if len(models) != 1:
        raise ValueError(
            "which of what build_model() returned is the model? It holds: %s; name it `model`"
            % (", ".join(models) or "nothing to call")
        )
    return next(iter(models.values()))


def make_variables(tf, request, model):
    """Call a model that makes its variables in its first call."""
    if getattr(model, "built", True) and variables_of(tf, model):
        return
    if request["inputs"] is None:
        raise ValueError(
            "the model has no variables before its first call: call it once in build.py, or give "
            "inputs.npz"
        )
    entry = entry_of(tf, request, model, None)
    inputs = fitted(sorted(entry.inputs), read_inputs(request["inputs"]), entry.lenient, [])
    entry.call({tensor.name: fed(tf, tensor) for tensor in inputs})


def entry_of_built(tf, request, built):
    """Return the model as something to call; a variable that comes into being then is an error."""
    slots = built.slots if getattr(built.model, "optimizer", None) is not None else None
    entry = entry_of(tf, request, built.model, slots)
    known = {id(named.variable) for named in built.variables}

    def call(arrays):
        found = entry.call(arrays)
        new = [
            named.name for named in variables_of(tf, built.whole) if id(named.variable) not in known
        ]
        if new:
            raise PartialRestoreError(
                "the model made variables in its first call, after the restore: %s; call it once "
                "in build.py" % some(new)
            )
        return found

    return entry._replace(call=call)


def entry_of(tf, request, model, slots):
    """Return a Keras model or another callable as something to call."""
    if is_keras_model(model):
        form = form_of(tf, model, keras_config(None, model))
        return entry_of_model(tf, request, model, form, slots)
    return entry_of_module(tf, model)
