"""A batch fed in parts, and the outputs of the parts put together again."""

from probing.tensors import Tensor
from probing.variations import NotDoneError

MOST_SINGLE = 32
"""Samples that are fed one by one; those after them are fed together."""


def halves(samples):
    """Return where each of two halves begins and ends; of an odd number the second has more."""
    return [(0, samples // 2), (samples // 2, samples)]


def singles(samples):
    """Return where parts of one sample each begin and end, and a last part of what is left."""
    parts = [(index, index + 1) for index in range(min(samples, MOST_SINGLE))]
    return parts + ([(MOST_SINGLE, samples)] if samples > MOST_SINGLE else [])


def samples_in(entry, inputs, facts):
    """Return how many samples the batch has; `facts` describe the outputs.

    Raises:
        NotDoneError: it cannot be fed in parts, as far as shapes tell.
    """
    shapes = [tensor.array.shape for tensor in inputs] + [fact["shape"] for fact in facts]
    lengths = {shape[0] if len(shape) else None for shape in shapes}
    if len(lengths) != 1 or None in lengths:
        raise NotDoneError("not every input and output has the batch as its first axis")
    (samples,) = lengths
    if samples < 2:  # noqa: PLR2004
        raise NotDoneError("the batch has %d sample" % samples)
    if any(spec.shape and spec.shape[0] is not None for spec in entry.inputs):
        raise NotDoneError("the model takes batches of %d samples only" % samples)
    return samples


def outputs_of_parts(call, inputs, parts, left):
    """Return what `call` gives for parts of the inputs, put together.

    `left` returns the seconds that may still be taken.
    """
    found = []
    for start, end in parts:
        if left() < 0:
            raise NotDoneError("it takes too long")
        found.append(call([tensor._replace(array=tensor.array[start:end]) for tensor in inputs]))
    if len({tuple((one.name, one.dtype) for one in outputs) for outputs in found}) != 1:
        raise NotDoneError("parts of the batch give outputs of other names or types")
    return [joined(tensors) for tensors in zip(*found)]


def joined(tensors):
    """Return tensors of one name as one, along their first axis."""
    import numpy as np

    array = np.concatenate([tensor.array for tensor in tensors])
    return Tensor(tensors[0].name, tensors[0].dtype, array)
