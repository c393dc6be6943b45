"""`requests.json`: what the probe is told to do."""

import collections
import json
import re

from probing.loaders import LOADERS

DEFAULTS = {
    "loader": "",
    "model": "",
    "inputs": None,
    "raw": None,
    "build": None,
    "custom_objects": None,
    "preprocess": None,
    "signature": None,
    "tags": None,
    "feeds": {},
    "fetches": {},
    "seed": 0,
    "batch_size": 8,
    "dimensions": {},
    "ranges": {},
    "device": "cpu",
    "gpu": True,
    "intra_op_threads": None,
    "inter_op_threads": None,
    "repeats": 2,
    "noise": "off",
    "timeout_seconds": None,
    "output_bytes": None,
}

Requests = collections.namedtuple("Requests", "attempts taken")
"""`attempts`: {name: Asked}, in order. `taken`: the folder of each attempt is taken away when it
has ended, and the next one begins after that."""

Asked = collections.namedtuple("Asked", "request problem")
"""One request, with defaults for what it leaves out, and why it cannot be done, or None."""


def read_requests(path):
    """Return the `Requests` of a file.

    Raises:
        OSError, ValueError: it cannot be read, or is nothing of the kind.
    """
    with open(path, encoding="utf-8") as stream:
        given = json.load(stream)
    if not isinstance(given, dict) or given.get("schema") != 1:
        schema = given.get("schema") if isinstance(given, dict) else None
        raise ValueError("the requests have the schema %r; 1 is read" % schema)
    attempts = collections.OrderedDict()
    for attempt in given.get("attempts", []):
        name = attempt.get("name") if isinstance(attempt, dict) else None
        sound = isinstance(name, str) and re.fullmatch(r"[a-z0-9-]+", name)
        if not sound or name in attempts:
            raise ValueError("%r is no name of an attempt, or that of two" % (name,))
        attempts[name] = asked(attempt.get("request"))
    if not attempts:
        raise ValueError("the requests hold no attempt")
    return Requests(attempts, bool(given.get("taken")))


def asked(given):
    """Return one request, checked as far as it can be without the model."""
    request = dict(DEFAULTS)
    if not isinstance(given, dict):
        return Asked(request, ValueError("the request is %r, not an object" % (given,)))
    request.update(given)
    return Asked(request, problem_of(request))


def problem_of(request):
    """Return the error that a request is, or None."""
    if request.get("schema") != 1:
        return ValueError("the request has the schema %r; 1 is read" % request.get("schema"))
    if not isinstance(request["loader"], str) or request["loader"] not in LOADERS:
        return ValueError(
            "unknown loader %r; there are: %s" % (request["loader"], ", ".join(sorted(LOADERS)))
        )
    if request["device"] not in ("cpu", "cuda"):
        return ValueError("unknown device %r; there are: cpu, cuda" % (request["device"],))
    if request["noise"] not in ("off", "quick", "full"):
        return ValueError("unknown noise %r; there are: off, quick, full" % (request["noise"],))
    return None
