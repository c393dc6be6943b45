"""The inputs: read or generated, and fitted to what the model takes."""

import re

from probing.tensors import Tensor, describe, digest, save_arrays

OTHER_DIMENSION = 16

BARE = "input"
"""Name of the array that `preprocess.py` returns where it returns one without a name. An array of
this name is for a model's only input, whatever that is called."""


def prepare(report, request, entry, given=None):
    """Return the inputs that fit `entry`, sorted by name; what they are goes into the report.

    `given` is what `preprocess.py` returned; None: they are read or generated.
    """
    generated = given is None and request["inputs"] is None
    specs = sorted(entry.inputs)
    if generated:
        given = generate(specs, request)
    elif given is None:
        given = read_inputs(request["inputs"])
    inputs = fitted(specs, given, entry.lenient, report.warnings)
    if generated:
        save_arrays(report.path("inputs.npz"), stored_inputs(inputs))
    report.values["inputs"] = describe(inputs)
    report.values["inputs_digest"] = digest(inputs)
    report.values["inputs_generated"] = generated
    return inputs


def read_inputs(path):
    """Return the arrays of `inputs.npz`."""
    import numpy as np

    archive = np.load(path, allow_pickle=False)
    if not hasattr(archive, "files"):
        raise ValueError("%s is one array, not an .npz archive of named arrays" % path)
    with archive:
        return [as_tensor(name, archive[name]) for name in sorted(archive.files)]


def as_tensor(name, array):
    """Return an array of a file as a tensor: native byte order, strings as `bytes` objects."""
    import numpy as np

    if array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    if array.dtype.kind == "S":
        return Tensor(name, "string", array.astype(object))
    if array.dtype == np.dtype("V2"):  # what NumPy makes of a bfloat16 it does not know
        return Tensor(name, "bfloat16", array.view(np.uint16))
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return Tensor(name, array.dtype.name, array)


def generate(specs, request):
    """Return inputs made from `specs` (sorted by name) with the request's seed."""
    import numpy as np

    state = np.random.RandomState(request["seed"])
    tensors = []
    for spec in specs:
        shape = generated_shape(spec, request)
        limits = request["ranges"].get(spec.name)
        dtype = spec.dtype or "float32"
        tensors.append(Tensor(spec.name, dtype, generated_array(state, dtype, shape, limits)))
    return tensors


def generated_shape(spec, request):
    """Return a full shape: as asked for, else unknown dimensions filled in."""
    if spec.name in request["dimensions"]:
        return tuple(request["dimensions"][spec.name])
    if spec.shape is None:
        raise ValueError(
            "the model does not say what shape its input %r has: give inputs.npz, or the shape "
            "in model.yaml" % spec.name
        )
    fill = [request["batch_size"]] + [OTHER_DIMENSION] * len(spec.shape)
    return tuple(fill[axis] if length is None else length for axis, length in enumerate(spec.shape))


def generated_array(state, dtype, shape, limits):
    """Return one array of TensorFlow's type `dtype`; the draws are the same in every NumPy."""
    import numpy as np

    if dtype == "string":
        letters = state.randint(ord("a"), ord("z") + 1, size=shape + (5,), dtype=np.int64)
        return letters.astype(np.uint8).view("S5").reshape(shape).astype(object)
    if dtype == "bool":
        return np.asarray(state.randint(0, 2, size=shape, dtype=np.int64)).astype(bool)
    if dtype == "bfloat16":
        bits = generated_array(state, "float32", shape, limits).view(np.uint32)
        bits = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16  # round half to even
        return np.asarray(bits).astype(np.uint16)
    kind = np.dtype(dtype).kind if re.match(r"(u?int|float|complex)\d+$", dtype) else None
    if kind in ("i", "u"):
        low, high = limits or (0, 10)
        high = max(int(high), int(low) + 1)
        return np.asarray(state.randint(int(low), high, size=shape, dtype=np.int64)).astype(dtype)
    if kind == "f":
        if limits:
            array = limits[0] + (limits[1] - limits[0]) * state.random_sample(shape)
        else:
            array = state.standard_normal(shape)
        return np.asarray(array).astype(np.float32).astype(dtype)
    if kind == "c":
        array = generated_array(state, "float32", shape, limits).astype(dtype)
        array.imag = generated_array(state, "float32", shape, limits)
        return array
    raise ValueError("inputs of type %s cannot be generated: give inputs.npz" % dtype)


def fitted(specs, given, lenient, warnings):
    """Return the given tensors as the model wants them, or raise an error that says all."""
    if lenient and len(given) > 1 and untold(specs):
        warnings.append("the model does not say what it takes: the inputs are fed as a dict")
        return given
    by_name = named_as_wanted(specs, given, lenient, warnings)
    wanted = {spec.name for spec in specs}
    problems = ["%s is not an input" % name for name in sorted(by_name) if name not in wanted]
    result = []
    for spec in specs:
        if spec.name not in by_name:
            problems.append("%s is missing" % spec.name)
            continue
        tensor = converted(by_name[spec.name], spec, lenient, warnings)
        if spec.dtype not in (None, tensor.dtype):
            problems.append("%s has another dtype" % spec.name)
        if not shape_fits(tensor.array.shape, spec.shape):
            problems.append("%s has another shape" % spec.name)
        result.append(tensor)
    if problems:
        raise ValueError(
            "the inputs do not fit the model: %s\n  wanted: %s\n  given: %s"
            % (
                "; ".join(problems),
                "; ".join(specs_text(spec.name, spec.dtype, spec.shape) for spec in specs),
                "; ".join(specs_text(t.name, t.dtype, t.array.shape) for t in given),
            )
        )
    return result


def untold(specs):
    """Tell whether the model says nothing at all of what it takes."""
    return len(specs) == 1 and specs[0].dtype is None and specs[0].shape is None


def named_as_wanted(specs, given, lenient, warnings):
    """Return the given tensors by the name of the input each is for, as far as that is certain."""
    by_name = {tensor.name: tensor for tensor in given}
    wanted = {spec.name for spec in specs}
    if len(specs) != len(given) or wanted & set(by_name):
        return by_name
    if len(specs) == 1 and (lenient or given[0].name == BARE):
        pairs = {specs[0].name: given[0]}
        reason = "the only one"
    else:
        pairs = only_way(specs, given) if lenient else {}
        reason = "the only one it fits"
    if not pairs:
        return by_name
    for name, tensor in sorted(pairs.items()):
        if tensor.name != BARE:
            warnings.append("the input %r is fed to %r, %s" % (tensor.name, name, reason))
    return {name: tensor._replace(name=name) for name, tensor in pairs.items()}


def only_way(specs, given):
    """Return {input name: tensor} where types and shapes allow one way to feed all, else {}."""
    left = {spec.name: [tensor for tensor in given if fits(tensor, spec)] for spec in specs}
    pairs = {}
    while left:  # there is one way exactly where some input always has one candidate left
        name = min(left, key=lambda name: len(left[name]))
        if len(left[name]) != 1:
            return {}
        tensor = pairs[name] = left.pop(name)[0]
        left = {
            other: [candidate for candidate in candidates if candidate is not tensor]
            for other, candidates in left.items()
        }
    return pairs


def fits(tensor, spec):
    """Tell whether Keras could feed a tensor to an input, their names apart."""
    same = spec.dtype in (None, tensor.dtype) or convertible(tensor.dtype, spec.dtype)
    return same and shape_fits(tensor.array.shape, spec.shape)


def converted(tensor, spec, lenient, warnings):
    """Return the tensor with the dtype that is wanted, where the conversion is harmless."""
    if tensor.dtype == spec.dtype or spec.dtype is None:
        return tensor
    if spec.dtype == "bfloat16" and tensor.dtype == "uint16":
        return tensor._replace(dtype="bfloat16")
    if lenient and convertible(tensor.dtype, spec.dtype):
        text = "the input %r is converted from %s to %s"
        warnings.append(text % (tensor.name, tensor.dtype, spec.dtype))
        return Tensor(tensor.name, spec.dtype, tensor.array.astype(spec.dtype))
    return tensor


def convertible(have, want):
    """Tell whether numbers of type `have` become `want` without changing their kind."""
    import numpy as np

    numeric = all(re.match(r"(bool|u?int|float)\d*$", name) for name in (have, want))
    return numeric and np.can_cast(have, want, "same_kind")


def shape_fits(shape, wanted):
    """Tell whether a full shape is one that is wanted."""
    if wanted is None:
        return True
    if len(shape) != len(wanted):
        return False
    return all(length is None or length == have for have, length in zip(shape, wanted))


def specs_text(name, dtype, shape):
    """Return a declaration as a person writes it: `x float32 [?, 64]`."""
    if shape is None:
        text = "..."
    else:
        text = ", ".join("?" if length is None else str(length) for length in shape)
    return "%s %s [%s]" % (name, dtype or "any type", text)


def stored_inputs(tensors):
    """Return the arrays for `inputs.npz`, by name."""
    return {
        tensor.name: tensor.array.astype(bytes) if tensor.dtype == "string" else tensor.array
        for tensor in tensors
    }
