"""A saved sweep, opened to be judged: what was seen, what agrees, and the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from harness.errors import ResultsError
from harness.judge.agreement import Agreement, agreement
from harness.judge.noise import Noise
from harness.judge.reference import elect
from harness.judge.seen import Seen, keeping
from harness.judge.varied import Floors
from harness.observation import Ending
from harness.store.layout import SweepFolder
from harness.store.record import SweepRecord
from harness.store.saved import Saved, read_tensors
from harness.tensor import Tensor
from harness.verdict import Reference

__all__ = ["Opened", "read_copy"]

_T = TypeVar("_T")

_KEPT_BYTES = 1 << 28
"""Of all cells' outputs together what is kept in memory from the first look to the last."""


class Opened:
    """One sweep; nothing of it is read, measured or compared before it is asked for, or twice."""

    def __init__(self, folder: SweepFolder, record: SweepRecord) -> None:
        self.folder = folder
        self.record = record
        self.saved = Saved(folder, record.model, record.plan.cells)
        self.seen = Seen(
            observations=self.saved.observations,
            others=self.saved.others,
            equal_inputs=self.saved.equal_inputs,
            outputs=keeping(self.saved.outputs, _KEPT_BYTES),
            repeat=self.saved.repeat,
            variation=self.saved.variation,
            preprocessed=self.saved.preprocessed,
            unusable=self.saved.unusable,
        )
        self.floors = Floors(self.seen, record.model.tolerances)

    @cached_property
    def agreement(self) -> Agreement:
        """All cells beside each other."""
        return agreement(
            self.record.plan.cells,
            self.seen,
            expected=self.expected(),
            tolerances=self.record.model.tolerances,
            floors=self._worst_noise(),
        )

    def expected(self) -> Mapping[str, Tensor] | None:
        """Return what the copy of `expected.npz` holds; None where the model has none.

        Raises:
            ResultsError: it cannot be read.
        """
        return read_copy(read_tensors, self.folder.expected)

    def elect(self, wanted: str | None = None) -> Reference:
        """Return the reference that `wanted` means; None: what the sweep was asked for.

        Raises:
            NoReferenceError: it does not exist or has no outputs.
        """
        return elect(
            wanted or self.record.reference,
            self.record.plan.cells,
            self.seen,
            writer=self.record.model.writer,
            expected=self.folder.expected.exists(),
            agreement=lambda: self.agreement,
        )

    def outputs(self, reference: Reference) -> Mapping[str, Tensor] | None:
        """Return the outputs of a reference; None where there is none."""
        if reference.cell is not None:
            return self.seen.outputs(self.saved.observations[reference.cell])
        return self.expected()

    def _worst_noise(self) -> dict[str, Mapping[str, Noise]]:
        """Return the worst noise of every cell, by cell and output."""
        found: dict[str, Mapping[str, Noise]] = {}
        for cell, observation in self.seen.observations.items():
            if observation.ending is Ending.COMPLETED:
                try:
                    outputs = self.seen.outputs(observation)
                    found[cell] = self.floors.of(observation, outputs).worst
                except ValueError:
                    continue  # it has no class either
        return found


def read_copy(read: Callable[[Path], _T], path: Path) -> _T | None:
    """Return what a copy of a user's file holds; None where the model has none.

    Raises:
        ResultsError: it cannot be read.
    """
    if not path.exists():
        return None
    try:
        return read(path)
    except ValueError as error:
        raise ResultsError(f"{path}: {error}") from error
