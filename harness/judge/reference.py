"""What outputs are compared with: `expected.npz`, a named cell, or an elected one, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from packaging.version import Version

from harness.cell import Cell, Device, Resolution
from harness.errors import NoReferenceError, nearest
from harness.judge.agreement import Agreement
from harness.judge.members import EXPECTED
from harness.judge.seen import Arrays, Seen
from harness.judge.truth import mislabels
from harness.model.model import Writer
from harness.observation import Ending, Observation
from harness.plan.fields import CAPTURED
from harness.plan.plan import PlannedCell
from harness.text import one_line
from harness.verdict import Reference
from harness.versions import same, same_minor

__all__ = ["check_wanted", "elect"]

_EXPECTED = "expected.npz beside the model"
_NOTHING = "no cell completed, so there is nothing to compare with"


def elect(
    wanted: str,
    cells: Sequence[PlannedCell],
    seen: Seen,
    *,
    writer: Writer,
    expected: bool,
    agreement: Callable[[], Agreement],
) -> Reference:
    """Return the reference that `wanted` (`auto`, `expected` or a cell id) means.

    `expected` tells whether the model has an `expected.npz`. `auto` is that file; else the cell
    that rebuilds the environment the model was captured in; else the cell whose observed
    TensorFlow, else Keras, is what wrote the model; else the centre of the largest class of cells
    that agree, for which alone `agreement` is asked. Cells that are mislabelled or whose outputs
    cannot be read are not elected. Where none is left, the reference has no cell and says so: that
    is no error.

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
    return _elected(cells, seen, writer, agreement)


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
    agreement: Callable[[], Agreement],
) -> Reference:
    completed = [
        (planned.cell, observation)
        for planned in cells
        if planned.unavailable is None
        and (observation := seen.observations.get(planned.cell.id)) is not None
        and observation.ending is Ending.COMPLETED
        and not mislabels(planned.cell, observation)
    ]
    for cell, observation, why in (*_captured(completed), *_kin(completed, writer)):
        if _unreadable(observation, seen.outputs) is None:
            return Reference(cell=cell.id, why=why)
    if not completed:
        return Reference(cell=None, why=_NOTHING)
    return _central(agreement(), {cell.id: cell for cell, _ in completed}, writer)


_Candidates = Iterator[tuple[Cell, Observation, str]]
"""Cells with what speaks for them, the best first."""


def _captured(completed: Sequence[tuple[Cell, Observation]]) -> _Candidates:
    """Give the cells that rebuild where the model was captured; with other flags they do not."""
    flags = (CAPTURED, "default")
    rebuilt = [pair for pair in completed if pair[0].pins.name == CAPTURED]
    for name in flags:
        as_it_was = [pair for pair in rebuilt if pair[0].flags.name == name]
        ranked = sorted(as_it_was, key=lambda pair: _standing(pair[0]), reverse=True)
        for cell, observation in ranked:
            yield cell, observation, "it rebuilds the environment the model was captured in"


def _kin(completed: Sequence[tuple[Cell, Observation]], writer: Writer) -> _Candidates:
    """Give the cells that have what wrote the model."""
    ranked = sorted(
        completed, key=lambda pair: (_kinship(pair[1], writer), _standing(pair[0])), reverse=True
    )
    for cell, observation in ranked:
        kinship = _kinship(observation, writer)
        if kinship:
            yield cell, observation, _why(kinship, writer)


def _central(found: Agreement, cells: Mapping[str, Cell], writer: Writer) -> Reference:
    """Return the centre of the largest class: the cell nearest to the one farthest from it.

    Nearness is a share of what is allowed. Of several centres, and of several largest classes by
    their centres, the cell with the better standing goes first.
    """
    classes = [[name for name in found.members(one) if name != EXPECTED] for one in found.classes]
    most = max(map(len, classes), default=0)
    if not most:
        return Reference(cell=None, why=_NOTHING)
    groups = {name: index for index, group in enumerate(found.groups) for name in group}
    largest = [one for one, names in zip(found.classes, classes, strict=True) if len(names) == most]
    centres = [
        max(
            (name for name in found.members(one) if name != EXPECTED),
            key=lambda name: (-found.farthest(groups[name], one), _standing(cells[name])),
        )
        for one in largest
    ]
    best = max(centres, key=lambda name: _standing(cells[name]))
    why = _why_central(most, len(largest), sum(map(len, classes)))
    return Reference(cell=best, why=f"{why}; {_unhelpful(writer)}")


def _why_central(most: int, largest: int, ran: int) -> str:
    if ran == 1:
        return "the only cell that ran the model"
    if most == ran:
        return f"the centre of the {ran} cells that ran, which all agree with each other"
    if most == 1:
        return f"of {ran} cells that ran no two agree; default settings and new releases go first"
    which = "the largest class" if largest == 1 else f"one of the {largest} largest classes"
    return f"the centre of {which} of agreeing cells ({most} of {ran})"


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
    known = _known(writer)
    match kinship:
        case 4:
            return f"the model's files say {known[0]} wrote it"
        case 3:
            return f"the model's files say {known[0]} wrote it; this is the same minor release"
        case 2:
            return f"the model's files say {known[-1]} wrote it"
    return f"the model's files say {known[-1]} wrote it; this has the same minor release"


def _unhelpful(writer: Writer) -> str:
    """Say why what wrote the model is not the reference."""
    wrote = " and ".join(_known(writer))
    if wrote:
        return f"its files say {wrote} wrote it, which no cell here that completed has"
    return "the files do not say what wrote them"


def _known(writer: Writer) -> list[str]:
    return [
        f"{name} {one_line(text, 40)}"
        for name, text in (("TensorFlow", writer.tensorflow), ("Keras", writer.keras))
        if text is not None
    ]
