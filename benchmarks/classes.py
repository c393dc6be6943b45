"""Measures how long it takes to judge a large sweep: all cells, against one and with each other."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from harness.cell import Cell
from harness.judge.agreement import agreement, named
from harness.judge.borders import borders
from harness.judge.judge import judge
from harness.judge.seen import Seen
from harness.observation import Actual, Ending, Observation
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Reference

__all__ = ["many_cells"]

CELLS, OUTPUTS, SHAPE = 200, 50, (64, 10)


def many_cells() -> None:
    """Judge cells of which no two have the same bits in any output, in three classes."""
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
        variation=lambda observation, _: outputs(observation),
        preprocessed=outputs,
    )
    start = time.perf_counter()
    found = agreement(planned, seen, expected=None, tolerances={}, floors={})
    classes = named(found, Reference(cell=planned[0].cell.id, why=""))
    compared = time.perf_counter()
    judgements = judge(
        planned,
        seen,
        Reference(cell=planned[0].cell.id, why=""),
        arrays[planned[0].cell.id],
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    judged = time.perf_counter()
    borders(planned, classes, {each.cell: each.verdict for each in judgements})
    end = time.perf_counter()
    pairs = CELLS * (CELLS - 1) // 2
    print(
        f"judging {CELLS} cells with {OUTPUTS} outputs of {SHAPE} each, no two with the same bits\n"
        f"  classes {compared - start:8.3f} s   ({pairs * OUTPUTS:,} pairs of outputs,"
        f" {len(classes)} classes)\n"
        f"  verdicts{judged - compared:8.3f} s\n"
        f"  borders {end - judged:8.3f} s\n"
        f"  all     {end - start:8.3f} s"
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
