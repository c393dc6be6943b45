"""What is read of a model in one cell: by which loaders, asked how, and what is there already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.cell import Cell, Device
from harness.environments.engine import Attempt, Environment, Lock
from harness.model.loaders import loaders
from harness.observation import Ending, Observation
from harness.store.layout import CellFolder, SweepFolder
from harness.store.observations import load_observation
from harness.sweep.key import observation_key
from harness.sweep.observe import Asked
from harness.sweep.request import Varied, request_text
from harness.sweep.work import Sweep, Task

__all__ = ["Earlier", "Reading", "TaskState", "attempt_name", "state_of"]

_NOT_TAKEN_OVER = (Ending.INFRASTRUCTURE, Ending.SKIPPED, Ending.INVALID)
"""Endings that say nothing lasting about the model; such attempts are made again."""

Earlier = tuple[CellFolder, Observation]
"""What was observed of the very same thing before, and where that lies."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One loader of a task."""

    task: Task
    asked: Asked
    attempt: Attempt
    is_first: bool
    """Whether its outcome is the cell's verdict."""

    def place(self, sweep: SweepFolder) -> CellFolder:
        """Return where its observation lies in a sweep."""
        first = self.task.folder(sweep)
        return first if self.is_first else first.loader(self.asked.loader)


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """All readings of a task, the first one first, and what is known of them."""

    task: Task
    readings: tuple[Reading, ...]
    earlier: Mapping[str, Earlier]
    """By loader."""

    @property
    def left(self) -> tuple[Reading, ...]:
        """Those that must be run."""
        return tuple(each for each in self.readings if each.asked.loader not in self.earlier)


def state_of(
    sweep: Sweep, number: int, task: Task, lock: Lock, environment: Environment
) -> TaskState:
    """Return what a task needs; `number` tells its attempts from others of the same run."""
    readings = tuple(_readings(sweep, number, task, lock, environment))
    found = {} if sweep.fresh else {each.asked.loader: _earlier(each) for each in readings}
    earlier = {loader: there for loader, there in found.items() if there is not None}
    return TaskState(task=task, readings=readings, earlier=earlier)


def attempt_name(number: int, loader: str) -> str:
    """Return the name of an attempt, safe as a folder's: `m0-saved-model-load`."""
    return f"m{number}-{re.sub('[^a-z0-9]+', '-', loader.lower())}"


def _readings(
    sweep: Sweep, number: int, task: Task, lock: Lock, environment: Environment
) -> Iterator[Reading]:
    model, cell, given = task.model, task.cell, task.material
    names = loaders(model, cell.tensorflow, lock.packages)
    checked = cell.device is Device.CUDA and not environment.gpu
    for i, loader in enumerate(names[:1] if task.equal_inputs is not None or checked else names):
        request = request_text(
            *(cell, model, loader),
            cpus=sweep.limits.cpus,
            inputs=given.inputs,
            gpu=environment.gpu,
            varied=_varied(sweep, task, first=i == 0 and not checked),
        )
        asked = Asked(
            cell=cell.id,
            key=_key(sweep, task, cell, environment, request),
            engine=sweep.engine.name,
            loader=loader,
            lock=lock,
            environment=environment,
            inputs=given.inputs,
            checked=checked,
            output_bytes=sweep.limits.output_bytes,
        )
        attempt = Attempt(
            name=attempt_name(number, loader),
            request=request,
            model=model.path,
            files=dict(given.files),
        )
        yield Reading(task=task, asked=asked, attempt=attempt, is_first=i == 0)


def _varied(sweep: Sweep, task: Task, *, first: bool) -> Varied | None:
    """Return how the inference is varied: the first loader's, whose outcome is the verdict.

    What a cell does on the reference's inputs has the noise that was measured on its own.
    """
    if sweep.noise == "off" or not first or task.equal_inputs is not None:
        return None
    return Varied(sweep.noise, sweep.limits)


def _key(sweep: Sweep, task: Task, cell: Cell, environment: Environment, request: str) -> str:
    return observation_key(
        engine=sweep.engine.name,
        environment=environment,
        model=task.model,
        files=task.material.digests,
        request=request,
        probe_digest=sweep.probe_digest,
        flags=cell.flags,
        limits=sweep.limits,
    )


def _earlier(reading: Reading) -> Earlier | None:
    def same(observation: Observation) -> bool:
        return observation.key == reading.asked.key and observation.ending not in _NOT_TAKEN_OVER

    swept = reading.task.swept
    here = reading.place(swept.folder)
    observation = load_observation(here)
    if observation is not None and same(observation):
        return here, observation
    return swept.results.earlier(reading.place, same)
