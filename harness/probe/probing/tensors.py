"""Values: how they are named, compared and stored."""

import collections
import hashlib
import json
import os
import zipfile

Spec = collections.namedtuple("Spec", "name dtype shape")
"""A declared input. `dtype` None: any; `shape` None: unknown rank; None inside: unknown."""

Tensor = collections.namedtuple("Tensor", "name dtype array")
"""A value. Strings are arrays of `bytes` objects; types NumPy lacks are raw bits."""

Entry = collections.namedtuple("Entry", "signature inputs call lenient training session")
"""What can be called: `call` takes {name: array} and returns {name: tensor}, a dict of its own.
`lenient`: as Keras does, other numeric types are converted and a single input may have any name.
`training`: given {name: array} and `tell`, calls `tell(facts)` of the training state; or None.
`session`: where a session computes it, what it feeds and fetches (an `InSession`); or None."""

Entry.__new__.__defaults__ = (None, None)

InSession = collections.namedtuple("InSession", "session feeds fetches initializer")
"""A session, {name of an input: tensor of its graph}, {name of an output: tensor of any kind}, and
the name of the operation that fills its tables, None where nothing names one."""

InSession.__new__.__defaults__ = (None,)


def fed(tf, tensor):
    """Return the array as TensorFlow takes it."""
    if tensor.dtype == "bfloat16":
        return tensor.array.view(tf.bfloat16.as_numpy_dtype)
    return tensor.array


def materialised(tf, found):
    """Return {name: tensor of any kind} as `Tensor`s with arrays, sorted by name.

    `found` is emptied, so that no tensor is held beside its copy for longer than it takes.
    """
    tensors = []
    while found:
        name, value = found.popitem()
        for suffix, part in parts_of(value):
            tensors.append(array_of(tf, name + suffix, part))
    return sorted(tensors, key=lambda tensor: tensor.name)


def parts_of(value):
    """Return the dense tensors of a dense, ragged or sparse one, each with its suffix."""
    if hasattr(value, "nested_row_splits"):
        splits = [
            ("/row_splits_%d" % level, part) for level, part in enumerate(value.nested_row_splits)
        ]
        return [("/values", value.flat_values)] + splits
    if hasattr(value, "dense_shape"):
        names = ("indices", "values", "dense_shape")
        return [("/" + name, getattr(value, name)) for name in names]
    return [("", value)]


def array_of(tf, name, value):
    """Return a dense tensor or array, of any type, as a `Tensor`."""
    import numpy as np

    declared = getattr(value, "dtype", None)
    if hasattr(value, "numpy"):
        value = numpy_of(value)
    array = np.array(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)
    if array.dtype.kind in "SU":  # TensorFlow Lite's strings
        array = array.astype(bytes).astype(object)
    dtype = tf.as_dtype(declared if isinstance(declared, tf.DType) else array.dtype).name
    if dtype != "string" and (array.dtype.name != dtype or array.dtype.isbuiltin != 1):
        array = array.view("u%d" % array.dtype.itemsize)  # a type NumPy itself does not have
    return Tensor(name, dtype, array)


def numpy_of(value):
    """Return an eager tensor's array: its own memory, where NumPy has the type, or a copy.

    `numpy()` always copies, which an output of a few GB has no room for.
    """
    import numpy as np

    try:
        array = np.asarray(memoryview(value))
    except (TypeError, ValueError, BufferError):  # bfloat16 and such; GPU memory; a variable
        return value.numpy()
    return array if array.dtype.kind in "biufc" else value.numpy()


def encoded(tensor):
    """Return the arrays a tensor is stored as, each with the suffix of its name."""
    import numpy as np

    if tensor.dtype != "string":
        return [("", tensor.array)]
    strings = [bytes(string) for string in tensor.array.ravel()]
    offsets = np.zeros(len(strings) + 1, dtype=np.int64)
    np.cumsum([len(string) for string in strings], out=offsets[1:])
    return [(".data", np.frombuffer(b"".join(strings), dtype=np.uint8)), (".offsets", offsets)]


def digest(tensors):
    """Return the sha256 over dtypes, shapes and bytes, and over names where there are several."""
    import numpy as np

    result = hashlib.sha256()
    tensors = sorted(tensors, key=lambda tensor: tensor.name)
    for tensor in tensors:
        head = [tensor.name] if len(tensors) > 1 else []
        head += [tensor.dtype, list(tensor.array.shape)]
        result.update(json.dumps(head).encode("ascii"))
        for _, array in encoded(tensor):
            result.update(np.ascontiguousarray(array).ravel().view(np.uint8))
    return result.hexdigest()


def describe(tensors):
    """Return what the report says of tensors."""
    return [
        {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.array.shape)}
        for tensor in tensors
    ]


def save_arrays(path, arrays):
    """Write {name: array} as an uncompressed .npz, which is there as a whole or not at all."""
    write_arrays(path + ".part", arrays.items())
    os.replace(path + ".part", path)


def write_outputs(path, tensors):
    """Write outputs as `output_0`, `output_1`, ...; nothing is held in memory twice."""
    write_arrays(
        path,
        (
            ("output_%d%s" % (index, suffix), array)
            for index, tensor in enumerate(tensors)
            for suffix, array in encoded(tensor)
        ),
    )


def write_arrays(path, arrays):
    """Write (name, array) pairs as an .npz; `numpy.savez` cannot hold an array named `file`."""
    import numpy as np

    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays:
            with archive.open(name + ".npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)


def dimensions_of(tf, shape):
    """Return a shape of any kind as a list, None inside for unknown; None for unknown rank."""
    shape = tf.TensorShape(shape)
    return None if shape.rank is None else shape.as_list()
