"""Names of a Keras model's inputs and outputs where it comes from a SavedModel.

Keras 2 names the inputs and outputs of the signature it writes by layers, or, for a subclassed
model, `input_1`, `output_1` and so on, or by the keys of a dict. The same names are used where
Keras reads the model, so that all loaders can be fed and compared alike.
"""

import collections

from probing.graphs import tensor_shape

Told = collections.namedtuple("Told", "inputs outputs")
"""What the signature says: {name: TensorInfo} of inputs and of outputs."""


def told_by(signatures, wanted):
    """Return what the signature that is called by default says; None where there is none."""
    signature = signatures.get(wanted or "serving_default")
    return None if signature is None else Told(signature.inputs, signature.outputs)


def saved_structure(model):
    """Return what a subclassed model takes, as config writes it; None where it does not say."""
    found = getattr(model, "_saved_model_inputs_spec", None)
    return None if found is None else structure_of(found, iter(range(1, 1000)))


def structure_of(found, numbers):
    """Return nested TensorSpecs as config writes tensors; those without a name are numbered."""
    if isinstance(found, dict):
        return {key: structure_of(found[key], numbers) for key in sorted(found)}
    if isinstance(found, (list, tuple)):
        return [structure_of(part, numbers) for part in found]
    return [found.name or "input_%d" % next(numbers), 0, 0]


def specs_as_told(tf, specs, layers, told):
    """Return the inputs with the signature's names, where it is plain which is which.

    `layers` are the names of their layers, in the same order. What the model leaves open of types
    and shapes the signature says.
    """
    names = next(
        (names for names in ([spec.name for spec in specs], layers) if same(names, told)),
        list(told) if len(specs) == len(told) == 1 else None,
    )
    if names is None:
        return specs
    return [
        spec._replace(
            name=name,
            dtype=spec.dtype or tf.as_dtype(told[name].dtype).name,
            shape=tensor_shape(tf, told[name]) if spec.shape is None else spec.shape,
        )
        for spec, name in zip(specs, names)
    ]


def outputs_as_told(names, layers, told):
    """Return the outputs' names as the signature has them, where it is plain which is which.

    `names` are those they have otherwise, `layers` those of their layers, or [] if unknown.
    """
    numbered = ["output_%d" % (index + 1) for index in range(len(names))]
    for candidates in (names, layers, numbered):
        if same(candidates, told):
            return candidates
    return list(told) if len(names) == len(told) == 1 else names


def same(names, told):
    """Tell whether the names are those of the signature, in whatever order."""
    return len(names) == len(told) and set(names) == set(told)
