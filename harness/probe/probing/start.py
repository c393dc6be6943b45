"""NumPy and TensorFlow: imported, set up and asked what they are."""

import collections
import os
import sys
import time

from probing.cuda import learn_cuda, learn_gpus
from probing.report import shorten, text_of

Start = collections.namedtuple("Start", "tf keras_error")
"""What all attempts share: TensorFlow, and the exception that `tf.keras` raised, or None."""

SESSION_LOADERS = ("session", "import_meta_graph", "import_graph_def")
"""Those that compute in a session in TensorFlow 2 too."""

EAGER_LOADERS = ("load_weights", "train.Checkpoint", "train.Saver")
"""Those that compute eagerly in TensorFlow 1 too, where variables are checked one by one."""


def import_tensorflow(report, device):
    """Import NumPy, TensorFlow and its Keras, and record what came.

    Nothing here computes or starts TensorFlow's threads: the process is forked afterwards.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the one way that every release understands
    started = time.perf_counter()
    try:
        import numpy  # noqa: F401
        import tensorflow as tf

        keras_error = import_keras(tf)
        report.seconds["import"] = time.perf_counter() - started
    finally:
        learn_versions(report)
    report.actual["git_version"] = text_of(tf.version.GIT_VERSION)
    learn_keras(tf, report)
    learn_build(tf, report)
    return Start(tf, keras_error)


def import_keras(tf):
    """Return the exception that using `tf.keras` raises; it is imported on first use."""
    try:
        tf.keras.models  # noqa: B018
    except Exception as error:
        return error
    return None


def set_up(start, request, report):
    """Make TensorFlow ready for one attempt and return it; part of the import stage."""
    if start.keras_error is not None and needs_keras(request["loader"]):
        raise start.keras_error
    if request["loader"] in EAGER_LOADERS and not start.tf.executing_eagerly():
        start.tf.compat.v1.enable_eager_execution()
    set_threads(start.tf, report, request)
    if request["device"] == "cuda":
        learn_cuda(start.tf, report)
        if request["gpu"]:
            use_gpu(start.tf, report)
    return start.tf


def needs_keras(loader):
    """Tell whether a loader is Keras's own."""
    return loader.startswith("keras.") or loader in ("TFSMLayer", "load_weights")


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
    return request["loader"] in SESSION_LOADERS or not tf.executing_eagerly()


def needs_eager(tf, loader, instead):
    """Raise an error in TensorFlow 1, for a loader that only TensorFlow 2 has."""
    if not tf.executing_eagerly():
        raise ValueError(
            "the loader %s needs TensorFlow 2, this is %s; use the loader %s"
            % (loader, tf.__version__, instead)
        )


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
    learn_gpus(tf, report)
    if not gpus:
        report.warnings.append("device cuda was asked for, but TensorFlow sees no GPU")
