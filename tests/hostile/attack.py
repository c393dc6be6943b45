"""What an attack is: the code of a hostile model, and what must become of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Vehicle = Literal["build", "custom_objects", "preprocess", "lambda", "graph"]
"""What carries the code: a file beside the model, a Lambda layer's bytecode, or a graph of ops."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One hostile model."""

    name: str
    vehicle: Vehicle
    does: str
    """What it tries, in a few words."""
    code: str = ""
    """Python. `tried(what, action)` prints how an action went; `OUT` is the attempt's folder.
    Empty for a graph, which `make.py` has by the attack's name."""
    verdict: str
    reason: str | None = None
    """The reason's code; with `/` between them where it is one of several; None: whatever it is."""
    stage: str | None = None
    reaches: frozenset[str] = field(default_factory=frozenset)
    """What it tries and may do."""


PREAMBLE = """\
import json, os, signal, socket, subprocess, sys, threading, time

OUT = os.path.dirname(os.readlink("/proc/self/fd/1"))
HOSTS, PORT, MARKER = @HOSTS@, @PORT@, @MARKER@


def tried(what, action):
    try:
        action()
    except Exception as error:
        print("attack: %s: refused, %s" % (what, ascii(error)), flush=True)
    else:
        print("attack: %s: done" % what, flush=True)


def fill(path, limit=2**40):
    with open(path, "wb") as stream:
        while stream.tell() < limit:
            stream.write(bytes(2**20))


def forge(text=None, arrays=True, **changes):
    import numpy as np

    with open(os.path.join(OUT, "report.json")) as stream:
        report = json.load(stream)
    report.update(
        completed=True,
        stage="collect",
        outputs=[{"name": "probabilities", "dtype": "float32", "shape": [32, 10]}],
        deterministic=True,
    )
    report.update(changes)
    if arrays:
        np.savez(os.path.join(OUT, "outputs.npz"), output_0=np.zeros((32, 10), "float32"))
    with open(os.path.join(OUT, "report.json"), "w") as stream:
        stream.write(json.dumps(report) if text is None else text)


"""
