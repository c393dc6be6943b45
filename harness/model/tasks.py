"""What `model.yaml` says the outputs are for."""

from __future__ import annotations

from harness.errors import Problem
from harness.model.model import Task, TaskKind
from harness.model.settings import Settings

__all__ = ["ALL", "task_problems", "told_tasks"]

ALL = "*"
"""Stands for every output that is not named."""


def told_tasks(settings: Settings) -> dict[str, Task]:
    """Return what each output is for, as far as it is told; what an output lacks `*` gives.

    A threshold of one output, without any task, says that its values are on one side or the other.
    """
    tasks = {}
    if settings.task is not None or settings.threshold is not None:
        tasks[ALL] = Task(kind=settings.task or TaskKind.AUTO, threshold=settings.threshold)
    for name, told in settings.outputs.items():
        if told.task is None and told.threshold is None:
            continue
        divided = TaskKind.AUTO if told.threshold is None else TaskKind.MULTILABEL
        kind = told.task or settings.task or divided
        threshold = settings.threshold if told.threshold is None else told.threshold
        if told.threshold is None and not kind.divides:
            threshold = None
        tasks[name] = Task(kind=kind, threshold=threshold)
    return tasks


def task_problems(settings: Settings) -> list[Problem]:
    """Return a problem for each threshold of an output whose task has none."""
    tasks = told_tasks(settings)
    given: list[tuple[tuple[str, ...], str, float | None]] = [((), ALL, settings.threshold)]
    given += [(("outputs", name), name, told.threshold) for name, told in settings.outputs.items()]
    return [
        Problem(
            where=settings.where(*path, "threshold"),
            what=f"the task {tasks[name].kind} has no threshold",
            allowed=f"with the tasks {', '.join(kind for kind in TaskKind if kind.divides)}",
        )
        for path, name, threshold in given
        if threshold is not None and not tasks[name].kind.divides
    ]
