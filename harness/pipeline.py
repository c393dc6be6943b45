"""The whole job: models through every environment of their plans, to their tables."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from harness import __version__
from harness.environments.choose import Chosen
from harness.environments.engine import Limits
from harness.environments.folders import private_folder
from harness.environments.owner import is_orphan, owner
from harness.errors import NoReferenceError
from harness.files import write_atomically
from harness.judge.reference import check_wanted
from harness.judging import judged_table
from harness.model.model import Model
from harness.observation import NoiseLevel
from harness.plan.matrix import Matrix
from harness.planning import Planned
from harness.reference_inputs import equal_inputs
from harness.report.machine import render_json
from harness.report.markdown import render_markdown
from harness.report.table import Table
from harness.store.layout import SweepFolder, writing
from harness.store.observations import forget
from harness.store.record import Host, SweepRecord
from harness.store.results import Results, keep, load_record, save_record
from harness.sweep.key import sweep_key
from harness.sweep.progress import Display
from harness.sweep.request import Material, material
from harness.sweep.sweep import run_sweep
from harness.sweep.work import ModelSweep, Sweep, Task, first_tasks

__all__ = ["Job", "Swept", "run_matrix"]

PROBE = Path(__file__).parent / "probe" / "probe.py"

_MOST_MADE = 4
"""More environments made at once compete for the disk and gain nothing."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Models, one matrix, one engine: what `harness matrix` was asked for."""

    models: tuple[Planned, ...]
    """Their names differ: each has a folder of its own in `results`."""
    matrix: Matrix
    chosen: Chosen
    reference: str
    results: Path
    jobs: int | None = None
    """Environments worked on at once; None: as many as fit."""
    noise: NoiseLevel = "quick"
    fresh: bool = False
    """Take nothing over from earlier sweeps."""

    @property
    def limits(self) -> Limits:
        """What one attempt may use."""
        return Limits.model_validate(self.matrix.limits.model_dump())


@dataclass(frozen=True, slots=True)
class Swept:
    """What a model came to."""

    model: Model
    folder: SweepFolder
    table: Table | NoReferenceError
    """The error: what was asked for as the reference gave no outputs; the observations are kept."""


@dataclass(slots=True)
class _Begun:
    """The sweep of one model, at work."""

    swept: ModelSweep
    record: SweepRecord


def run_matrix(job: Job, display: Display) -> tuple[Swept, ...]:
    """Run the models in every environment of their plans; return the tables, also written.

    Raises:
        HarnessError: see `harness.errors`; a failing cell is none.
    """
    _check_references(job)
    begun = [_begin(job, planned) for planned in job.models]
    for leftover in job.chosen.engine.remove_leftovers():
        display.note(leftover)
    with private_folder() as workspace, ThreadPoolExecutor(_workers(job)) as executor:
        sweep = Sweep(
            engine=job.chosen.engine,
            limits=job.limits,
            probe=PROBE,
            workspace=workspace,
            display=display,
            models=tuple(each.swept for each in begun),
            noise=job.noise,
            fresh=job.fresh,
            making=threading.Semaphore(_made_at_once(job)),
        )
        run_sweep(sweep, first_tasks(sweep.models), executor)
        again = [task for each in begun for task in _on_equal_inputs(each)]
        if again:
            run_sweep(sweep, again, executor)
    dropped = sorted(job.chosen.engine.dropped())
    return tuple(_finish(each, dropped) for each in begun)


def _check_references(job: Job) -> None:
    """Refuse a reference that some model cannot have, before anything has run."""
    problems = []
    for planned in job.models:
        expected = planned.model.expected is not None
        try:
            check_wanted(job.reference, planned.plan.cells, expected=expected)
        except NoReferenceError as error:
            several = len(job.models) > 1
            problems.append(f"{planned.model.name}: {error}" if several else str(error))
    if problems:
        raise NoReferenceError("\n".join(problems))


def _begin(job: Job, planned: Planned) -> _Begun:
    """Return the sweep to work on: the one that was stopped, or a new one."""
    results = Results(job.results, planned.model.name)
    given = material(planned.model)
    with results.alone():
        record = _record(job, planned, results, given)
        folder = results.begin(record)
    model = planned.model
    for source, copy in (
        (model.raw, folder.raw),
        (model.expected, folder.expected),
        (model.labels, folder.labels),
    ):
        keep(source, copy)
    if model.inputs is not None:
        keep(model.inputs, folder.inputs)
    swept = ModelSweep(
        model=model, plan=planned.plan, material=given, results=results, folder=folder
    )
    return _Begun(swept, record)


def _record(job: Job, planned: Planned, results: Results, given: Material) -> SweepRecord:
    engine, model = job.chosen.engine.name, planned.model
    key = sweep_key(
        engine=engine,
        model=model,
        files=given.digests,
        plan=planned.plan,
        limits=job.limits,
        noise=job.noise,
    )
    now = datetime.now(UTC)
    stopped = None if job.fresh else results.unfinished(key, _is_at_work)
    return SweepRecord(
        id=f"{now:%Y%m%dT%H%M%S.%f}Z-{key[:6]}" if stopped is None else stopped.id,
        key=key,
        owner=owner(),
        harness=__version__,
        started=now if stopped is None else load_record(stopped).started,
        model=model,
        matrix=job.matrix,
        plan=planned.plan,
        engine=engine,
        engine_description=job.chosen.description,
        host=Host.this(),
        reference=job.reference,
    )


def _on_equal_inputs(begun: _Begun) -> Iterator[Task]:
    """Yield what must be run on the reference's inputs, now that it is known; prepare the sweep.

    A reference without outputs is no matter here: the table will say it.
    """
    swept, cells = (
        begun.swept,
        {planned.cell.id: planned.cell for planned in begun.swept.plan.cells},
    )
    try:
        equal = equal_inputs(swept.folder, begun.record)
    except NoReferenceError:
        return
    differing = () if equal is None else equal.cells
    for cell in cells.keys() - set(differing):
        forget(swept.folder.cell(cell).equal_inputs)  # of a reference that was another before
    if equal is None:
        return
    begun.record = begun.record.model_copy(update={"equal_inputs": equal.source})
    save_record(swept.folder, begun.record)
    if swept.model.inputs is None:
        keep(equal.file, swept.folder.inputs)
    given = material(swept.model, equal.file)
    for cell in differing:
        yield Task(swept=swept, cell=cells[cell], equal_inputs=given)


def _finish(begun: _Begun, dropped: Sequence[str]) -> Swept:
    """Judge, and write the table where there is one; `dropped` are images that are gone again."""
    swept, folder = begun.swept, begun.swept.folder
    record = begun.record.model_copy(update={"dropped": tuple(dropped)})
    try:
        table = judged_table(folder, record)
    except NoReferenceError as error:
        return Swept(swept.model, folder, error)
    with writing(folder.path):
        write_atomically(folder.table_json, render_json(table))
        write_atomically(folder.table_markdown, render_markdown(table))
    save_record(folder, record.model_copy(update={"finished": datetime.now(UTC)}))
    swept.results.point_latest(folder)
    return Swept(swept.model, folder, table)


def _is_at_work(label: str) -> bool:
    """Tell whether another harness that may still live works on a sweep."""
    return label != owner() and not is_orphan(label)


def _made_at_once(job: Job) -> int:
    """Return how many environments are made at once; each waits for network and disk in turns."""
    return job.jobs or min(2 * (os.cpu_count() or 1), _MOST_MADE)


def _workers(job: Job) -> int:
    """Return how many environments are worked on at once.

    Beside those that are made, some are run, no more at once than there are cores (`CpuPool`).
    Fewer where their memory limits together exceed the machine's memory.
    """
    if job.jobs is not None:
        return job.jobs
    fitting = int(psutil.virtual_memory().total // job.limits.memory_bytes)
    return max(1, min(_made_at_once(job) + min(os.cpu_count() or 1, _MOST_MADE), fitting))
