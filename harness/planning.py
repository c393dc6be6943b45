"""A matrix and models to plans: the one matrix, resolved for each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.environments.engine import Engine
from harness.errors import MatrixError, ModelError, Problem
from harness.model.captured import captured_elsewhere, read_captured
from harness.model.feeding import unfed_inputs
from harness.model.model import Model
from harness.model.reading import read_model
from harness.plan.index import read_index
from harness.plan.matrix import Matrix
from harness.plan.plan import Plan
from harness.plan.planner import plan_cells

__all__ = ["Planned", "plan_matrix", "plan_models", "read_models"]

_Plans = Callable[..., Plan]


@dataclass(frozen=True, slots=True)
class Planned:
    """A model and the cells it is to be run in."""

    model: Model
    plan: Plan


def read_models(paths: Sequence[Path]) -> tuple[Model, ...]:
    """Return the models at `paths`, whose results have different places.

    Raises:
        ModelError: everything that is wrong with any of them.
    """
    models: list[Model] = []
    problems: list[Problem] = []
    places: dict[str, Path] = {}
    for path in paths:
        try:
            model = read_model(path)
        except ModelError as error:
            problems += error.problems
            continue
        models.append(model)
        problems += unfed_inputs(model)
        # Not every file system tells upper from lower case.
        first = places.setdefault(model.name.casefold(), path)
        if first is not path:
            problems.append(_named_alike(path, first, model.name))
    if problems:
        raise ModelError(problems)
    return tuple(models)


def _named_alike(path: Path, first: Path, name: str) -> Problem:
    if path.resolve() == first.resolve():
        return Problem(where=str(path), what="is given twice")
    return Problem(
        where=str(path),
        what=f"its results would lie in the same place, {name}, as those of {first}",
        allowed="models of different names",
        hint="give it another name with `name:` in its model.yaml",
    )


def plan_matrix(
    matrix: Matrix, engine: Engine, *, only: Sequence[str] = (), refresh: bool = False
) -> Plan:
    """Return the plan of a matrix for an engine; `refresh` asks the index again in any case."""
    return _plans(matrix, engine, only, refresh=refresh)(for_model=False)


def plan_models(
    matrix: Matrix,
    engine: Engine,
    models: Sequence[Model],
    *,
    only: Sequence[str] = (),
    refresh: bool = False,
) -> tuple[Planned, ...]:
    """Return the plan of each model: one for all, unless one tells where it was captured.

    Raises:
        MatrixError: the matrix is impossible, for all models or some.
        ModelError: what was captured cannot be read.
    """
    plans = _plans(matrix, engine, only, refresh=refresh)
    if all(model.captured is None for model in models):
        common = plans()
        return tuple(Planned(model, common) for model in models)
    planned: list[Planned] = []
    wrong: list[tuple[Model, MatrixError | ModelError]] = []
    for model in models:
        try:
            planned.append(_plan(model, plans))
        except (MatrixError, ModelError) as error:
            wrong.append((model, error))
    if wrong:
        raise type(wrong[0][1])(_problems(models, wrong))
    return tuple(planned)


def _plans(matrix: Matrix, engine: Engine, only: Sequence[str], *, refresh: bool) -> _Plans:
    return partial(
        plan_cells,
        matrix,
        read_index(os.environ, refresh=refresh),
        platform=engine.platform,
        unobtainable=engine.unobtainable,
        only=only,
    )


def _plan(model: Model, plans: _Plans) -> Planned:
    if model.captured is None:
        return Planned(model, plans())
    captured = read_captured(model.captured)
    plan = plans(captured=captured)
    note = captured_elsewhere(captured, model)
    if note is not None:
        plan = plan.model_copy(update={"notes": (*plan.notes, note)})
    return Planned(model, plan)


def _problems(
    models: Sequence[Model], wrong: Sequence[tuple[Model, MatrixError | ModelError]]
) -> list[Problem]:
    """Return each problem once, with the models it is about where that is not all of them."""
    about: dict[Problem, list[str]] = {}
    for model, error in wrong:
        for problem in error.problems:
            about.setdefault(problem, []).append(model.name)
    return [
        problem
        if len(names) == len(models)
        else replace(problem, what=f"{problem.what} ({', '.join(names)})")
        for problem, names in about.items()
    ]
