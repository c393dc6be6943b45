"""Numbers of types in graphs, and which type is wide enough to take the place of another."""

import collections

FLOAT, DOUBLE, INT32, COMPLEX64, BOOL, BFLOAT16, COMPLEX128, HALF = 1, 2, 3, 8, 10, 14, 18, 19
"""Numbers of types (`types.proto`)."""

WIDER = {FLOAT: DOUBLE, BFLOAT16: DOUBLE, HALF: DOUBLE, COMPLEX64: COMPLEX128}
"""What takes the place of a type; it holds every number of what it replaces."""

REFERENCE = 100
"""A reference type of TensorFlow 1 has so much more than its value's."""

Wiring = collections.namedtuple("Wiring", "nodes moved")
"""`nodes`: those added; `moved`: {name of a tensor: the tensor that takes its place}."""


def wider(number):
    """Return the number of the type that takes the place of another; the same where none does."""
    if number > REFERENCE:
        return WIDER.get(number - REFERENCE, number - REFERENCE) + REFERENCE
    return WIDER.get(number, number)


def is_narrow(number):
    """Tell whether another type takes the place of this one."""
    return wider(number) != number
