"""The rooms wired together: one function for each command."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from harness import __version__
from harness.environments.choose import Chosen
from harness.environments.engine import Engine, Limits
from harness.environments.folders import private_folder
from harness.environments.owner import is_orphan, owner
from harness.errors import ResultsError, UsageError, nearest
from harness.explain.explain import explain_all
from harness.files import write_atomically
from harness.judge.judge import judge
from harness.judge.recommend import recommend
from harness.judge.reference import check_wanted, elect
from harness.model.model import Model
from harness.npz import NpzError, read_npz
from harness.plan.index import read_index
from harness.plan.matrix import Matrix
from harness.plan.plan import Plan
from harness.plan.planner import plan_cells
from harness.report.machine import render_json
from harness.report.markdown import render_markdown
from harness.report.table import Table, build_table
from harness.store.layout import SweepFolder, writing
from harness.store.record import Host, SweepRecord
from harness.store.results import (
    Results,
    keep,
    load_log,
    load_observations,
    load_outputs,
    load_record,
    save_record,
)
from harness.sweep.group import Sweep
from harness.sweep.key import sweep_key
from harness.sweep.progress import Display
from harness.sweep.sweep import run_sweep
from harness.tensor import Tensor, from_arrays

__all__ = ["Job", "find_sweep", "judged_table", "plan_matrix", "run_matrix"]

PROBE = Path(__file__).parent / "probe" / "probe.py"

_ARRAY_BYTES = 64 * 1024**3
"""Most bytes of arrays that are judged: beyond it a file is taken for a bomb."""

_MOST_JOBS = 4
"""More environments at once compete for the disk and gain nothing."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model, one matrix, one engine: what `harness matrix` was asked for."""

    model: Model
    matrix: Matrix
    plan: Plan
    chosen: Chosen
    reference: str
    results: Results
    jobs: int | None = None
    """Environments worked on at once; None: as many as fit."""
    fresh: bool = False
    """Take nothing over from earlier sweeps."""

    @property
    def limits(self) -> Limits:
        """What one run may use."""
        return Limits.model_validate(self.matrix.limits.model_dump())


def plan_matrix(
    matrix: Matrix, engine: Engine, *, only: Sequence[str] = (), refresh: bool = False
) -> Plan:
    """Return the plan of a matrix for an engine; `refresh` asks the index again in any case."""
    return plan_cells(
        matrix,
        read_index(os.environ, refresh=refresh),
        platform=engine.platform,
        unobtainable=engine.unobtainable,
        only=only,
    )


def run_matrix(job: Job, display: Display) -> Table:
    """Run a model in every environment of a plan; return the table, which is also written.

    Raises:
        HarnessError: see `harness.errors`; a failing cell is none.
    """
    check_wanted(job.reference, job.plan.cells, expected=job.model.expected is not None)
    with job.results.alone():
        record, folder = _begin(job)
    for leftover in job.chosen.engine.remove_leftovers():
        display.note(leftover)
    with private_folder() as workspace, ThreadPoolExecutor(_workers(job)) as executor:
        sweep = Sweep(
            engine=job.chosen.engine,
            model=job.model,
            plan=job.plan,
            limits=job.limits,
            probe=PROBE,
            results=job.results,
            folder=folder,
            workspace=workspace,
            display=display,
            fresh=job.fresh,
        )
        run_sweep(sweep, executor)
    table = judged_table(folder, record)
    with writing(folder.path):
        write_atomically(folder.table_json, render_json(table))
        write_atomically(folder.table_markdown, render_markdown(table))
    save_record(folder, record.model_copy(update={"finished": datetime.now(UTC)}))
    job.results.point_latest(folder)
    return table


def judged_table(folder: SweepFolder, record: SweepRecord, reference: str | None = None) -> Table:
    """Judge the saved observations of a sweep; runs nothing, needs nothing but its folder.

    Raises:
        NoReferenceError: the reference that was asked for does not exist or has no outputs.
        ResultsError: the saved copy of `expected.npz` or `labels.npz` cannot be read.
    """
    plan, model = record.plan, record.model
    observations = load_observations(folder, (planned.cell.id for planned in plan.cells))

    def outputs(cell_id: str) -> Mapping[str, Tensor]:
        return load_outputs(folder, observations[cell_id], _ARRAY_BYTES)

    expected = _expected(folder)
    elected = elect(
        reference or record.reference,
        plan.cells,
        observations,
        outputs,
        writer=model.writer,
        expected=expected is not None,
    )
    judgements = judge(
        plan.cells,
        observations,
        outputs,
        elected,
        outputs(elected.cell) if elected.cell is not None else expected,
        tolerances=model.tolerances,
        labels=_labels(folder),
    )
    return build_table(
        model=model,
        engine=record.engine,
        engine_description=record.engine_description,
        sweep=record.id,
        plan=plan,
        observations=observations,
        judgements=explain_all(
            judgements, observations, lambda cell_id: load_log(folder.cell(cell_id))
        ),
        reference=elected,
        recommendation=recommend(plan.cells, judgements, elected),
    )


def find_sweep(results: Path, wanted: str | None) -> SweepFolder:
    """Return the sweep that `wanted` names: a folder, `<model>` or `<model>/<sweep id>`.

    None is the newest of all.

    Raises:
        ResultsError: there is none.
    """
    if wanted is None:
        folders = {path.parent.resolve() for path in results.glob("*/*/sweep.json")}
        if not folders:
            raise ResultsError(
                f"{results}: no sweep here\n"
                "  Run `harness matrix MODEL_DIR` first, or name another place with --results DIR."
            )
        return SweepFolder(max(folders, key=lambda path: path.name))
    for path in (Path(wanted), results / wanted, results / wanted / "latest"):
        if (path / "sweep.json").is_file():
            return SweepFolder(path.resolve())
    there = sorted({path.parts[-3] for path in results.glob("*/*/sweep.json")})
    hint = nearest(wanted, there)
    raise ResultsError(
        f"{wanted}: no sweep of that name in {results}\n"
        "  allowed: a sweep's folder, <model>, or <model>/<sweep id>\n"
        f"  models with sweeps: {', '.join(there) or 'none'}"
        + (f"\n  hint: {hint}" if hint else "")
    )


def _begin(job: Job) -> tuple[SweepRecord, SweepFolder]:
    """Return the sweep to work on: the one that was stopped, or a new one."""
    model, engine = job.model, job.chosen.engine.name
    key = sweep_key(engine=engine, model=model, plan=job.plan, limits=job.limits)
    now = datetime.now(UTC)
    stopped = None if job.fresh else job.results.unfinished(key, _is_at_work)
    record = SweepRecord(
        id=f"{now:%Y%m%dT%H%M%S.%f}Z-{key[:6]}" if stopped is None else stopped.id,
        key=key,
        owner=owner(),
        harness=__version__,
        started=now if stopped is None else load_record(stopped).started,
        model=model,
        matrix=job.matrix,
        plan=job.plan,
        engine=engine,
        engine_description=job.chosen.description,
        host=Host.this(),
        reference=job.reference,
    )
    folder = job.results.begin(record)
    for source, copy in (
        (model.inputs, folder.inputs),
        (model.expected, folder.expected),
        (model.labels, folder.labels),
    ):
        if source is not None:
            keep(source, copy)
    return record, folder


def _is_at_work(label: str) -> bool:
    """Tell whether another harness that may still live works on a sweep."""
    return label != owner() and not is_orphan(label)


def _workers(job: Job) -> int:
    """Return how many environments are worked on at once.

    One for each core keeps the cores busy, since making an environment waits for the network and
    the disk in turns; fewer where their memory limits together exceed the machine's memory.
    """
    if job.jobs is not None:
        if job.jobs < 1:
            raise UsageError(f"--jobs {job.jobs}: allowed is 1 or more")
        return job.jobs
    fitting = int(psutil.virtual_memory().total // job.limits.memory_bytes)
    return max(1, min(os.cpu_count() or 1, fitting, _MOST_JOBS))


def _expected(folder: SweepFolder) -> Mapping[str, Tensor] | None:
    if not folder.expected.exists():
        return None
    try:
        return from_arrays(read_npz(folder.expected, max_bytes=_ARRAY_BYTES, what="expected.npz"))
    except (NpzError, ValueError) as error:
        raise ResultsError(f"{folder.expected}: {error}") from error


def _labels(folder: SweepFolder) -> NDArray[np.generic] | None:
    if not folder.labels.exists():
        return None
    try:
        arrays = read_npz(folder.labels, max_bytes=_ARRAY_BYTES, what="labels.npz")
    except NpzError as error:
        raise ResultsError(f"{folder.labels}: {error}") from error
    return next(iter(arrays.values()), None)
