"""Observations as the store would hand them on, in one line each, and whole sweeps of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.cell import Cell
from harness.judge.seen import Arrays, Seen, Varied
from harness.observation import Actual, Ending, InputFacts, Observation
from harness.tensor import Tensor
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


def absent(_: Observation, _name: str = "") -> Mapping[str, Tensor]:
    """Give the arrays of a run that left none."""
    raise ValueError("no such file")


def given(arrays: Mapping[str, Mapping[str, Tensor]]) -> Arrays:
    """Return a way to arrays by cell id, or by `cell id/loader` where that is there."""

    def give(one: Observation) -> Mapping[str, Tensor]:
        found = arrays.get(f"{one.cell}/{one.loader}", arrays.get(one.cell))
        return absent(one) if found is None else found

    return give


def seen(
    observations: Iterable[Observation] = (),
    outputs: Arrays = absent,
    *,
    others: Iterable[Observation] = (),
    equal_inputs: Iterable[Observation] = (),
    repeat: Arrays = absent,
    variation: Varied = absent,
    preprocessed: Arrays = absent,
) -> Seen:
    """Return a sweep of first loaders' `observations` and those of `others`."""
    others = tuple(others)
    return Seen(
        observations={one.cell: one for one in observations},
        others={
            one.cell: tuple(other for other in others if other.cell == one.cell) for one in others
        },
        equal_inputs={one.cell: one for one in equal_inputs},
        outputs=outputs,
        repeat=repeat,
        variation=variation,
        preprocessed=preprocessed,
    )
