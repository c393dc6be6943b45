"""One environment: made once, and every cell that shares it run in it and observed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness.cell import Cell, Device
from harness.environments.engine import (
    CellFailure,
    Engine,
    Environment,
    Limits,
    Lock,
    Run,
    RunOutcome,
)
from harness.model.loaders import first_loader
from harness.model.model import Model
from harness.observation import Ending, Observation
from harness.plan.plan import Plan
from harness.store.layout import CellFolder, SweepFolder
from harness.store.results import (
    Results,
    keep_inputs,
    load_observation,
    save_observation,
    take_over,
)
from harness.sweep.key import file_digest, observation_key
from harness.sweep.observe import Asked, observe_failure, observe_run
from harness.sweep.progress import Display
from harness.sweep.request import request_text
from harness.sweep.workspace import new_run, refused_by_machine, unless_full

__all__ = ["Sweep", "run_group"]

_RETRY_SECONDS = (2.0, 8.0)
"""Pauses before a run that infrastructure broke is tried again."""

_NOT_TAKEN_OVER = (Ending.INFRASTRUCTURE, Ending.SKIPPED, Ending.INVALID)
"""Endings that say nothing lasting about the model; such cells run again."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a sweep works with."""

    engine: Engine
    model: Model
    plan: Plan
    limits: Limits
    probe: Path
    results: Results
    folder: SweepFolder
    workspace: Path
    display: Display
    fresh: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)


def run_group(sweep: Sweep, cells: tuple[Cell, ...]) -> None:
    """Make the environment that `cells` share, then run each of them in it."""
    say = _teller(sweep, cells)
    say("resolving")
    lock = sweep.engine.lock(cells[0], sweep.model.requirements, say)
    if isinstance(lock, CellFailure):
        _save_failures(sweep, cells, None, lock)
        return
    environment = sweep.engine.build(cells[0], lock, say)
    if isinstance(environment, CellFailure):
        _save_failures(sweep, cells, lock, environment)
        return
    for cell in cells:
        if sweep.stopping.is_set():
            return
        try:
            _run_cell(sweep, cell, lock, environment)
        except OSError as error:  # of this machine: what results refuse is a ResultsError
            _save_failures(sweep, (cell,), lock, refused_by_machine(error))


def _save_failures(
    sweep: Sweep, cells: tuple[Cell, ...], lock: Lock | None, failure: CellFailure
) -> None:
    for cell in cells:
        if sweep.stopping.is_set():  # broken by our own stopping: not an observation
            return
        _save_failure(sweep, cell, lock, failure)


def _save_failure(sweep: Sweep, cell: Cell, lock: Lock | None, failure: CellFailure) -> None:
    asked = Asked(
        cell=cell.id,
        key="",
        engine=sweep.engine.name,
        loader=first_loader(sweep.model.format, cell.tensorflow),
        lock=lock,
    )
    observation = observe_failure(asked, failure)
    save_observation(
        sweep.folder.cell(cell.id),
        observation,
        log=failure.log or failure.message,
        lock=lock.text if lock is not None else None,
    )
    sweep.display.done(cell.id, _outcome(observation))


def _run_cell(sweep: Sweep, cell: Cell, lock: Lock, environment: Environment) -> None:
    model = sweep.model
    request = request_text(cell, model, cpus=sweep.limits.cpus, has_inputs=model.inputs is not None)
    asked = Asked(
        cell=cell.id,
        key=observation_key(
            engine=sweep.engine.name,
            environment=environment,
            model=model,
            inputs_digest=file_digest(model.inputs) if model.inputs is not None else None,
            request=request,
            probe_digest=file_digest(sweep.probe),
            flags=cell.flags,
            limits=sweep.limits,
        ),
        engine=sweep.engine.name,
        loader=first_loader(model.format, cell.tensorflow),
        lock=lock,
        environment=environment,
        inputs="inputs.npz" if model.inputs is not None else "generated",
        output_bytes=sweep.limits.output_bytes,
    )
    folder = sweep.folder.cell(cell.id)
    earlier = None if sweep.fresh else _earlier(sweep, folder, asked)
    if earlier is not None:
        sweep.display.done(cell.id, _outcome(earlier, ", reused"))
        return
    with ExitStack() as folders:
        outcome, out = _run_with_retries(sweep, cell, environment, request, folders)
        if sweep.stopping.is_set():
            return
        observation = observe_run(asked, outcome, out)
        _save(sweep, observation, lock, f"{environment.log}\n{outcome.log}".lstrip(), out)
    sweep.display.done(cell.id, _outcome(observation))


def _save(sweep: Sweep, observation: Observation, lock: Lock, log: str, out: Path) -> None:
    completed = observation.ending is Ending.COMPLETED
    if completed and sweep.model.inputs is None:
        keep_inputs(sweep.folder, out / "inputs.npz")
    save_observation(
        sweep.folder.cell(observation.cell),
        observation,
        log=log,
        lock=lock.text,
        outputs=out / "outputs.npz" if completed else None,
    )


def _earlier(sweep: Sweep, folder: CellFolder, asked: Asked) -> Observation | None:
    """Take over what an earlier run of the very same thing observed, if there is one."""

    def same(observation: Observation) -> bool:
        return observation.key == asked.key and observation.ending not in _NOT_TAKEN_OVER

    here = load_observation(folder)
    if here is not None and same(here):
        return here
    found = sweep.results.earlier(asked.cell, same)
    if found is None:
        return None
    source, observation = found
    if source.sweep.inputs.exists():
        keep_inputs(sweep.folder, source.sweep.inputs)
    return take_over(source, observation, folder)


def _run_with_retries(
    sweep: Sweep, cell: Cell, environment: Environment, request: str, folders: ExitStack
) -> tuple[RunOutcome, Path]:
    """Run the probe, again where infrastructure broke; return the last try and what it wrote."""
    say = _teller(sweep, (cell,))
    inputs = sweep.model.inputs
    for pause in (*_RETRY_SECONDS, None):
        out = folders.enter_context(new_run(sweep.workspace))
        run = Run(
            cell=cell.id,
            sweep=sweep.folder.id,
            probe=sweep.probe,
            request=request,
            model=sweep.model.path,
            inputs=inputs.parent if inputs is not None else None,
            out=out,
            flags=cell.flags,
            limits=sweep.limits,
            gpu=cell.device is Device.CUDA,
        )
        say("running")
        outcome = unless_full(out, sweep.engine.run(environment, run, say))
        broken = outcome.ending is Ending.INFRASTRUCTURE and pause is not None
        if not broken or sweep.stopping.wait(pause):
            break
        say(f"running again: {outcome.message}")
    return outcome, out


def _teller(sweep: Sweep, cells: tuple[Cell, ...]) -> Callable[[str], None]:
    def say(what: str) -> None:
        for cell in cells:
            sweep.display.cell(cell.id, what)

    return say


def _outcome(observation: Observation, more: str = "") -> str:
    """Return how a cell ended; `more` goes before the error's words, which may be cut off."""
    if observation.ending is Ending.COMPLETED:
        infer = observation.seconds.infer
        return f"completed{'' if infer is None else f', inference {infer:.2f} s'}{more}"
    if observation.ending is not Ending.EXCEPTION:
        return f"{observation.ending.value} at {observation.stage}{more}"
    failure = observation.failure
    said = f": {failure.type}: {failure.message}" if failure is not None and failure.type else ""
    return f"failed at {observation.stage}{more}{said}"
