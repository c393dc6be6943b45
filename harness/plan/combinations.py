"""What a matrix writes down: combinations of its axes, of `include` and of what was captured."""

from __future__ import annotations

from harness.cell import Device, Platform
from harness.errors import MatrixError, Problem
from harness.plan.captured import Captured, not_captured
from harness.plan.drafts import Draft, axis_drafts, impossible, included_drafts
from harness.plan.index import Index
from harness.plan.matrix import Matrix
from harness.plan.sections import Inclusion
from harness.plan.wanted import Wanted, overlaps, wanted

__all__ = ["combinations"]


def combinations(
    matrix: Matrix, index: Index, platform: Platform, captured: Captured | None, *, for_model: bool
) -> tuple[list[Draft], list[Draft], list[str]]:
    """Return the combinations of the axes, those of `include`, and notes.

    Raises:
        MatrixError: releases that do not exist or are there twice, impossible inclusions.
    """
    axis = [
        wanted(index, text, matrix.where("tensorflow", i), matrix.device, platform)
        for i, text in enumerate(matrix.tensorflow)
    ]
    added = _included(matrix, index, platform, captured)
    included = list(included_drafts(matrix, added, captured))
    means = [*axis, *(entry for _, entry in added)]
    problems = [entry.problem for entry in means if entry.problem]
    problems += (*overlaps(axis), *impossible(index, included))
    unknown, notes = _captures(matrix, captured, for_model=for_model)
    problems += unknown
    if problems:
        raise MatrixError(problems)
    return (
        list(axis_drafts(matrix, axis)),
        included,
        [*(note for entry in means for note in entry.notes), *notes],
    )


def _included(
    matrix: Matrix, index: Index, platform: Platform, captured: Captured | None
) -> list[tuple[Inclusion, Wanted]]:
    """Return the inclusions that can be planned, with the releases that each means."""
    added = []
    for i, each in enumerate(matrix.include):
        version, where = each.tensorflow, matrix.where("include", i)
        if each.captured and captured is not None:
            version, where = captured.tensorflow, f"{where} ({captured.path})"
        if version is not None:
            devices = (each.device or Device.CPU,)
            added.append((each, wanted(index, version, where, devices, platform)))
    return added


def _captures(
    matrix: Matrix, captured: Captured | None, *, for_model: bool
) -> tuple[list[Problem], list[str]]:
    """Return what is wrong with inclusions of what was captured, and what to say of them."""
    problems: list[Problem] = []
    notes = []
    for i, each in enumerate(matrix.include):
        where = matrix.where("include", i)
        if not each.captured:
            continue
        if captured is not None:
            problems += captured.problems(where)
        elif for_model:
            problems.append(not_captured(where))
        else:
            notes.append(f"{where} stands for where a model was made: it is planned with a model")
    return problems, notes
