"""A saved sweep, to judge: its observations, and their arrays read when they are asked for."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from harness.model.loaders import loaders
from harness.model.model import Model
from harness.npz import NpzReader, open_npz
from harness.observation import FLOAT64, Observation, TensorFacts
from harness.plan.plan import PlannedCell
from harness.store.layout import CellFolder, SweepFolder
from harness.store.observations import load_log, load_observation, read_observation
from harness.tensor import Tensor, decode_inputs, decode_outputs, float64_facts, from_arrays
from harness.text import one_line

__all__ = ["MAX_ARRAY_BYTES", "LazyArrays", "Saved", "read_first", "read_tensors"]

MAX_ARRAY_BYTES = 64 * 1024**3
"""Most bytes of arrays in one file that are judged: beyond it a file is taken for a bomb."""


_LARGEST_ITEM = 16
"""Bytes of a complex128."""
_SLACK = 1 << 14
"""Bytes an array may take beside its elements, or one that is too many: it is read to be named."""


class LazyArrays(Mapping[str, NDArray[Any]]):
    """The arrays of an open file by name, each read or mapped when it is taken, not kept here.

    With `check` every byte of an array is looked at too, before it is taken: what is judged
    later was checked once, when it was taken into the results, and is not read twice then.
    """

    def __init__(self, reader: NpzReader, *, check: bool = False) -> None:
        self._reader = reader
        self._names = frozenset(reader.names)
        self._check = check

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        if self._check:
            self._reader.check(name)
        return self._reader.mapped(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._reader.names)

    def __len__(self) -> int:
        return len(self._names)


class _Tensors(dict[str, Tensor]):
    """Tensors by name that can be referred to weakly."""


class Saved:
    """What one sweep observed, by cell id.

    Tensors that are in use somewhere are not read a second time: the reference's outputs, which
    may have gigabytes, are asked for again when its own cell is judged.
    """

    def __init__(self, folder: SweepFolder, model: Model, cells: Sequence[PlannedCell]) -> None:
        self.folder = folder
        self.observations: dict[str, Observation] = {}
        self.others: dict[str, tuple[Observation, ...]] = {}
        self.equal_inputs: dict[str, Observation] = {}
        self.unusable: dict[str, str] = {}
        """Why a cell's observation, which is there, cannot be used."""
        self._reading = threading.Lock()
        self._in_use: WeakValueDictionary[Path, _Tensors] = WeakValueDictionary()
        for planned in cells:
            self._load(planned, model)

    def _load(self, planned: PlannedCell, model: Model) -> None:
        cell = planned.cell
        folder = self.folder.cell(cell.id)
        first = read_observation(folder)
        if isinstance(first, Observation) and first.cell != cell.id:
            other = one_line(first.cell, 80)
            first = f"{folder.observation.name} is of another cell, '{other}'"
        if isinstance(first, str):
            self.unusable[cell.id] = first
        if not isinstance(first, Observation):
            return
        self.observations[cell.id] = first
        _, *further = loaders(model, cell.tensorflow, first.locked)
        others = (load_observation(folder.loader(name)) for name in further)
        self.others[cell.id] = tuple(other for other in others if other is not None)
        equal = load_observation(folder.equal_inputs)
        if equal is not None:
            self.equal_inputs[cell.id] = equal

    def place(self, observation: Observation) -> CellFolder:
        """Return the folder that one of these observations came from."""
        folder = self.folder.cell(observation.cell)
        if observation.inputs is not None and observation.inputs.source == "reference":
            return folder.equal_inputs
        first = self.observations.get(observation.cell)
        if first is None or first.loader == observation.loader:
            return folder
        return folder.loader(observation.loader)

    def outputs(self, observation: Observation) -> Mapping[str, Tensor]:
        """Return the outputs.

        Raises:
            ValueError: the arrays are not what the observation says, or cannot be read.
        """
        return self._read(self.place(observation).outputs, observation.outputs)

    def repeat(self, observation: Observation) -> Mapping[str, Tensor]:
        """Return the outputs of a second inference; raises `ValueError` as `outputs`."""
        return self._read(self.place(observation).repeat, observation.outputs)

    def variation(self, observation: Observation, name: str) -> Mapping[str, Tensor]:
        """Return the outputs of a variation; raises `ValueError` as `outputs`."""
        return self._read(self.place(observation).variation(name), observation.outputs)

    def float64(self, observation: Observation) -> Mapping[str, Tensor] | None:
        """Return the outputs of a float64 run of the same graph; None where none was kept.

        Raises:
            ValueError: as `outputs`.
        """
        if not any(each.name == FLOAT64 and each.kept for each in observation.variations):
            return None
        path = self.place(observation).variation(FLOAT64)
        return self._read(path, float64_facts(observation.outputs))

    def preprocessed(self, observation: Observation) -> Mapping[str, Tensor]:
        """Return what `preprocess.py` returned; raises `ValueError` as `outputs`."""
        path = self.place(observation).preprocessed
        return self._read(path, observation.preprocessed or (), inputs=True)

    def log(self, observation: Observation) -> str:
        """Return what resolving, building and running printed; empty where nothing is kept."""
        return load_log(self.place(observation))

    def _read(
        self, path: Path, facts: Sequence[TensorFacts], *, inputs: bool = False
    ) -> Mapping[str, Tensor]:
        decode = decode_inputs if inputs else decode_outputs
        with self._reading:
            tensors = self._in_use.get(path)
            if tensors is None:
                with open_npz(path, max_bytes=_most_bytes(facts), what=path.name) as reader:
                    tensors = _Tensors(decode(facts, LazyArrays(reader)))
                self._in_use[path] = tensors
            return tensors


def _most_bytes(facts: Sequence[TensorFacts]) -> int:
    """Return how many bytes of arrays are read at the most, so that a few do not unpack to many.

    Strings may have any length.
    """
    most = _SLACK
    for fact in facts:
        if fact.dtype == "string" or fact.shape is None:
            return MAX_ARRAY_BYTES
        most += math.prod(max(0, size or 0) for size in fact.shape) * _LARGEST_ITEM + _SLACK
    return min(most, MAX_ARRAY_BYTES)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a user's file of named arrays, such as `expected.npz`.

    Raises:
        ValueError: it cannot be read.
    """
    with open_npz(path, max_bytes=MAX_ARRAY_BYTES, what=path.name) as reader:
        return from_arrays(LazyArrays(reader))


def read_first(path: Path) -> NDArray[np.generic] | None:
    """Return the first array of a file, such as `labels.npz`; raises `ValueError` as above."""
    with open_npz(path, max_bytes=MAX_ARRAY_BYTES, what=path.name) as reader:
        return next((reader.read(name) for name in reader.names), None)
