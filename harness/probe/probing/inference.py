"""Calling the model."""

import random
import re
import time

from probing.start import session_config, uses_session
from probing.tensors import describe, digest, fed, materialised, write_outputs
from probing.variations import First


def infer(tf, report, request, entry, inputs):
    """Call the model `repeats` times.

    Returns the file the first outputs are in and what later ones are held against. They are
    written and let go before the next call, so that they are held in memory only once. Those of
    the second call go to `repeat.npz` where their bits differ.
    """
    set_seeds(tf, request)
    arrays = {tensor.name: fed(tf, tensor) for tensor in inputs}
    started = time.perf_counter()
    found = entry.call(arrays)
    devices = [getattr(value, "device", "") for value in found.values()]
    outputs = materialised(tf, found)
    report.seconds["infer"] = time.perf_counter() - started
    report.actual["device"] = device_of(tf, devices, request)
    path = report.path("outputs.npz.part")
    write_outputs(path, outputs)
    first = First(describe(outputs), digest(outputs))
    del found, outputs
    same = []
    for index in range(1, request["repeats"]):
        outputs = materialised(tf, entry.call(arrays))
        same.append(digest(outputs) == first.digest)
        if index == 1 and not same[0] and describe(outputs) == first.facts:
            write_outputs(report.path("repeat.npz"), outputs)
        del outputs
    report.values["deterministic"] = all(same) if same else None
    return path, first


def set_seeds(tf, request):
    """Set every seed there is, as a user does who wants the same numbers again."""
    import numpy as np

    random.seed(request["seed"])
    np.random.seed(request["seed"])
    tf.compat.v1.set_random_seed(request["seed"])


def device_of(tf, devices, request):
    """Return where the outputs were computed: `CPU`, or `GPU` with its name.

    `devices` are those that the outputs name, empty for arrays.
    """
    if request["loader"].startswith("lite."):
        return "CPU"
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
