"""Measures how long it takes to compare all cells of a large sweep with each other."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from harness.cell import Cell
from harness.judge.agreement import agreement
from harness.judge.seen import Seen
from harness.observation import Actual, Ending, Observation
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor

__all__ = ["all_pairs"]

CELLS, OUTPUTS, SHAPE = 200, 50, (64, 10)


def all_pairs() -> None:
    """Compare cells of which no two have the same bits in any output, in three classes."""
    rng = np.random.default_rng(0)
    common = [rng.standard_normal(SHAPE) for _ in range(OUTPUTS)]
    planned, observations, arrays = [], {}, {}
    for number in range(CELLS):
        cell = Cell(tensorflow=f"2.{number}.0", python="3.11")
        planned.append(PlannedCell(cell=cell))
        observations[cell.id] = _observation(cell.id, cell.tensorflow)
        arrays[cell.id] = {
            f"output_{index}": NumericTensor(
                "float32",
                (values + number % 3 + rng.uniform(-1e-6, 1e-6, SHAPE)).astype(np.float32),
            )
            for index, values in enumerate(common)
        }

    def outputs(observation: Observation) -> Mapping[str, Tensor]:
        return arrays[observation.cell]

    seen = Seen(
        observations=observations,
        others={},
        equal_inputs={},
        outputs=outputs,
        repeat=outputs,
        preprocessed=outputs,
    )
    start = time.perf_counter()
    found = agreement(planned, seen, expected=None, tolerances={}, floors={})
    taken = time.perf_counter() - start
    pairs = CELLS * (CELLS - 1) // 2
    print(
        f"classes of {CELLS} cells, {OUTPUTS} outputs of {SHAPE} each, all different"
        f" ({pairs * OUTPUTS:,} pairs)\n"
        f"  harness {taken:8.3f} s   ({len(found.classes)} classes)"
    )


def _observation(cell: str, tensorflow: str) -> Observation:
    return Observation.model_validate(
        {
            "cell": cell,
            "key": "",
            "engine": "venv",
            "loader": "saved_model.load",
            "ending": Ending.COMPLETED,
            "stage": None,
            "actual": Actual(tensorflow=tensorflow, python="3.11.7", device="CPU"),
            "observed": "2026-01-01T00:00:00Z",
        }
    )
