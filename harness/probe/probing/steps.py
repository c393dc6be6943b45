"""Inputs moved by the least there is: every float to one of its neighbours.

What that does to the outputs is a measure of the model's conditioning: no environment that rounds
can be expected to agree better than with inputs that are right to the last bit.
"""

FLOATS = {
    "float16": ("uint16", 10, 5),
    "bfloat16": ("uint16", 7, 8),
    "float32": ("uint32", 23, 8),
    "float64": ("uint64", 52, 11),
    "complex64": ("uint32", 23, 8),
    "complex128": ("uint64", 52, 11),
}
"""Of each type: the unsigned integer of its bits, and its bits of fraction and exponent (IEEE 754);
of a complex type those of its parts."""


def moved(tensors, seed):
    """Return the tensors, each float one representable number up or down, and how many did.

    Which way is drawn from `numpy.random.RandomState(seed)`, the same in every environment. Left as
    they are:

    - Zeros. What is next to 0 is the smallest denormal number, 1e-45 of float32, which TensorFlow
      computes with as 0: no perturbation of anything. And a zero is seldom the result of rounding:
      padding, black pixels and masks are exactly 0 wherever they are computed.
    - Denormal numbers, for the first of these reasons.
    - NaN and infinities, which have no neighbours.
    - Integers, truth values and strings, which are exact.

    A number never leaves the normal ones: the largest moves down, the smallest up.
    """
    import numpy as np

    state = np.random.RandomState(seed)
    found, count = [], 0
    for tensor in tensors:
        if tensor.dtype in FLOATS:
            array, steps = moved_array(tensor.array, FLOATS[tensor.dtype], state)
            found.append(tensor._replace(array=array))
            count += steps
        else:
            found.append(tensor)
    return found, count


def moved_array(array, form, state):
    """Return a copy of an array of floats with its numbers moved, and how many were."""
    import numpy as np

    unsigned, fraction, exponent = form
    kind = np.dtype(unsigned).type
    copy = np.array(array, order="C")
    bits = copy.reshape(-1).view(unsigned)
    magnitude = bits & kind((1 << (fraction + exponent)) - 1)
    least, beyond = kind(1 << fraction), kind(((1 << exponent) - 1) << fraction)
    normal = (magnitude >= least) & (magnitude < beyond)
    outward = state.randint(0, 2, size=bits.shape, dtype=np.int64).astype(bool)
    outward = (outward | (magnitude == least)) & (magnitude != beyond - kind(1))
    bits[normal & outward] += kind(1)  # numbers of one sign follow each other as their bits do
    bits[normal & ~outward] -= kind(1)
    return copy, int(np.count_nonzero(normal))
