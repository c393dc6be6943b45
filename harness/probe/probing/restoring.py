"""Weights put into a model: whether every variable really took a value from the file.

Loaders skip what they cannot match, and many of them silently. So every variable is filled with
bits that no file holds before the load, and looked at after it.
"""

NAMES_IN_REPORT = 1000
NAMES_IN_MESSAGE = 20

FEW_VALUES = 2
"""Bytes of types with so few values that a file may hold any of them."""

# NaNs that no computation makes: their payload is not zero.
NAN_BITS = {
    "float16": ("uint16", 0x7E5A),
    "bfloat16": ("uint16", 0x7FE5),
    "float32": ("uint32", 0x7FE5A5A5),
    "float64": ("uint64", 0x7FFCA5A5A5A5A5A5),
    "complex64": ("uint32", 0x7FE5A5A5),
    "complex128": ("uint64", 0x7FFCA5A5A5A5A5A5),
}


class PartialRestoreError(Exception):
    """Some variables of the model took no value from the file."""


def restore(report, variables, load, unused):
    """Call `load` and make sure that it gave every one of `variables` a value.

    `unused` returns the names in the file that nobody took, given whether all are restored. What
    was found goes into the report, also where `load` itself fails.

    Raises:
        PartialRestoreError: some variables took no value.
    """
    fill(variables, first=True)
    try:
        load()
    except Exception:
        left = [named for named in variables if holds_filling(named.variable, first=True)]
        tell(report, variables, left, names_or_none(unused))
        raise
    left = untouched(variables, load)
    extra = list(unused(not left))
    tell(report, variables, left, extra)
    if left:
        raise PartialRestoreError(
            "%d of %d variables took no value from the file: %s; in the file and unused: %s"
            % (len(left), len(variables), some([named.name for named in left]), some(extra))
        )


def names_or_none(unused):
    """Return the unused names of a file that failed to load, where it can be read that far."""
    try:
        return list(unused(False))
    except Exception:
        return []


def tell(report, variables, left, extra):
    """Put what became of the variables into the report."""
    report.values["restored"] = {
        "expected": len(variables),
        "restored": len(variables) - len(left),
        "unrestored": [named.name for named in left][:NAMES_IN_REPORT],
        "unused": extra[:NAMES_IN_REPORT],
    }


def untouched(variables, load):
    """Return the variables that still hold what they were filled with.

    What fills a truth value or a byte may be what the file holds too: those are filled with
    something else and loaded once more.
    """
    left = [named for named in variables if holds_filling(named.variable, first=True)]
    doubtful = [named for named in left if is_doubtful(named.variable)]
    if not doubtful:
        return left
    fill(doubtful, first=False)
    load()
    taken = {id(named) for named in doubtful if not holds_filling(named.variable, first=False)}
    return [named for named in left if id(named) not in taken]


def fill(variables, first):
    """Give every variable the value of `filling`."""
    for named in variables:
        named.variable.assign(filling(value_of(named.variable), first))


def value_of(variable):
    """Return a variable's value as an array."""
    import numpy as np

    return np.asarray(variable.numpy())


def filling(value, first):
    """Return an array like `value` of bits that no file is likely to hold.

    There are two, for types with so few values that a file may well hold the first.
    """
    import numpy as np

    if value.dtype.kind in "OSU":
        return np.full(value.shape, b"\xffno value\xff", dtype=object)
    if value.dtype.kind == "b":
        return np.full(value.shape, not first)
    if value.dtype.name in NAN_BITS:
        unsigned, bits = NAN_BITS[value.dtype.name]
        parts = value.dtype.itemsize // np.dtype(unsigned).itemsize
        array = np.full(value.shape + (parts,), bits, dtype=unsigned)
    else:
        array = np.full(value.shape + (value.dtype.itemsize,), 0x5A if first else 0xA5, "uint8")
    return array.view(value.dtype).reshape(value.shape)


def holds_filling(variable, first):
    """Tell whether a variable, or part of it, is as `fill` left it."""
    import numpy as np

    value = value_of(variable)
    if not value.size:
        return False  # there is nothing to restore
    if value.dtype.kind in "OSU":
        return bool((value == filling(value, first)).any())
    width = value.dtype.itemsize
    have, filled = (
        np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, width)
        for array in (value, filling(value, first))
    )
    same = (have == filled).all(axis=1)
    return bool(same.all() if is_doubtful(variable) else same.any())


def is_doubtful(variable):
    """Tell whether a file may well hold what the variable was filled with."""
    dtype = value_of(variable).dtype
    return dtype.name not in NAN_BITS and dtype.kind not in "OSU" and dtype.itemsize <= FEW_VALUES


def some(names):
    """Return the first names, and how many more there are."""
    if not names:
        return "none"
    more = len(names) - NAMES_IN_MESSAGE
    return ", ".join(names[:NAMES_IN_MESSAGE]) + (" and %d more" % more if more > 0 else "")
