"""`--only`: expressions that pick cells of a plan."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from harness.cell import Cell, Device, Resolution
from harness.errors import NothingSelectedError, UsageError, nearest

__all__ = ["Selection", "nothing_left", "selection"]

Selection = Callable[[Cell], bool]

_VERSIONS: Final = ("tensorflow", "python")
_AXES: Final = (*_VERSIONS, "device", "resolution", "pins", "flags")
_CLOSED: Final[Mapping[str, type[StrEnum]]] = {"device": Device, "resolution": Resolution}
_ALLOWED: Final = (
    "tensorflow>=2.15, tensorflow==2.15.*, python==3.11, device=cpu, resolution=today, pins=NAME,"
    " flags=NAME, or a glob on cell ids such as 'tf2.15*'"
)


def selection(expressions: Iterable[str]) -> Selection:
    """Return what tells whether a cell is picked by every one of `expressions`.

    Raises:
        UsageError: an expression is none.
    """
    parts = [_parsed(expression.strip()) for expression in expressions]
    return lambda cell: all(part(cell) for part in parts)


def nothing_left(expressions: Sequence[str], cells: Sequence[Cell]) -> NothingSelectedError:
    """Return the error for expressions that leave none of `cells`, with the nearest ids."""
    ids = [cell.id for cell in cells]
    near = [i for e in expressions for i in difflib.get_close_matches(e, ids, n=3, cutoff=0)]
    named = " ".join(f"--only {expression!r}" for expression in expressions)
    count = "the only cell" if len(ids) == 1 else f"any of the {len(ids)} cells"
    return NothingSelectedError(
        f"{named}: does not match {count}\n  nearest: {', '.join(list(dict.fromkeys(near))[:3])}"
    )


def _parsed(expression: str) -> Selection:
    found = re.fullmatch(r"(\w+)\s*(===|==|~=|!=|<=|>=|=|<|>)\s*(.*)", expression)
    if found is None:
        if not expression:
            raise _error(expression, "is empty")
        return lambda cell: fnmatchcase(cell.id, expression)
    axis, operator, value = found.groups()
    if axis not in _AXES:
        raise _error(expression, f"{axis!r} is no axis", nearest(axis, _AXES))
    if axis in _VERSIONS:
        return _version(expression, axis, operator, value)
    return _named(expression, axis, operator, value)


def _version(expression: str, axis: str, operator: str, value: str) -> Selection:
    if operator == "=":
        raise _error(expression, "'=' does not compare versions", f"write {axis}=={value}")
    try:
        specifiers = SpecifierSet(operator + value)
    except InvalidSpecifier:
        what = f"{operator + value!r} is not a version specifier"
        raise _error(expression, what) from None
    return lambda cell: specifiers.contains(getattr(cell, axis), prereleases=True)


def _named(expression: str, axis: str, operator: str, value: str) -> Selection:
    if operator not in {"=", "=="}:
        raise _error(expression, f"{operator!r} does not compare names", f"write {axis}={value}")
    if not value:
        raise _error(expression, f"names no {axis}")
    known = [member.value for member in _CLOSED.get(axis, ())]
    if known and value not in known:
        allowed = ", ".join(f"{axis}={name}" for name in known)
        raise _error(expression, f"{value!r} is no {axis}", nearest(value, known), allowed)
    if axis == "device":
        return lambda cell: cell.device == value
    if axis == "resolution":
        return lambda cell: cell.resolution == value
    if axis == "pins":
        return lambda cell: cell.pins.name == value
    return lambda cell: cell.flags.name == value


def _error(
    expression: str, what: str, hint: str | None = None, allowed: str = _ALLOWED
) -> UsageError:
    lines = [f"--only {expression!r}: {what}", f"  allowed: {allowed}"]
    return UsageError("\n".join([*lines, f"  hint: {hint}"] if hint else lines))
