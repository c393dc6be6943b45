"""`request.json`, everything an attempt is told, and the files it is given beside the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.cell import Cell, Device
from harness.environments.engine import Limits
from harness.model.model import Model
from harness.sweep.key import file_digest

__all__ = ["Inputs", "Material", "Varied", "material", "request_text"]

REPEATS = 2
"""Inferences in one process: one to keep, one to see whether the model is deterministic."""

Inputs = Literal["recorded", "generated", "raw", "reference"]
"""Where an attempt's inputs come from: the user's `inputs.npz`; a seed; `preprocess.py`, given
`raw.npz`; or what `preprocess.py` made in the reference's environment."""


@dataclass(frozen=True, slots=True)
class Material:
    """What all attempts on one model are given."""

    inputs: Inputs
    files: Mapping[str, Path]
    """By the name they are seen under: `inputs.npz`, `build.py`."""
    digests: Mapping[str, str]
    """sha256 of each."""


@dataclass(frozen=True, slots=True)
class Varied:
    """How the inference of an attempt is varied, and the limits of the attempt."""

    noise: Literal["quick", "full"]
    limits: Limits


def material(model: Model, reference: Path | None = None) -> Material:
    """Return what attempts on `model` are given; `reference` is fed as it is where it is there."""
    files: dict[str, Path | None] = {
        "build.py": model.code.build,
        "custom_objects.py": model.code.custom_objects,
        "preprocess.py": model.code.preprocess,
    }
    inputs: Inputs
    if reference is not None:
        inputs, files["inputs.npz"] = "reference", reference
    elif model.preprocesses:
        inputs, files["raw.npz"] = "raw", model.raw
    elif model.inputs is not None:
        inputs, files["inputs.npz"] = "recorded", model.inputs
    else:
        inputs = "generated"
    there = {name: path for name, path in sorted(files.items()) if path is not None}
    return Material(inputs, there, {name: file_digest(path) for name, path in there.items()})


def request_text(
    cell: Cell,
    model: Model,
    loader: str,
    *,
    cpus: float,
    inputs: Inputs,
    gpu: bool = False,
    varied: Varied | None = None,
) -> str:
    """Return the request of one attempt as JSON.

    A CUDA cell without a `gpu` is not run: what there is of CUDA in its environment is looked at.
    Where `varied` is None the inference is repeated, and not varied.

    Thread counts are always set, since results of large reductions depend on them
    (a [1, 16384] by [16384, 512] product moves by 4e-6 of its scale between 1 and 2 threads) and
    the default follows the number of cores of the machine.
    """
    threads = max(1, int(cpus))
    code = model.code
    request = {
        "schema": 1,
        "loader": loader,
        "model": f"{{model}}/{model.prefix}" if model.prefix else "{model}",
        "inputs": _file("inputs.npz", inputs in ("recorded", "reference")),
        "raw": _file("raw.npz", inputs == "raw"),
        "build": _file("build.py", code.build is not None),
        "custom_objects": _file("custom_objects.py", code.custom_objects is not None),
        "preprocess": _file("preprocess.py", inputs == "raw"),
        "signature": model.signature,
        "tags": list(model.tags) if model.tags is not None else None,
        "feeds": model.feeds,
        "fetches": model.fetches,
        "seed": model.seed,
        "batch_size": model.batch_size,
        "dimensions": {name: list(shape) for name, shape in model.dimensions.items()},
        "ranges": {name: list(bounds) for name, bounds in model.ranges.items()},
        "device": cell.device.value,
        "intra_op_threads": cell.flags.intra_op_threads or threads,
        "inter_op_threads": cell.flags.inter_op_threads or threads,
        "repeats": REPEATS,
    }
    if cell.device is Device.CUDA:
        request["gpu"] = gpu
    if varied is not None:
        request["noise"] = varied.noise
        request["timeout_seconds"] = varied.limits.timeout_seconds
        request["output_bytes"] = varied.limits.output_bytes
    return json.dumps(request, sort_keys=True)


def _file(name: str, there: bool) -> str | None:
    return f"{{files}}/{name}" if there else None
