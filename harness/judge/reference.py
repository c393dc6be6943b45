"""What outputs are compared with: `expected.npz`, a named cell, or an elected one, and why."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.version import Version

from harness.cell import Cell, Device, Resolution
from harness.errors import NoReferenceError, nearest
from harness.judge.seen import Arrays, Seen
from harness.judge.truth import mislabels
from harness.model.model import Writer
from harness.observation import Ending, Observation
from harness.plan.plan import PlannedCell
from harness.text import one_line
from harness.verdict import Reference
from harness.versions import same, same_minor

__all__ = ["check_wanted", "elect"]

_EXPECTED = "expected.npz beside the model"


def elect(
    wanted: str,
    cells: Sequence[PlannedCell],
    seen: Seen,
    *,
    writer: Writer,
    expected: bool,
) -> Reference:
    """Return the reference that `wanted` (`auto`, `expected` or a cell id) means.

    `expected` tells whether the model has an `expected.npz`. `auto` is that file; else the cell
    whose observed TensorFlow, else Keras, is what wrote the model; else the newest release that
    completed. Cells that are mislabelled or whose outputs cannot be read are not elected. Where
    none is left, the reference has no cell and says so: that is no error.

    Raises:
        NoReferenceError: what `wanted` names does not exist or has no outputs.
    """
    check_wanted(wanted, cells, expected=expected)
    if wanted == "expected":
        return Reference(cell=None, why=_EXPECTED)
    if wanted != "auto":
        return _named(wanted, cells, seen)
    if expected:
        return Reference(cell=None, why=_EXPECTED)
    return _elected(cells, seen, writer)


def check_wanted(wanted: str, cells: Sequence[PlannedCell], *, expected: bool) -> None:
    """Refuse a reference that cannot be, which is known before anything has run.

    Raises:
        NoReferenceError: `wanted` is `expected` and there is no such file, or names no cell.
    """
    if wanted == "expected" and not expected:
        raise NoReferenceError(
            "reference: 'expected' was asked for, but the model has no expected.npz\n"
            "  allowed: auto, expected (with that file), or the id of a cell"
        )
    ids = [planned.cell.id for planned in cells]
    if wanted not in ("auto", "expected", *ids):
        hint = nearest(wanted, ids)
        raise NoReferenceError(
            f"reference: there is no cell {wanted!r} in this matrix\n"
            "  allowed: auto, expected, or the id of a cell" + (f"\n  hint: {hint}" if hint else "")
        )


def _named(
    wanted: str,
    cells: Sequence[PlannedCell],
    seen: Seen,
) -> Reference:
    planned = {planned.cell.id: planned for planned in cells}
    problem = seen.unusable.get(wanted) or _no_outputs(
        planned[wanted], seen.observations.get(wanted), seen.outputs
    )
    if problem is not None:
        raise NoReferenceError(
            f"reference: cell {wanted!r} has no outputs: {problem}\n"
            "  allowed: a cell that completes, auto, or expected"
        )
    return Reference(cell=wanted, why="named as the reference")


def _no_outputs(
    planned: PlannedCell, observation: Observation | None, outputs: Arrays
) -> str | None:
    if planned.unavailable is not None:
        return planned.unavailable.message
    if observation is None:
        return "it was not run"
    if observation.ending is not Ending.COMPLETED:
        at = "" if observation.stage is None else f" at {observation.stage.value}"
        failure = observation.failure
        what = "" if failure is None else one_line(f": {failure.type} {failure.message}")
        return f"it ended with {observation.ending.value}{at}{what}"
    return _unreadable(observation, outputs)


def _unreadable(observation: Observation, outputs: Arrays) -> str | None:
    try:
        outputs(observation)
    except ValueError as error:
        return one_line(str(error))
    return None


def _elected(
    cells: Sequence[PlannedCell],
    seen: Seen,
    writer: Writer,
) -> Reference:
    completed = [
        (planned.cell, observation)
        for planned in cells
        if planned.unavailable is None
        and (observation := seen.observations.get(planned.cell.id)) is not None
        and observation.ending is Ending.COMPLETED
        and not mislabels(planned.cell, observation)
    ]
    ranked = sorted(
        completed, key=lambda pair: (_kinship(pair[1], writer), _standing(pair[0])), reverse=True
    )
    for cell, observation in ranked:
        if _unreadable(observation, seen.outputs) is None:
            return Reference(cell=cell.id, why=_why(_kinship(observation, writer), writer))
    return Reference(cell=None, why="no cell completed, so there is nothing to compare with")


def _kinship(observation: Observation, writer: Writer) -> int:
    """Return how close what ran is to what wrote the model; larger is closer, 0 unrelated."""
    actual = observation.actual
    if same(writer.tensorflow, actual.tensorflow):
        return 4
    if same_minor(writer.tensorflow, actual.tensorflow):
        return 3
    if same(writer.keras, actual.keras):
        return 2
    return 1 if same_minor(writer.keras, actual.keras) else 0


def _standing(cell: Cell) -> tuple[bool, bool, Version, bool, bool, Version]:
    """Return what makes one cell the better witness of two that are equally close."""
    return (
        cell.pins.name == "default",
        cell.flags.name == "default",
        Version(cell.tensorflow),
        cell.resolution is Resolution.AS_RELEASED,
        cell.device is Device.CPU,
        Version(cell.python),
    )


def _why(kinship: int, writer: Writer) -> str:
    known = [
        f"{name} {one_line(text, 40)}"
        for name, text in (("TensorFlow", writer.tensorflow), ("Keras", writer.keras))
        if text is not None
    ]
    wrote = " and ".join(known)
    match kinship:
        case 4:
            return f"the model's files say {known[0]} wrote it"
        case 3:
            return f"the model's files say {known[0]} wrote it; this is the same minor release"
        case 2:
            return f"the model's files say {known[-1]} wrote it"
        case 1:
            return f"the model's files say {known[-1]} wrote it; this has the same minor release"
    newest = "the newest release that runs the model"
    if known:
        return f"{newest}: its files say {wrote} wrote it, which no cell here that completed has"
    return f"{newest}: the files do not say what wrote them"
