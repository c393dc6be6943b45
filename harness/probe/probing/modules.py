"""Models that are no Keras models: a `tf.Module`, or anything else that can be called."""

import inspect

from probing.keras_config import unique
from probing.keras_model import flattened
from probing.tensors import Entry, Spec, dimensions_of

NO_INFERENCE = ("training", "is_training")
"""Parameters that tell a model whether it is trained; they are given False."""


def entry_of_module(tf, model):
    """Return a callable as something to call; its inputs are its parameters without a default."""
    parameters = parameters_of(model)
    names = [name for name, default in parameters.items() if default is inspect.Parameter.empty]
    names = [name for name in names if name not in NO_INFERENCE]
    modes = {name: False for name in parameters if name in NO_INFERENCE}
    specs = specs_of(tf, model, names)

    def call(arrays):
        tensors = {name: tf.convert_to_tensor(array) for name, array in arrays.items()}
        if set(tensors) != set(names):  # one parameter, and several arrays for it
            tensors = {names[0]: tensors}
        pairs = flattened(model(**dict(modes, **tensors)), "")
        keys = unique([key or "output_%d" % index for index, (key, _) in enumerate(pairs)])
        return {key: value for key, (_, value) in zip(keys, pairs)}

    return Entry(None, specs, call, True)


def parameters_of(model):
    """Return {name: default} of what a callable takes by name."""
    function = type(model).__call__
    function = getattr(function, "python_function", function)  # of a `tf.function`
    parameters = list(inspect.signature(function).parameters.values())[1:]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {one.name: one.default for one in parameters if one.kind in named}


def specs_of(tf, model, names):
    """Return what the model says of its inputs, which is little without an `input_signature`."""
    declared = getattr(model.__call__, "input_signature", None)
    if declared is None or len(declared) != len(names):
        return [Spec(name, None, None) for name in names]
    return [
        Spec(name, spec.dtype.name, dimensions_of(tf, spec.shape))
        for name, spec in zip(names, declared)
    ]
