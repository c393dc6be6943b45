"""A saved sweep, judged: its reference, what must still be run for it, and the table.

Nothing here runs anything: all is a function of the files of one sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from harness.errors import ResultsError
from harness.explain.explain import explain_all
from harness.judge.agreement import Agreement, agreement, named
from harness.judge.arbiter import arbitrate
from harness.judge.borders import borders
from harness.judge.compare import compare
from harness.judge.judge import judge
from harness.judge.matching import matched
from harness.judge.noise import Noise
from harness.judge.recommend import recommend
from harness.judge.reference import elect
from harness.judge.seen import Seen, keeping
from harness.judge.varied import Floors
from harness.judge.within import verdict_of
from harness.model.model import Task
from harness.model.tasks import ALL
from harness.observation import Ending, Observation
from harness.report.build import build_table
from harness.report.table import Table
from harness.store.layout import SweepFolder
from harness.store.record import RECORDED_INPUTS, SweepRecord
from harness.store.saved import Saved, read_first, read_tensors
from harness.tensor import Tensor
from harness.text import one_line
from harness.verdict import Reference, Verdict

__all__ = ["EqualInputs", "equal_inputs", "judged_table"]

_T = TypeVar("_T")

_NAMED = 5
"""Most outputs that a note lists."""
_KEPT_BYTES = 1 << 28
"""Of all cells' outputs together what is kept in memory from the first look to the last."""

_NO_REFERENCE_INPUTS = (
    "preprocess.py: whether a divergence begins in it cannot be told, since expected.npz comes"
    " without inputs.npz, what preprocess.py returned where the model was made"
)


@dataclass(frozen=True, slots=True)
class EqualInputs:
    """What `preprocess.py` made for the reference, and the cells where it made something else."""

    source: str
    """The reference's cell, or `inputs.npz` where they were recorded."""
    file: Path
    cells: tuple[str, ...]


def equal_inputs(folder: SweepFolder, record: SweepRecord) -> EqualInputs | None:
    """Return which cells must be run once more on the reference's inputs, to tell the model apart.

    None where the model has no preprocessing, or nothing to measure it against.

    Raises:
        NoReferenceError: the reference that was asked for does not exist or has no outputs.
        ResultsError: the saved copy of `inputs.npz` cannot be read.
    """
    if not record.model.preprocesses:
        return None
    saved, seen = _load(folder, record)
    agreed = partial(_agreement, folder, record, seen, Floors(seen, record.model.tolerances))
    source = _source(_elect(folder, record, seen, None, agreed), record, saved)
    if source is None:
        return None
    reference = _inputs(folder, saved, source)
    differing = tuple(
        cell
        for cell, observation in saved.observations.items()
        if cell != source and _differs(saved, observation, reference)
    )
    return EqualInputs(source, _file(folder, source), differing)


def judged_table(folder: SweepFolder, record: SweepRecord, reference: str | None = None) -> Table:
    """Judge the saved observations of a sweep; runs nothing, needs nothing but its folder.

    Raises:
        NoReferenceError: the reference that was asked for does not exist or has no outputs.
        ResultsError: the saved copy of `expected.npz` or another file of the user's cannot be read.
    """
    plan, model = record.plan, record.model
    saved, seen = _load(folder, record)
    kept = replace(seen, outputs=keeping(seen.outputs, _KEPT_BYTES))  # for the judge, too
    floors = Floors(kept, model.tolerances)
    agreed = cache(partial(_agreement, folder, record, kept, floors))
    elected = _elect(folder, record, seen, reference, agreed)
    classes = named(agreed(), elected)
    source = _source(elected, record, saved)
    inputs = None if source is None else _inputs(folder, saved, source)
    if inputs is None or not _were_fed(folder, record, saved, inputs):
        seen = replace(seen, equal_inputs={})
    outputs = _outputs(folder, saved, elected)
    judgements = judge(
        plan.cells,
        seen,
        elected,
        outputs,
        reference_inputs=inputs,
        tolerances=model.tolerances,
        labels=_read(read_first, folder.labels),
        tasks=model.tasks,
        floors=floors,
    )
    return build_table(
        model=model.model_copy(
            update={
                "notes": (
                    *model.notes,
                    *_notes(folder, record, saved, elected, inputs),
                    *_tasks_of_none(model.tasks, outputs),
                )
            }
        ),
        engine=record.engine,
        engine_description=record.engine_description,
        sweep=record.id,
        plan=plan,
        seen=seen,
        judgements=explain_all(judgements, seen, saved.log),
        reference=elected,
        recommendation=recommend(plan.cells, judgements, elected),
        classes=classes,
        borders=borders(plan.cells, classes, {each.cell: each.verdict for each in judgements}),
        dropped=frozenset(record.dropped),
        arbiter=arbitrate(
            plan.cells,
            seen,
            elected,
            saved.float64,
            expected=lambda: _read(read_tensors, folder.expected),
        ),
    )


def _load(folder: SweepFolder, record: SweepRecord) -> tuple[Saved, Seen]:
    saved = Saved(folder, record.model, record.plan.cells)
    seen = Seen(
        observations=saved.observations,
        others=saved.others,
        equal_inputs=saved.equal_inputs,
        outputs=saved.outputs,
        repeat=saved.repeat,
        variation=saved.variation,
        preprocessed=saved.preprocessed,
        unusable=saved.unusable,
    )
    return saved, seen


def _agreement(folder: SweepFolder, record: SweepRecord, seen: Seen, floors: Floors) -> Agreement:
    return agreement(
        record.plan.cells,
        seen,
        expected=_read(read_tensors, folder.expected),
        tolerances=record.model.tolerances,
        floors=_floors(seen, floors),
    )


def _floors(seen: Seen, floors: Floors) -> dict[str, Mapping[str, Noise]]:
    """Return the worst noise of every cell, by cell and output."""
    found: dict[str, Mapping[str, Noise]] = {}
    for cell, observation in seen.observations.items():
        if observation.ending is Ending.COMPLETED:
            try:
                found[cell] = floors.of(observation, seen.outputs(observation)).worst
            except ValueError:
                continue  # it has no class either
    return found


def _elect(
    folder: SweepFolder,
    record: SweepRecord,
    seen: Seen,
    wanted: str | None,
    agreed: Callable[[], Agreement],
) -> Reference:
    return elect(
        wanted or record.reference,
        record.plan.cells,
        seen,
        writer=record.model.writer,
        expected=folder.expected.exists(),
        agreement=agreed,
    )


def _outputs(
    folder: SweepFolder, saved: Saved, reference: Reference
) -> Mapping[str, Tensor] | None:
    if reference.cell is not None:
        return saved.outputs(saved.observations[reference.cell])
    return _read(read_tensors, folder.expected)


def _source(reference: Reference, record: SweepRecord, saved: Saved) -> str | None:
    """Return where the inputs are that gave the reference's outputs; None where nobody knows.

    A cell's own, even where inputs were recorded: the outputs it is the reference with are of
    these. `inputs.npz` goes with `expected.npz`.
    """
    if not record.model.preprocesses:
        return None
    if reference.cell is None:
        return RECORDED_INPUTS if record.model.inputs is not None else None
    observation = saved.observations.get(reference.cell)
    has_any = observation is not None and observation.preprocessed is not None
    return reference.cell if has_any else None


def _file(folder: SweepFolder, source: str) -> Path:
    return folder.inputs if source == RECORDED_INPUTS else folder.cell(source).preprocessed


def _inputs(folder: SweepFolder, saved: Saved, source: str) -> Mapping[str, Tensor] | None:
    """Return the inputs of a source; None where they cannot be read any more."""
    if source == RECORDED_INPUTS:
        return _read(read_tensors, folder.inputs)
    try:
        return saved.preprocessed(saved.observations[source])
    except (KeyError, ValueError):
        return None


def _were_fed(
    folder: SweepFolder, record: SweepRecord, saved: Saved, inputs: Mapping[str, Tensor]
) -> bool:
    """Tell whether the cells were run once more on these inputs: the reference may be another."""
    if record.equal_inputs is None:
        return False
    fed = _inputs(folder, saved, record.equal_inputs)
    return fed is not None and _identical(fed, inputs)


def _differs(
    saved: Saved, observation: Observation, reference: Mapping[str, Tensor] | None
) -> bool:
    if observation.ending is not Ending.COMPLETED or observation.preprocessed is None:
        return False
    try:
        own = saved.preprocessed(observation)
    except ValueError:
        return False
    return reference is not None and not _identical(own, reference)


def _identical(actual: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> bool:
    if actual is reference:
        return True
    named = matched(actual, reference)
    if named is None:
        return False
    return verdict_of(compare(named, reference, {}, decide=False)) is Verdict.IDENTICAL


def _tasks_of_none(
    tasks: Mapping[str, Task], outputs: Mapping[str, Tensor] | None
) -> Iterator[str]:
    """Say which tasks are of outputs that the reference does not have."""
    if outputs is None:
        return
    known = ", ".join(one_line(name, 80) for name in list(outputs)[:_NAMED])
    for name in tasks:
        if name != ALL and name not in outputs:
            yield (
                f"model.yaml: outputs.{one_line(name, 80)}: what it is for is not used, as the"
                f" reference has no such output (but {known or 'none'})"
            )


def _notes(
    folder: SweepFolder,
    record: SweepRecord,
    saved: Saved,
    reference: Reference,
    inputs: Mapping[str, Tensor] | None,
) -> tuple[str, ...]:
    """Say what a reader should know of the preprocessing beside the verdicts."""
    model = record.model
    if not model.preprocesses:
        return ()
    if reference.cell is None:
        told = inputs is not None or not folder.expected.exists()
        return () if told else (_NO_REFERENCE_INPUTS,)
    if model.inputs is None or inputs is None:
        return ()
    recorded = _inputs(folder, saved, RECORDED_INPUTS)
    if recorded is None or _identical(inputs, recorded):
        return ()
    return (
        f"preprocess.py gives other inputs in the reference, {reference.cell}, than inputs.npz"
        " has: cells are measured against the former, since no expected.npz goes with the latter",
    )


def _read(read: Callable[[Path], _T], path: Path) -> _T | None:
    """Return what a copy of a user's file holds; None where the model has none."""
    if not path.exists():
        return None
    try:
        return read(path)
    except ValueError as error:
        raise ResultsError(f"{path}: {error}") from error
