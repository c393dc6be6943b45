"""A saved sweep, judged: the table.

Nothing here runs anything: all is a function of the files of one sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.explain.explain import explain_all
from harness.judge.agreement import named
from harness.judge.arbiter import arbitrate
from harness.judge.borders import borders
from harness.judge.judge import judge
from harness.judge.recommend import recommend
from harness.model.model import Task
from harness.model.tasks import ALL
from harness.opened import Opened, read_copy
from harness.reference_inputs import inputs_of, notes_on_inputs, source_of, were_fed
from harness.report.build import build_table
from harness.report.table import Table
from harness.store.layout import SweepFolder
from harness.store.record import SweepRecord
from harness.store.saved import read_first
from harness.tensor import Tensor
from harness.text import one_line

__all__ = ["judged_table"]

_NAMED = 5
"""Most outputs that a note lists."""


def judged_table(folder: SweepFolder, record: SweepRecord, reference: str | None = None) -> Table:
    """Judge the saved observations of a sweep; runs nothing, needs nothing but its folder.

    Raises:
        NoReferenceError: the reference that was asked for does not exist or has no outputs.
        ResultsError: the saved copy of `expected.npz` or another file of the user's cannot be read.
    """
    plan, model = record.plan, record.model
    opened = Opened(folder, record)
    elected = opened.elect(reference)
    classes = named(opened.agreement, elected)
    source = source_of(opened, elected)
    inputs = None if source is None else inputs_of(opened, source)
    seen = opened.seen
    if inputs is None or not were_fed(opened, inputs):
        seen = replace(seen, equal_inputs={})
    outputs = opened.outputs(elected)
    judgements = judge(
        plan.cells,
        seen,
        elected,
        outputs,
        reference_inputs=inputs,
        tolerances=model.tolerances,
        labels=read_copy(read_first, folder.labels),
        tasks=model.tasks,
        floors=opened.floors,
    )
    notes = (*notes_on_inputs(opened, elected, inputs), *_tasks_of_none(model.tasks, outputs))
    return build_table(
        model=model.model_copy(update={"notes": (*model.notes, *notes)}),
        engine=record.engine,
        engine_description=record.engine_description,
        sweep=record.id,
        plan=plan,
        seen=seen,
        judgements=explain_all(judgements, seen, opened.saved.log),
        reference=elected,
        recommendation=recommend(plan.cells, judgements, elected),
        classes=classes,
        borders=borders(plan.cells, classes, {each.cell: each.verdict for each in judgements}),
        dropped=frozenset(record.dropped),
        arbiter=arbitrate(
            plan.cells, seen, elected, opened.saved.float64, expected=opened.expected
        ),
    )


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
