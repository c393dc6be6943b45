"""`captured.json`: what this environment is."""

import os
import platform
import time

LONGEST_VALUE = 1000


def variables_set(names):
    """Return those of the named environment variables that are set."""
    found = {}
    for name in names:
        value = os.environ.get(name)
        if value is not None and len(value) <= LONGEST_VALUE and value.isprintable():
            found[name] = value
    return found


def captured_facts(settings, report, request, digest, variables):
    """Return the content of `captured.json`."""
    actual, values = report.actual, report.values
    facts = {
        "schema": 1,
        "harness": settings["harness"],
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "model": {"name": settings["model"]["name"], "digest": digest},
        "python": actual["python"],
        "implementation": platform.python_implementation(),
        "system": platform.system().lower(),
        "machine": platform.machine(),
        "platform": platform.platform(),
        "libc": actual.get("libc"),
        "cpu": actual.get("cpu"),
        "device": actual.get("device"),
        "threads": {
            "intra_op": actual.get("intra_op_threads"),
            "inter_op": actual.get("inter_op_threads"),
            "cpus": os.cpu_count(),
        },
        "variables": variables,
        "loader": request["loader"],
    }
    for key in ("tensorflow", "keras", "numpy", "h5py", "protobuf", "cuda", "cudnn"):
        facts[key] = actual.get(key)
    facts["git_version"] = actual.get("git_version")
    facts["build_info"] = actual.get("build_info") or {}
    for key in ("signature", "inputs", "inputs_digest", "inputs_generated", "preprocessed"):
        facts[key] = values.get(key)
    for key in ("outputs", "deterministic", "restored", "training", "warnings"):
        facts[key] = values.get(key)
    return facts
