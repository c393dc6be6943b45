"""The probe with scripts in the place of TensorFlow and models: its parent, reports and folders
are the real ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import harness.probe

PROBE = Path(harness.probe.__file__).parent / "probe.py"

_LOADERS = """
LOADERS = {"script": None}
"""

# TensorFlow as far as the probe looks at it before it forks.
_START = """
import os, signal, sys, time, types
def import_tensorflow(report, device):
    for name in ("tensorflow", "tensorflow.python", "tensorflow.python.eager"):
        sys.modules[name] = types.ModuleType(name)
    context = types.SimpleNamespace(_context=None)
    sys.modules["tensorflow.python.eager"].context = context
    with open(os.path.join(os.path.dirname(__file__), "start_script.py")) as stream:
        exec(stream.read(), dict(globals(), context=context))
    report.seconds["import"] = 0.0
"""

_ATTEMPT = """
import json, os, signal, subprocess, sys, tempfile, time
def run_attempt(start, request, report):
    def save(value, name="seen.json"):
        with open(report.path(name), "w") as stream:
            json.dump(value, stream)
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorflow"]:
        del sys.modules[name]  # the real one may be there
    names = dict(globals(), OUT=report.directory, REQUEST=request, save=save)
    exec(request["script"], names)
    report.complete()
"""


def write_fake_probe(folder: Path, start: str = "") -> Path:
    """Make the new folder `folder` of a probe; return its script.

    `start` runs where TensorFlow would be imported, and an attempt runs the `script` of its
    request, which knows `OUT`, `REQUEST` and `save`.
    """
    ignored = shutil.ignore_patterns("__pycache__", "capt*")
    shutil.copytree(PROBE.parent, folder, ignore=ignored)
    parts = {"loaders": _LOADERS, "start": _START, "attempt": _ATTEMPT, "start_script": start}
    for name, text in parts.items():
        (folder / "probing" / f"{name}.py").write_text(text)
    return folder / PROBE.name


def script_request(script: str, **fields: object) -> str:
    """Return the request of an attempt that runs `script`."""
    request = {
        "schema": 1,
        "loader": "script",
        "model": "{model}",
        "inputs": "{files}/inputs.npz",
        "script": script,
        **fields,
    }
    return json.dumps(request)
