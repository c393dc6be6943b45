"""Loads one model, feeds it one batch and writes down what happened: the fixed inference script.

    python probe.py --request request.json --out DIR

It runs inside the environment that is examined and needs nothing but CPython 3.6 or newer, NumPy
and TensorFlow 1.15 or newer. NumPy and TensorFlow are imported in a stage of their own, so that an
environment in which they are broken is reported like any other.

What it writes
    DIR/report.json  rewritten on entering every stage (start, import, load, prepare, infer,
                     collect): after a crash, a hang or a kill it still names the stage and all
                     that was learnt before. `completed` is true once everything is written.
    DIR/inputs.npz   the inputs, where they were generated.
    DIR/outputs.npz  the outputs, before the report says `completed`.
Exit status: 0 completed, 1 a stage failed (`failure` in the report says how).

How a model is called
    saved_model.load   `tf.saved_model.load(path).signatures[key]`, in TensorFlow 2.
    session            a `tf.compat.v1.Session` with the graph and its main op; in 1.x and 2.x.
    keras.load_model   `tf.keras.models.load_model(path, compile=False)`, then, in TensorFlow 2,
                       `model(batch, training=False)`. That is the call Keras documents for a batch
                       that fits in memory, and the same work in every 2.x: `predict` compiles with
                       XLA under Keras 3 and not under Keras 2, which would compare two compilers
                       rather than two environments. TensorFlow 1.x computes nothing outside of a
                       session: there it is `model.predict_on_batch(batch)`.
    What a Keras model takes and returns is read from its config as it stands in the file, so that
    names and generated inputs are the same whichever Keras loads it (Keras 3 renames tensors, and
    misreads `batch_input_shape`). Inputs and outputs have the names of their layers, or the keys
    where the model takes or returns a dict; a second output of one layer has the suffix `_1`; the
    input of a Sequential model without an InputLayer is `<first layer>_input`.

How arrays are stored
    `outputs.npz` holds `output_0`, `output_1`, ... in the order of `outputs` in the report (sorted
    by name), never pickled. `inputs.npz` holds the inputs by name.
    string             two arrays: `output_0.data` (uint8, all strings one after the other) and
                       `output_0.offsets` (int64, n + 1 positions in it, strings in C order).
                       In `inputs.npz`: an array of fixed-width bytes.
    bfloat16           the bits as uint16.
    float8_*, int4, .. the bits as uint8.
    ragged tensor      as the outputs `name/values` and `name/row_splits_0`, ...
    sparse tensor      as the outputs `name/indices`, `name/values` and `name/dense_shape`.

Generated inputs come from `numpy.random.RandomState(seed)`, whose stream never changes (NEP 19),
for the inputs in order of their names. Floats are made as float32 and then converted, so that the
last bit of a C library's logarithm does not show.
"""

import argparse
import collections
import faulthandler
import hashlib
import json
import os
import platform
import random
import re
import resource
import sys
import time
import traceback
import zipfile

Spec = collections.namedtuple("Spec", "name dtype shape")
"""A declared input. `dtype` None: any; `shape` None: unknown rank; None inside: unknown."""

Tensor = collections.namedtuple("Tensor", "name dtype array")
"""A value. Strings are arrays of `bytes` objects; types NumPy lacks are raw bits."""

Entry = collections.namedtuple("Entry", "signature inputs call lenient")
"""What can be called: `call` takes {name: array} and returns {name: tensor}. `lenient`: as Keras
does, other numeric types are converted and a single input may have any name."""

DEFAULTS = {
    "loader": "",
    "model": "",
    "inputs": None,
    "signature": None,
    "seed": 0,
    "batch_size": 8,
    "dimensions": {},
    "ranges": {},
    "device": "cpu",
    "intra_op_threads": None,
    "inter_op_threads": None,
    "repeats": 2,
}
OTHER_DIMENSION = 16
TEXT_LIMIT = 30000
INSTRUCTION_SETS = ("amx_tile", "avx512f", "avx2", "avx", "sse4_2", "sve", "asimd")


class Report:
    """`report.json`, as far as it is known."""

    def __init__(self, directory):
        self.directory = directory
        self.actual = {}
        self.seconds = {"build": None, "import": None, "load": None, "infer": None}
        self.warnings = []
        self.values = {
            "schema": 1,
            "stage": "start",
            "completed": False,
            "failure": None,
            "loader": "",
            "actual": self.actual,
            "packages": {},
            "signature": None,
            "inputs": [],
            "inputs_digest": None,
            "inputs_generated": False,
            "outputs": [],
            "deterministic": None,
            "seconds": self.seconds,
            "peak_memory_bytes": None,
            "warnings": self.warnings,
        }

    def enter(self, stage):
        """Say that `stage` begins, with everything known so far."""
        self.values["stage"] = stage
        self.write()

    def fail(self, error):
        """Record the exception the stage ended with."""
        try:
            message = str(error)
        except Exception:
            message = "(the exception has no text)"
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.values["failure"] = {
            "type": type(error).__name__,
            "message": shorten(message),
            "traceback": shorten(text),
        }
        self.write()

    def complete(self):
        """Say that all is written."""
        self.values["completed"] = True
        self.write()

    def write(self):
        """Replace the file as a whole: a reader never sees half of it."""
        self.values["peak_memory_bytes"] = peak_memory_bytes()
        text = json.dumps(self.values, indent=1, ensure_ascii=False)
        temporary = os.path.join(self.directory, ".report.json.part")
        with open(temporary, "wb") as stream:
            stream.write(text.encode("utf-8", "replace"))  # a lone surrogate is not valid JSON
        os.replace(temporary, os.path.join(self.directory, "report.json"))


def main(arguments=None):
    """Run the stages and return the exit status."""
    parser = argparse.ArgumentParser(description="Load a model, feed it one batch, report.")
    parser.add_argument("--request", required=True, help="what to do (request.json)")
    parser.add_argument("--out", required=True, help="folder for report.json and outputs.npz")
    options = parser.parse_args(arguments)
    report = Report(options.out)
    try:
        run(report, options.request)
    except BaseException as error:  # also SystemExit and KeyboardInterrupt from a model's code
        report.fail(error)
        traceback.print_exc()
        return 1
    return 0


def run(report, request_path):
    """Go through the stages in order."""
    report.enter("start")
    learn_machine(report)
    request = read_request(request_path)
    report.values["loader"] = request["loader"]

    report.enter("import")
    tf = import_tensorflow(report, request)

    report.enter("load")
    load, find_entry = LOADERS[request["loader"]]
    started = time.perf_counter()
    loaded = load(tf, request, report)
    report.seconds["load"] = time.perf_counter() - started

    report.enter("prepare")
    entry = find_entry(tf, request, loaded)
    report.values["signature"] = entry.signature
    inputs = prepare(report, request, entry)

    report.enter("infer")
    outputs = infer(tf, report, request, entry, inputs)

    report.enter("collect")
    report.values["outputs"] = describe(outputs)
    arrays = {}
    for index, tensor in enumerate(outputs):
        for suffix, array in encoded(tensor):
            arrays["output_%d%s" % (index, suffix)] = array
    save_arrays(os.path.join(report.directory, "outputs.npz"), arrays)
    report.complete()


# --- start: what can be known without NumPy and TensorFlow ---------------------------------------


def read_request(path):
    """Return the request, with defaults for what it leaves out."""
    with open(path, encoding="utf-8") as stream:
        given = json.load(stream)
    if given.get("schema") != 1:
        raise ValueError("the request has the schema %r; 1 is read" % given.get("schema"))
    request = dict(DEFAULTS)
    request.update(given)
    if request["loader"] not in LOADERS:
        raise ValueError(
            "unknown loader %r; there are: %s" % (request["loader"], ", ".join(sorted(LOADERS)))
        )
    return request


def learn_machine(report):
    """Record the interpreter, the packages, the processor and the C library."""
    report.actual["python"] = platform.python_version()
    report.actual["machine"] = platform.machine()
    report.actual["cpu"] = processor()
    report.actual["libc"] = c_library()
    report.values["packages"] = installed_packages(sys.path)


def installed_packages(folders):
    """Return {normalised name (PEP 503): version} of what is installed in `folders`.

    Read from the names of the metadata folders: `importlib.metadata` is not there before 3.8.
    """
    packages = {}
    for folder in folders:
        try:
            entries = sorted(os.listdir(folder or os.curdir))
        except OSError:
            continue
        for entry in entries:
            found = re.match(r"(.+?)-(.+?)(-py[\d.]+)?\.(dist|egg)-info$", entry)
            if found:
                name = re.sub(r"[-_.]+", "-", found.group(1)).lower()
                packages.setdefault(name, found.group(2))  # the first on the path is imported
    return packages


def processor():
    """Return the processor's name and the widest instruction set it offers, or None."""
    facts = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                key, _, value = line.partition(":")
                facts.setdefault(key.strip(), value.strip())
    except OSError:
        return platform.processor() or None
    offered = facts.get("flags", facts.get("Features", "")).split()
    widest = [name for name in INSTRUCTION_SETS if name in offered]
    name = facts.get("model name", platform.machine())
    return "%s (%s)" % (name, widest[0]) if widest else name


def c_library():
    """Return the C library that runs, such as `glibc 2.36`, or None."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        return " ".join(part for part in platform.libc_ver() if part) or None


def peak_memory_bytes():
    """Return the most memory that was resident so far."""
    try:  # unlike ru_maxrss, this does not begin with the size of the process that started us
        with open("/proc/self/status", encoding="utf-8", errors="replace") as stream:
            return int(re.search(r"VmHWM:\s+(\d+) kB", stream.read()).group(1)) * 1024
    except (OSError, AttributeError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def shorten(text):
    """Return `text` with its middle left out where it is very long: the end matters most."""
    if len(text) <= TEXT_LIMIT:
        return text
    head, tail = TEXT_LIMIT // 3, TEXT_LIMIT - TEXT_LIMIT // 3
    note = "\n[... %d characters left out ...]\n" % (len(text) - TEXT_LIMIT)
    return text[:head] + note + text[-tail:]


# --- import --------------------------------------------------------------------------------------


def import_tensorflow(report, request):
    """Import NumPy and TensorFlow, set threads and device, and record what came."""
    if request["device"] == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the one way that every release understands
    started = time.perf_counter()
    try:
        import numpy  # noqa: F401
        import tensorflow as tf

        if request["loader"] == "keras.load_model":
            tf.keras.models  # noqa: B018 - imported on first use, and may fail
        report.seconds["import"] = time.perf_counter() - started
    finally:
        learn_versions(report)
    report.actual["git_version"] = text_of(tf.version.GIT_VERSION)
    learn_keras(tf, report)
    learn_build(tf, report)
    set_threads(tf, report, request)
    if request["device"] == "cuda":
        use_gpu(tf, report)
    return tf


def learn_versions(report):
    """Record the versions of the modules that are imported, whether or not all went well."""
    for key, name in (("numpy", "numpy"), ("tensorflow", "tensorflow"), ("h5py", "h5py")):
        report.actual[key] = text_of(getattr(sys.modules.get(name), "__version__", None))
    protobuf = sys.modules.get("google.protobuf")
    report.actual["protobuf"] = text_of(getattr(protobuf, "__version__", None))


def learn_keras(tf, report):
    """Record the version of the Keras that `tf.keras` is."""
    try:
        version = getattr(tf.keras, "__version__", None)  # 2.6 to 2.15 have it one level up
        package = tf.keras.Model.__module__.split(".")[0]
        report.actual["keras"] = text_of(version or sys.modules[package].__version__)
    except Exception as error:
        report.warnings.append("tf.keras cannot be used: %s" % shorten(repr(error)))
    learn_versions(report)  # Keras brings h5py


def learn_build(tf, report):
    """Record what TensorFlow was compiled against."""
    try:
        info = dict(tf.sysconfig.get_build_info())  # 2.3 and newer
    except AttributeError:
        from tensorflow.python.platform import build_info

        info = {}
        if build_info.is_cuda_build:
            info["cuda_version"] = getattr(build_info, "cuda_version_number", None)
            info["cudnn_version"] = getattr(build_info, "cudnn_version_number", None)
        info["is_cuda_build"] = build_info.is_cuda_build
    report.actual["build_info"] = {str(key): str(value) for key, value in sorted(info.items())}
    report.actual["cuda"] = text_of(info.get("cuda_version"))
    report.actual["cudnn"] = text_of(info.get("cudnn_version"))


def text_of(value):
    """Return `value` as text; None stays None."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


def set_threads(tf, report, request):
    """Fix the sizes of the thread pools, which outputs may depend on, and record them."""
    intra, inter = request["intra_op_threads"], request["inter_op_threads"]
    if uses_session(tf, request):  # its `session_config` has them
        report.actual.update(intra_op_threads=intra, inter_op_threads=inter)
        return
    threading = tf.config.threading
    if intra is not None:
        threading.set_intra_op_parallelism_threads(intra)
    if inter is not None:
        threading.set_inter_op_parallelism_threads(inter)
    report.actual["intra_op_threads"] = threading.get_intra_op_parallelism_threads()
    report.actual["inter_op_threads"] = threading.get_inter_op_parallelism_threads()


def uses_session(tf, request):
    """Tell whether the model will compute in a session."""
    return request["loader"] == "session" or not tf.executing_eagerly()


def session_config(tf, request):
    """Return the same settings for a session."""
    config = tf.compat.v1.ConfigProto()
    config.intra_op_parallelism_threads = request["intra_op_threads"] or 0
    config.inter_op_parallelism_threads = request["inter_op_threads"] or 0
    config.gpu_options.allow_growth = True
    return config


def use_gpu(tf, report):
    """Let GPU memory grow as needed: by default TensorFlow takes all of it at once."""
    gpus = tf.config.experimental.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        report.warnings.append("device cuda was asked for, but TensorFlow sees no GPU")


# --- load and find what can be called: SavedModel ------------------------------------------------


def load_saved_model(tf, request, report):
    """Return the object of `tf.saved_model.load`."""
    if not tf.executing_eagerly():
        raise ValueError(
            "the loader saved_model.load needs TensorFlow 2, this is %s; use the loader session"
            % tf.__version__
        )
    graphs = tag_sets(request["model"])
    tags = best_tags(graphs, report) if len(graphs) > 1 else None
    return tf.saved_model.load(request["model"], tags=tags)


def entry_of_saved_model(tf, request, loaded):
    """Return the signature as something to call."""
    name = choose_signature(request["signature"], loaded.signatures)
    function = loaded.signatures[name]
    if function.structured_input_signature is None:  # 2.0 to 2.2, for models that 1.x wrote
        wanted = dict(zip(function._arg_keywords, function.inputs))
    else:
        wanted = function.structured_input_signature[1]
    specs = [
        Spec(key, spec.dtype.name, dimensions_of(tf, spec.shape)) for key, spec in wanted.items()
    ]

    def call(arrays):
        return function(**{key: tf.convert_to_tensor(array) for key, array in arrays.items()})

    return Entry(name, specs, call, False)


def load_session(tf, request, report):
    """Return the session and the MetaGraphDef; variables are restored and tables filled."""
    tags = best_tags(tag_sets(request["model"]), report)
    session = tf.compat.v1.Session(graph=tf.Graph(), config=session_config(tf, request))
    with session.graph.as_default():
        meta_graph = tf.compat.v1.saved_model.loader.load(session, tags, request["model"])
    return session, meta_graph


def entry_of_session(tf, request, loaded):
    """Return the signature as something to call."""
    session, meta_graph = loaded
    name = choose_signature(request["signature"], meta_graph.signature_def)
    signature = meta_graph.signature_def[name]
    specs, feeds = [], {}
    for key, info in signature.inputs.items():
        if info.WhichOneof("encoding") != "name":
            raise ValueError("the input %r is not a dense tensor: it cannot be fed" % key)
        tensor = session.graph.get_tensor_by_name(info.name)
        shape = dimensions_of(tf, tf.TensorShape(info.tensor_shape))
        specs.append(Spec(key, tensor.dtype.base_dtype.name, shape))
        feeds[key] = tensor
    with session.graph.as_default():
        fetches = {
            key: fetch_of(tf, session.graph, key, info) for key, info in signature.outputs.items()
        }

    def call(arrays):
        return session.run(fetches, {feeds[key]: array for key, array in arrays.items()})

    return Entry(name, specs, call, False)


def fetch_of(tf, graph, key, info):
    """Return the tensor (dense or sparse) that a signature's output stands for."""
    encoding = info.WhichOneof("encoding")
    if encoding == "name":
        return graph.get_tensor_by_name(info.name)
    if encoding != "coo_sparse":
        raise ValueError("the output %r is a composite tensor: a session cannot fetch it" % key)
    parts = info.coo_sparse
    names = (parts.indices_tensor_name, parts.values_tensor_name, parts.dense_shape_tensor_name)
    return tf.compat.v1.SparseTensor(*[graph.get_tensor_by_name(name) for name in names])


def tag_sets(path):
    """Return the tags of each graph in the SavedModel; none where the file cannot be read."""
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel()
    try:
        with open(os.path.join(path, "saved_model.pb"), "rb") as stream:
            message.ParseFromString(stream.read())
    except Exception:  # TensorFlow has the better words for it, in the load itself
        return []
    return [sorted(graph.meta_info_def.tags) for graph in message.meta_graphs]


def best_tags(graphs, report):
    """Return the tags to load with: those for serving, the fewest of them."""
    serving = [tags for tags in graphs if "serve" in tags] or graphs or [["serve"]]
    best = min(serving, key=len)
    if len(graphs) > 1:
        report.warnings.append("of the graphs with the tags %s, %s is loaded" % (graphs, best))
    return best


def choose_signature(wanted, signatures):
    """Return the key of the signature to call; the one asked for, the default, the only one."""
    public = sorted(key for key in signatures if not key.startswith("__"))
    if wanted is None:
        wanted = public[0] if len(public) == 1 else "serving_default"
    if wanted not in public:
        raise ValueError(
            "the model has no signature %r; it has: %s" % (wanted, ", ".join(public) or "none")
        )
    return wanted


def dimensions_of(tf, shape):
    """Return a shape of any kind as a list, None inside for unknown; None for unknown rank."""
    shape = tf.TensorShape(shape)
    return None if shape.rank is None else shape.as_list()


# --- load and find what can be called: Keras -----------------------------------------------------


def load_keras(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return the model of `tf.keras.models.load_model`, for inference only."""
    if not tf.executing_eagerly():
        session = tf.compat.v1.Session(config=session_config(tf, request))
        tf.compat.v1.keras.backend.set_session(session)
    return tf.keras.models.load_model(request["model"], compile=False)


def entry_of_keras(tf, request, model):
    """Return the model as something to call."""
    config = keras_config(request["model"], model)
    inputs, outputs = keras_structures(config)
    specs = keras_specs(tf, config, inputs, model)
    names = unique([name for name, _ in tensors_in(outputs)])

    def call(arrays):
        values = [arrays[spec.name] for spec in specs]
        if not tf.executing_eagerly():
            found = model.predict_on_batch(values if len(values) > 1 else values[0])
        else:
            values = [tf.convert_to_tensor(value) for value in values]
            single = len(values) == 1 and not isinstance(inputs, dict)
            batch = values[0] if single else packed(inputs, iter(values))
            found = model(batch, training=False)
        return named_outputs(found, names)

    return Entry(None, specs, call, True)


def keras_config(path, model):
    """Return the model's config as the file has it, else as the loaded model has it, else {}."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json").decode("utf-8"))["config"]
        else:
            import h5py

            with h5py.File(path, "r") as archive:
                config = json.loads(text_of(archive.attrs["model_config"]))["config"]
    except Exception:
        try:
            config = model.get_config()
        except Exception:
            return {}
    return {"layers": config} if isinstance(config, list) else config


def keras_structures(config):
    """Return what the model takes and what it returns, as config writes it.

    A tensor is written [layer name, node, index], within lists or dicts. A Sequential model
    writes neither; a subclassed one has no config that says.
    """
    if "input_layers" in config:
        return config["input_layers"], config["output_layers"]
    layers = config.get("layers")
    if not layers:
        return ["input_1", 0, 0], []
    first, last = layers[0], layers[-1]
    name = first["config"]["name"]
    if first["class_name"] != "InputLayer":
        name += "_input"
    return [name, 0, 0], [last["config"]["name"], 0, 0]


def keras_specs(tf, config, inputs, model):
    """Return what the model takes: as the file says, else as the loaded model says."""
    written = {}
    for layer in config.get("layers", ()):
        name = layer["config"].get("name")
        written[name] = layer["config"]
        written.setdefault("%s_input" % name, layer["config"])  # Sequential without InputLayer
    pairs = tensors_in(inputs)
    names = unique([name for name, _ in pairs])
    loaded = getattr(model, "inputs", None) or []
    if len(loaded) != len(pairs):
        loaded = [None] * len(pairs)
    return [
        keras_spec(tf, name, written.get(layer, {}), tensor)
        for name, (_, layer), tensor in zip(names, pairs, loaded)
    ]


def keras_spec(tf, name, layer, tensor):
    """Return one input from its layer's config and the loaded model's tensor (or None)."""
    dtype, shape = layer.get("dtype"), layer.get("batch_input_shape", layer.get("batch_shape"))
    if not (isinstance(dtype, str) and hasattr(tf.dtypes, dtype)):  # a policy, or not written
        dtype = None if tensor is None else tf.as_dtype(tensor.dtype).name
    if not isinstance(shape, list):
        shape = None if tensor is None else dimensions_of(tf, tensor.shape)
    return Spec(name, dtype, shape)


def is_tensor(structure):
    """Tell whether this part of a config is one tensor."""
    return bool(structure) and not isinstance(structure, dict) and isinstance(structure[0], str)


def tensors_in(structure):
    """Return (name, layer) of the tensors; the name is the layer's, or the key in a dict.

    They are in Keras's order, in which dicts are sorted.
    """
    if is_tensor(structure):
        return [(structure[0], structure[0])]
    if not isinstance(structure, dict):
        return [pair for part in structure for pair in tensors_in(part)]
    pairs = []
    for key in sorted(structure):
        for name, layer in tensors_in(structure[key]):
            pairs.append((key if is_tensor(structure[key]) else key + "/" + name, layer))
    return pairs


def packed(structure, values):
    """Return the values, one by one, in the shape of `structure`."""
    if is_tensor(structure):
        return next(values)
    if isinstance(structure, dict):
        return {key: packed(structure[key], values) for key in sorted(structure)}
    return [packed(part, values) for part in structure]


def unique(names):
    """Return the names with `_1`, `_2`, ... where one comes again."""
    result = []
    for name in names:
        count, candidate = 0, name
        while candidate in result:
            count += 1
            candidate = "%s_%d" % (name, count)
        result.append(candidate)
    return result


def named_outputs(found, names):
    """Return {name: tensor} of what a Keras model returned, in whatever structure."""
    pairs = flattened(found, "")
    if len(pairs) == len(names):
        return {name: value for name, (_, value) in zip(names, pairs)}
    return {key or "output_%d" % index: value for index, (key, value) in enumerate(pairs)}


def flattened(found, key):
    """Return the tensors in nested lists and dicts, each with its key ("" in a list)."""
    if isinstance(found, dict):
        return [pair for inner in sorted(found) for pair in flattened(found[inner], inner)]
    if isinstance(found, (list, tuple)) and not hasattr(found, "dense_shape"):
        return [pair for part in found for pair in flattened(part, key)]
    return [(key, found)]


# --- prepare: inputs -----------------------------------------------------------------------------


def prepare(report, request, entry):
    """Return the inputs that fit `entry`, sorted by name; what they are goes into the report."""
    generated = request["inputs"] is None
    specs = sorted(entry.inputs)
    given = generate(specs, request) if generated else read_inputs(request["inputs"])
    inputs = fitted(specs, given, entry.lenient, report.warnings)
    if generated:
        save_arrays(
            os.path.join(report.directory, "inputs.npz"),
            {tensor.name: stored_input(tensor) for tensor in inputs},
        )
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
    by_name = {tensor.name: tensor for tensor in given}
    if lenient and len(specs) == 1 and len(given) == 1 and specs[0].name not in by_name:
        warnings.append("the input %r is fed to %r, the only one" % (given[0].name, specs[0].name))
        by_name = {specs[0].name: given[0]._replace(name=specs[0].name)}
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


def converted(tensor, spec, lenient, warnings):
    """Return the tensor with the dtype that is wanted, where the conversion is harmless."""
    import numpy as np

    if tensor.dtype == spec.dtype or spec.dtype is None:
        return tensor
    if spec.dtype == "bfloat16" and tensor.dtype == "uint16":
        return tensor._replace(dtype="bfloat16")
    numeric = all(re.match(r"(bool|u?int|float)\d*$", name) for name in (tensor.dtype, spec.dtype))
    if lenient and numeric and np.can_cast(tensor.dtype, spec.dtype, "same_kind"):
        text = "the input %r is converted from %s to %s"
        warnings.append(text % (tensor.name, tensor.dtype, spec.dtype))
        return Tensor(tensor.name, spec.dtype, tensor.array.astype(spec.dtype))
    return tensor


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


def stored_input(tensor):
    """Return the array for `inputs.npz`."""
    return tensor.array.astype(bytes) if tensor.dtype == "string" else tensor.array


# --- infer and collect ---------------------------------------------------------------------------


def infer(tf, report, request, entry, inputs):
    """Call the model `repeats` times and return the outputs of the first, sorted by name."""
    import numpy as np

    random.seed(request["seed"])
    np.random.seed(request["seed"])
    tf.compat.v1.set_random_seed(request["seed"])
    arrays = {tensor.name: fed(tf, tensor) for tensor in inputs}
    started = time.perf_counter()
    found = entry.call(arrays)
    outputs = materialised(tf, found)
    report.seconds["infer"] = time.perf_counter() - started
    report.actual["device"] = device_of(tf, found, request)
    first = digest(outputs)
    again = [
        digest(materialised(tf, entry.call(arrays))) == first for _ in range(1, request["repeats"])
    ]
    report.values["deterministic"] = all(again) if again else None
    return outputs


def fed(tf, tensor):
    """Return the array as TensorFlow takes it."""
    if tensor.dtype == "bfloat16":
        return tensor.array.view(tf.bfloat16.as_numpy_dtype)
    return tensor.array


def materialised(tf, found):
    """Return {name: tensor of any kind} as `Tensor`s with arrays, sorted by name."""
    tensors = []
    for name, value in found.items():
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

    if hasattr(value, "numpy"):
        value = value.numpy()
    array = np.array(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)
    dtype = tf.as_dtype(array.dtype).name
    if array.dtype.kind == "V" or array.dtype.isbuiltin != 1:  # a type NumPy itself does not have
        array = array.view("u%d" % array.dtype.itemsize)
    return Tensor(name, dtype, array)


def device_of(tf, found, request):
    """Return where the outputs were computed: `CPU`, or `GPU` with its name."""
    devices = [getattr(value, "device", "") for value in found.values()]
    if uses_session(tf, request):
        session = tf.compat.v1.Session(config=session_config(tf, request))
        devices = [device.name for device in session.list_devices()]
    if not any(re.search(r"/device:GPU:\d", device) for device in devices):
        return "CPU"
    try:  # 2.4 and newer
        gpu = tf.config.list_physical_devices("GPU")[0]
        return "GPU " + tf.config.experimental.get_device_details(gpu)["device_name"]
    except Exception:
        return "GPU"


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
    """Return the sha256 over names, dtypes, shapes and bytes; equal only for equal bits."""
    import numpy as np

    result = hashlib.sha256()
    for tensor in sorted(tensors, key=lambda tensor: tensor.name):
        head = [tensor.name, tensor.dtype, list(tensor.array.shape)]
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
    """Write an uncompressed .npz as a whole; `numpy.savez` cannot hold an array named `file`."""
    import numpy as np

    temporary = path + ".part"
    with zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)
    os.replace(temporary, path)


LOADERS = {
    "saved_model.load": (load_saved_model, entry_of_saved_model),
    "session": (load_session, entry_of_session),
    "keras.load_model": (load_keras, entry_of_keras),
}

if __name__ == "__main__":
    faulthandler.enable()
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all is written: a library that hangs or crashes at exit is not the model
