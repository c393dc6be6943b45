"""A user's code beside the model: `custom_objects.py`, `build.py`, `preprocess.py`."""

import inspect
import os
import sys

from probing.inputs import BARE, as_tensor
from probing.report import shorten


def imported(path):
    """Import a user's file and return the module; what it raises goes through as it is.

    The folder it is in stays on `sys.path`, so that the files can import each other, also from
    within a function.
    """
    import importlib

    folder, file_name = os.path.split(os.path.abspath(path))
    name = os.path.splitext(file_name)[0]
    sys.dont_write_bytecode = True  # the folder is read-only
    if folder not in sys.path:
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
    known = sys.modules.get(name)
    if os.path.dirname(getattr(known, "__file__", None) or "") != folder:
        sys.modules.pop(name, None)  # an installed package may have the name, such as `build`
    return importlib.import_module(name)


def function_of(path, name):
    """Return a function of a user's file."""
    function = getattr(imported(path), name, None)
    if not callable(function):
        raise ValueError("%s has no function %s()" % (os.path.basename(path), name))
    return function


def custom_objects(request):
    """Return {name: class or function} of `custom_objects.py`; {} where there is none."""
    if request["custom_objects"] is None:
        return {}
    module = imported(request["custom_objects"])
    told = getattr(module, "CUSTOM_OBJECTS", None)
    if told is None:
        return {name: value for name, value in vars(module).items() if is_own(module, name, value)}
    if not isinstance(told, dict):
        raise ValueError("CUSTOM_OBJECTS of custom_objects.py is %r, not a dict by name" % (told,))
    return told


def register(request, report):
    """Import `custom_objects.py` for what that registers, such as a package's operations.

    A loader that needs what is in it fails by itself where it cannot be imported; to the others it
    is a warning.
    """
    try:
        custom_objects(request)
    except Exception as error:
        text = "custom_objects.py cannot be imported: %s: %s" % (type(error).__name__, error)
        report.warnings.append(shorten(text))


def is_own(module, name, value):
    """Tell whether a module's member is a public class or function that it defines."""
    kind = inspect.isclass(value) or inspect.isfunction(value)
    return kind and not name.startswith("_") and value.__module__ == module.__name__


def built_model(tf, request):
    """Return what `build_model()` of `build.py` returns."""
    if request["build"] is None:
        raise ValueError("the file holds weights only: put a build.py with build_model() beside it")
    objects = custom_objects(request)
    build_model = function_of(request["build"], "build_model")
    if not objects:
        return build_model()
    with tf.keras.utils.custom_object_scope(objects):
        return build_model()


def preprocessed(request):
    """Return what `preprocess(raw)` of `preprocess.py` makes of `raw.npz`, sorted by name."""
    import numpy as np

    function = function_of(request["preprocess"], "preprocess")
    with np.load(request["raw"], allow_pickle=False) as archive:
        raw = {name: archive[name] for name in archive.files}
    found = function(raw)
    if not isinstance(found, dict):
        found = {BARE: found}
    return [as_tensor(name, array_of(name, found[name])) for name in sorted(found)]


def array_of(name, value):
    """Return what `preprocess` returned under a name as an array that can be stored."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.name == "bfloat16":
        return array.view("V2")
    if array.dtype.kind == "O" and all(isinstance(item, (bytes, str)) for item in array.flat):
        strings = [as_bytes(item) for item in array.flat]
        array = np.array(strings, dtype="S").reshape(array.shape)
    if array.dtype.kind not in "biufcSU":
        raise ValueError(
            "preprocess() returned %s for the input %r: an array of numbers, truth values or "
            "strings is wanted" % (type(value).__name__, name)
        )
    return array


def as_bytes(text):
    """Return text or bytes as bytes."""
    return text.encode("utf-8") if isinstance(text, str) else text
