"""What there is of CUDA for this TensorFlow: the libraries it opens, and the driver.

Every library is opened by TensorFlow's own function, by the name it asks for. So it is searched
for where TensorFlow finds it (the wheels of `nvidia-*` by the RUNPATH of its own libraries, then
LD_LIBRARY_PATH and the system's folders): what only this script could find does not count.
"""

import ctypes
import json
import os
import platform
import re
import signal
import sys

from probing.forking import why_not_fork
from probing.report import shorten, text_of

DRIVER = "libcuda.so.1"

SUFFIXES = {
    "10.0": {"": "10.0"},
    "10": {"": "10", "cudart": "10.1"},
    "11.0": {"": "11", "cudart": "11.0", "cufft": "10", "curand": "10", "cusolver": "10"},
    "11": {"": "11", "cudart": "11.0", "cufft": "10", "curand": "10"},
    "12": {"": "12", "cufft": "11", "curand": "10", "cusolver": "11"},
}
"""What libraries' names end with, by the CUDA version TensorFlow was compiled against; `` stands
for those that are not named. That is what the wheels of 1.15.5, 2.0.4, 2.1.4, 2.3.4 to 2.5.3,
2.8.4, and 2.11.1 to 2.21.0 themselves ask for when `own_check` is called with nothing there."""

OTHER_MAJORS = {
    "cudart": ("10.0", "10.1", "11.0", "12", "13"),
    "cublas": ("10.0", "10", "11", "12", "13"),
    "cublasLt": ("10", "11", "12", "13"),
    "cufft": ("10.0", "10", "11", "12"),
    "curand": ("10.0", "10"),
    "cusolver": ("10.0", "10", "11", "12"),
    "cusparse": ("10.0", "10", "11", "12"),
    "cudnn": ("7", "8", "9", "10"),
}
"""What may be there instead of a library that is not."""

PARTS = {
    "8": ("ops_infer", "cnn_infer"),
    "9": ("graph", "ops", "cnn", "heuristic", "engines_precompiled"),
}
"""The libraries beside cuDNN's first one that it opens to infer, by major version."""

PROPERTIES = (0, 1, 2)
"""MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL of library_types.h, which all of CUDA's libraries but
the runtime answer to."""

OWN_CHECKS = (
    "_ZN3tsl8internal9DsoLoader22TryDlopenCUDALibrariesEv",
    "_ZN15stream_executor8internal9DsoLoader22TryDlopenCUDALibrariesEv",
    "_ZN15stream_executor8internal9DsoLoader27MaybeTryDlopenCUDALibrariesEv",
)
"""TensorFlow's check that all libraries are there: since 2.12, before, and in 2.0."""

FIRST_WITH_FIVE_DIGITS = 90000
"""cuDNN 9.0.0."""

RTLD_DI_LINKMAP = 2
UNTOLD = 0xDEAD


def learn_cuda(tf, report):
    """Record what TensorFlow was compiled against and what of it can be opened here.

    No error of it ends the attempt.
    """
    try:
        look_at_cuda(tf, report)
    except Exception as error:
        report.warnings.append("CUDA's libraries cannot be looked at: %s" % shorten(repr(error)))


def look_at_cuda(tf, report):
    """Record it, as soon as it is known."""
    cuda = exact_cuda(report.actual.get("cuda"), tf.__version__)
    cudnn = report.actual.get("cudnn")
    facts = {"wanted": cuda, "wanted_cudnn": cudnn, "libraries": [], "gpus": []}
    report.values["cuda"] = facts
    required = required_cudnn(sys.path)
    if required is not None:
        facts["wanted_cudnn_by"], facts["wanted_cudnn"] = required
    names = library_names(cuda, cudnn, tf.__version__)
    if not names:
        report.warnings.append("which libraries CUDA %s has is not known" % cuda)
    opener = opener_of_tensorflow()
    found = looked_at([*names.values(), DRIVER], opener)
    driver = found.pop()
    if driver["path"] is not None:
        facts["driver"] = driver["version"] or "unknown"
    instead = [
        other
        for stem, fact in zip(names, found)
        if fact["path"] is None
        for other in looked_at(other_names(stem, names[stem]), opener)
        if other["path"] is not None
    ]
    facts["libraries"] = found + [dict(other, needed=False) for other in instead]
    facts["own_check"] = in_child(own_check)
    report.write()


def learn_gpus(tf, report):
    """Record which GPUs TensorFlow sees, and whether it may compute in TensorFloat-32."""
    facts = report.values["cuda"]
    for gpu in tf.config.experimental.list_physical_devices("GPU"):
        try:  # 2.4 and newer
            name = tf.config.experimental.get_device_details(gpu)["device_name"]
        except Exception:
            name = gpu.name
        facts["gpus"].append(text_of(name))
    try:  # 2.4 and newer
        facts["tf32"] = bool(tf.config.experimental.tensor_float_32_execution_enabled())
    except AttributeError:
        facts["tf32"] = None


def exact_cuda(told, tensorflow):
    """Return the CUDA version as X.Y, where it is told or can be: wheels up to 2.2 say `10`."""
    if told != "10":
        return told
    return "10.0" if release(tensorflow) < (2, 1) else "10.1"


def library_names(cuda, cudnn, tensorflow):
    """Return {library: the name it is opened by}, in TensorFlow's order; {} where unknown."""
    major, _, minor = (cuda or "").partition(".")
    exact = "%s.%s" % (major, minor.partition(".")[0])
    suffixes = SUFFIXES.get(exact) or SUFFIXES.get(major)
    if suffixes is None or not cudnn:
        return {}
    stems = ["cudart", "cublas", "cublasLt", "cufft", "curand", "cusolver", "cusparse"]
    if major == "10":
        stems.remove("cublasLt")
    if release(tensorflow) >= (2, 14):
        stems.remove("curand")
    names = {stem: "lib%s.so.%s" % (stem, suffixes.get(stem, suffixes[""])) for stem in stems}
    names["cudnn"] = "libcudnn.so.%s" % cudnn.partition(".")[0]
    return names


def other_names(stem, name):
    """Return the names a library has in other versions."""
    others = ["lib%s.so.%s" % (stem, suffix) for suffix in OTHER_MAJORS[stem]]
    return [other for other in others if other != name]


def release(version):
    """Return (major, minor) of a version."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def required_cudnn(folders):
    """Return the requirement of TensorFlow's package that names its cuDNN, and that version.

    The version is the lowest it allows, as X.Y.Z. None where no package of it does (before 2.14).
    """
    for folder in folders:
        try:
            entries = sorted(os.listdir(folder or os.curdir))
        except OSError:
            continue
        for entry in entries:
            if re.match(r"tensorflow-[^-]+\.dist-info$", entry):
                path = os.path.join(folder, entry, "METADATA")
                with open(path, encoding="utf-8", errors="replace") as stream:
                    return cudnn_in(stream.read())
    return None


def cudnn_in(metadata):
    """Return the requirement on cuDNN in a package's metadata, and the lowest version it allows."""
    found = re.search(r"^Requires-Dist: (nvidia-cudnn-cu\d+)([^;\n]*);.*and-cuda", metadata, re.M)
    lowest = found and re.search(r"[=>]=\s*(\d+\.\d+(?:\.\d+)?)", found.group(2))
    if not lowest:
        return None
    return found.group(1) + re.sub(r"[()\s]", "", found.group(2)), lowest.group(1)


def opener_of_tensorflow():
    """Return TensorFlow's own function that opens a library by its name."""
    from tensorflow.python.framework import load_library

    return load_library.py_tf.TF_LoadLibrary


def looked_at(names, opener):
    """Return what is found of each library, in processes of their own.

    The libraries are large, and a broken one may end the process that opens it or asks for its
    version: that costs that library only, and none stays open here.
    """
    found = []
    while len(found) < len(names):
        left = names[len(found) :]
        told = in_children(left, opener)
        found += told
        if len(told) < len(left):
            raise RuntimeError("nothing is told of %s" % left[len(told)])
    return found


def in_children(names, opener):
    """Look at libraries in one child until one of them ends it; return what is known by then."""
    if why_not_fork() is not None:
        return [look_at(name, opener) for name in names]
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            with os.fdopen(writing, "w", encoding="utf-8") as stream:
                for name in names:
                    stream.write(json.dumps(look_at(name, opener)) + "\n")
                    stream.flush()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        found = [json.loads(line) for line in stream if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    if len(found) < len(names):
        how = "ended by %s" % ended_by(status)
        found.append(dict(nothing(names[len(found)]), error="the process that opened it " + how))
    return found


def ended_by(status):
    """Return the name of the signal that ended a child, or its status."""
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return "status %d" % os.WEXITSTATUS(status)


def in_child(work):
    """Return the truth value `work` returns in a child; None where it returns none or fails."""
    if why_not_fork() is not None:
        return None
    child = os.fork()
    if not child:
        status = 2
        try:
            status = {True: 0, False: 1}.get(work(), 2)
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return {0: True, 1: False}.get(os.WEXITSTATUS(status)) if os.WIFEXITED(status) else None


def nothing(name):
    """Return what is known of a library that was not opened."""
    return {"name": name, "path": None, "outside": False, "version": None, "error": None}


def look_at(name, opener):
    """Open a library; return where it is and what it says of itself."""
    fact = nothing(name)
    try:
        opener(name)
        library = ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        path = path_of(library)
        without = missing_parts(name, path)
        if without:
            raise OSError("%s: not beside %s" % (without[0], name))
        fact["version"] = version_of(name, library)
        fact["path"] = path
        fact["outside"] = is_outside(path)
    except Exception as error:
        fact["error"] = shorten(str(error))
    return fact


def path_of(library):
    """Return the file of an open library."""

    class LinkMap(ctypes.Structure):
        _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]

    found = ctypes.POINTER(LinkMap)()
    dlinfo = ctypes.CDLL(None).dlinfo
    dlinfo.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    if dlinfo(library._handle, RTLD_DI_LINKMAP, ctypes.byref(found)) != 0:
        raise OSError("where it was opened cannot be told")
    return os.path.realpath(os.fsdecode(found.contents.name))


def missing_parts(name, path):
    """Return the libraries that cuDNN opens from its own folder and that are not there."""
    if not name.startswith("libcudnn."):
        return []
    major = name.rpartition(".")[2]
    names = ["libcudnn_%s.so.%s" % (part, major) for part in PARTS.get(major, ())]
    folder = os.path.dirname(path)
    return [part for part in names if not os.path.exists(os.path.join(folder, part))]


def is_outside(path):
    """Tell whether a file is no part of this Python: in a virtual environment, the machine's."""
    return not path.startswith(os.path.realpath(sys.prefix) + os.sep)


def version_of(name, library):
    """Return the version a library says it has, None where it does not answer."""
    stem = name[len("lib") :].partition(".")[0]
    if stem == "cudart":
        return runtime_version(library.cudaRuntimeGetVersion)
    if stem == "cuda":
        return runtime_version(library.cuDriverGetVersion)
    if stem == "cudnn":
        library.cudnnGetVersion.restype = ctypes.c_size_t
        return cudnn_version(library.cudnnGetVersion())
    ask = getattr(library, stem + "GetProperty")
    numbers = [ctypes.c_int(-1) for _ in PROPERTIES]
    for which, number in zip(PROPERTIES, numbers):
        if ask(which, ctypes.byref(number)) != 0:
            return None
    return ".".join(str(number.value) for number in numbers)


def runtime_version(ask):
    """Return the version a runtime or driver gives as 12020: 12.2."""
    number = ctypes.c_int(0)
    if ask(ctypes.byref(number)) != 0:
        return None
    return "%d.%d" % (number.value // 1000, number.value % 1000 // 10)


def cudnn_version(number):
    """Return what cuDNN gives as 8904 or, since 9, 90300: 8.9.4, 9.3.0."""
    thousands = 10000 if number >= FIRST_WITH_FIVE_DIGITS else 1000
    return "%d.%d.%d" % (number // thousands, number % thousands // 100, number % 100)


def own_check():
    """Return whether TensorFlow itself finds all libraries; None where it has no such check.

    The functions return a status by way of a pointer the caller gives, which is 0 or, in newer
    Abseil, 1 where all is well.
    """
    if platform.machine() != "x86_64":  # elsewhere such a pointer is not the first argument
        return None
    for name in ("libtensorflow_framework.so.2", "libtensorflow_framework.so.1"):
        try:
            framework = ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        except OSError:
            continue
        for symbol in OWN_CHECKS:
            check = getattr(framework, symbol, None)
            if check is not None:
                status = ctypes.c_void_p(UNTOLD)
                check(ctypes.byref(status))
                return None if status.value == UNTOLD else not status.value or status.value == 1
    return None
