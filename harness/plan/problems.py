"""From what pydantic says of a file to what a person is told: place, allowed values, hint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from harness.errors import Problem, nearest
from harness.plan.fields import shown
from harness.plan.yaml_positions import KeyPath, Positions

__all__ = ["pydantic_problems", "repeated"]

Keys = Callable[[KeyPath], tuple[str, ...]]
"""Gives the keys that are allowed beside the key a path ends with."""


def pydantic_problems(
    error: ValidationError, positions: Positions, keys: Keys
) -> tuple[Problem, ...]:
    """Return one problem for each thing pydantic found, in the order of the file."""
    # A list whose items are all wrong also counts as too short: that says nothing new.
    errors = [
        (_path(found["loc"]), found)
        for found in error.errors(include_url=False)
        if not (found["type"] == "too_short" and found["input"])
    ]
    errors.sort(key=lambda pair: positions.line(pair[0]) or 0)
    return tuple(_problem(path, dict(found), positions, keys) for path, found in errors)


def repeated(
    values: Mapping[str, object], sections: Iterable[str], positions: Positions
) -> tuple[Problem, ...]:
    """Return a problem for each item that a list of `sections` has twice."""
    problems = []
    for section in sections:
        first: dict[str, int] = {}
        listed = values.get(section)
        for i, item in enumerate(listed if isinstance(listed, list) else ()):
            if not isinstance(item, str):
                continue
            if item in first:
                where = positions.where(section, i)
                what = f"{item!r} is there already: {positions.where(section, first[item])}"
                problems.append(Problem(where=where, what=what, hint="keep one of them"))
            first.setdefault(item, i)
    return tuple(problems)


def _path(location: tuple[str | int, ...]) -> KeyPath:
    # A wrong key of a mapping is told as a place below that key.
    return location[:-1] if location[-1:] == ("[key]",) else location


def _problem(path: KeyPath, error: dict[str, Any], positions: Positions, keys: Keys) -> Problem:
    what, allowed, hint = f"{shown(error['input'])}: {error['msg']}", "", None
    match error["type"]:
        case "wrong":
            what, allowed, hint = (error["ctx"][name] for name in ("what", "allowed", "hint"))
        case "extra_forbidden":
            what, allowed = "unknown key", ", ".join(keys(path))
            hint = nearest(str(path[-1]), keys(path))
        case "missing":
            path, what = path[:-1], f"the key {path[-1]!r} is missing"
        case "too_short":
            what, allowed = "is empty", "at least one"
        case "tuple_type":
            what = f"{shown(error['input'])} is not a list"
            hint = f'write ["{error["input"]}"]' if isinstance(error["input"], str) else None
        case "dict_type" | "model_type":
            what = f"{shown(error['input'])} is not a mapping"
        case "string_type":
            what = f"{shown(error['input'])} is not a text"
    return Problem(
        where=positions.where(*path), what=what, allowed=allowed or None, hint=hint or None
    )
