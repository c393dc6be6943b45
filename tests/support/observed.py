"""Observations as the store would hand them on, in one line each."""

from __future__ import annotations

from harness.cell import Cell
from harness.observation import Actual, Ending, InputFacts, Observation
from tests.support.fakes import NOW


def observation(cell: Cell, **fields: object) -> Observation:
    """Return a completed run of `cell` that is what it says, changed by `fields`."""
    versions = {"tensorflow": cell.tensorflow, "python": f"{cell.python}.7", "device": "CPU"}
    actual = Actual.model_validate(versions | dict(fields.pop("actual", {})))  # type: ignore[call-overload]
    return Observation.model_validate(
        {
            "cell": cell.id,
            "key": "0" * 64,
            "engine": "venv",
            "loader": "saved_model.load",
            "ending": Ending.COMPLETED,
            "stage": None,
            "actual": actual,
            "inputs": InputFacts(source="inputs.npz", digest="inputs"),
            "observed": NOW,
            **fields,
        }
    )
