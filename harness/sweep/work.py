"""What a sweep has to do: one task for each model in each cell, gathered by what they share."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from packaging.version import Version

from harness.cell import Cell, Device, Flags
from harness.environments.engine import Engine, Limits
from harness.model.model import Model
from harness.observation import NoiseLevel
from harness.plan.plan import Plan
from harness.store.layout import CellFolder, SweepFolder
from harness.store.results import Results
from harness.sweep.key import folder_digest
from harness.sweep.progress import Display
from harness.sweep.request import Material

__all__ = ["ModelSweep", "Sweep", "Task", "by_cell", "by_environment", "first_tasks", "title"]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What everything that is swept by one command works with."""

    engine: Engine
    limits: Limits
    probe: Path
    """`probe.py`, in the folder of all it consists of."""
    workspace: Path
    display: Display
    models: tuple[ModelSweep, ...]
    noise: NoiseLevel = "quick"
    fresh: bool = False
    making: threading.Semaphore = field(default_factory=threading.Semaphore)
    """Held while an environment is made; where one is run, another can be made."""
    stopping: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def probe_digest(self) -> str:
        """Of everything the probe consists of."""
        return folder_digest(self.probe.parent)


@dataclass(frozen=True, kw_only=True)
class ModelSweep:
    """One model, and where what is seen of it is kept."""

    model: Model
    plan: Plan
    material: Material
    results: Results
    folder: SweepFolder


@dataclass(frozen=True, kw_only=True)
class Task:
    """One model to be read in one cell, by all its loaders or on the reference's inputs."""

    swept: ModelSweep
    cell: Cell
    equal_inputs: Material | None = None
    """The reference's inputs, for the first loader alone; None: the model's own, for all."""

    @property
    def model(self) -> Model:
        """The model."""
        return self.swept.model

    @property
    def material(self) -> Material:
        """What the attempts are given."""
        return self.equal_inputs or self.swept.material

    def folder(self, sweep: SweepFolder) -> CellFolder:
        """Return where the first loader's observation lies in a sweep."""
        cell = sweep.cell(self.cell.id)
        return cell if self.equal_inputs is None else cell.equal_inputs


def first_tasks(models: Iterable[ModelSweep]) -> tuple[Task, ...]:
    """Return every model in each of its cells that can run."""
    return tuple(
        Task(swept=swept, cell=planned.cell)
        for swept in models
        for planned in swept.plan.cells
        if planned.unavailable is None
    )


def by_environment(tasks: Iterable[Task]) -> Iterator[tuple[Task, ...]]:
    """Gather tasks whose environments are made of the same things, the largest of them first.

    Where all but one are done, that one has the machine to itself and cannot use all of it: so it
    had better be a small one. CUDA is most of an environment; then releases have grown over time.
    """
    groups = _gathered((_environment(task), task) for task in tasks)
    return iter(sorted(groups, key=_largest_first))


def _largest_first(group: Sequence[Task]) -> tuple[bool, tuple[int, ...]]:
    cell = group[0].cell
    return cell.device is not Device.CUDA, tuple(-part for part in Version(cell.tensorflow).release)


def by_cell(tasks: Iterable[Task]) -> Iterator[tuple[Task, ...]]:
    """Gather tasks whose cells are the same, in the order of the first."""
    return _gathered((_plain(task.cell), task) for task in tasks)


def title(sweep: Sweep, tasks: Sequence[Task]) -> str:
    """Return what a display calls tasks that share a cell: by the model where there are several."""
    cell = tasks[0].cell.id
    if tasks[0].equal_inputs is not None:
        cell += " on equal inputs"
    if len(sweep.models) == 1:
        return cell
    more = f" (+{len(tasks) - 1})" if len(tasks) > 1 else ""
    return f"{tasks[0].model.name}{more} {cell}"


def _environment(task: Task) -> Hashable:
    # Not by the cell's id alone: what a model was captured in has one name for all models.
    cell = task.cell.model_copy(update={"flags": Flags()})
    return _plain(cell), task.model.requirements


def _plain(cell: Cell) -> str:
    return cell.model_copy(update={"note": None}).model_dump_json()


def _gathered(tasks: Iterable[tuple[Hashable, Task]]) -> Iterator[tuple[Task, ...]]:
    groups: dict[Hashable, list[Task]] = defaultdict(list)
    for key, task in tasks:
        groups[key].append(task)
    return (tuple(group) for group in groups.values())
