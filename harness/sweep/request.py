"""`request.json`: everything the probe is told."""

from __future__ import annotations

import json

from harness.cell import Cell
from harness.model.loaders import first_loader
from harness.model.model import Model

__all__ = ["request_text"]

REPEATS = 2
"""Inferences in one process: one to keep, one to see whether the model is deterministic."""


def request_text(cell: Cell, model: Model, *, cpus: float, has_inputs: bool) -> str:
    """Return the request for one cell as JSON.

    Thread counts are always set, since results of large reductions depend on them
    (a [1, 16384] by [16384, 512] product moves by 4e-6 of its scale between 1 and 2 threads) and
    the default follows the number of cores of the machine.
    """
    threads = max(1, int(cpus))
    request = {
        "schema": 1,
        "loader": first_loader(model.format, cell.tensorflow),
        "model": "{model}",
        "inputs": "{inputs}/inputs.npz" if has_inputs else None,
        "signature": model.signature,
        "seed": model.seed,
        "batch_size": model.batch_size,
        "dimensions": {name: list(shape) for name, shape in model.dimensions.items()},
        "ranges": {name: list(bounds) for name, bounds in model.ranges.items()},
        "device": cell.device.value,
        "intra_op_threads": cell.flags.intra_op_threads or threads,
        "inter_op_threads": cell.flags.inter_op_threads or threads,
        "repeats": REPEATS,
    }
    return json.dumps(request, sort_keys=True)
