"""YAML text to plain values, with the line every key and item stands on.

Scalars stay text: YAML's own guesses would make version `3.10` the number 3.1 and country code
`no` a falsehood. What a text means is for the reader's model to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from harness.errors import Problem

__all__ = ["Document", "KeyPath", "Positions", "read_yaml"]

KeyPath = tuple[str | int, ...]
"""Keys and indices from the top of the file: `("exclude", 0, "reason")`."""

MAXIMUM_VALUES: Final = 10_000
"""Values a file may hold once its aliases are expanded: a few lines can expand to billions."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each key and item of a file stands."""

    name: str
    """The file as the user named it."""
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    """Line, counted from 1."""

    def line(self, path: KeyPath) -> int | None:
        """Return the line of `path`, or of what it is in where it is not in the file."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def where(self, *path: str | int) -> str:
        """Return a place a person can go to: `matrix.yaml:7 python[2]`."""
        line = self.line(path)
        place = self.name if line is None else f"{self.name}:{line}"
        keys = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        return f"{place} {keys.removeprefix('.')}" if path else place


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file, read."""

    value: object
    """Mappings, lists and texts; None where it is empty or a problem was found."""
    positions: Positions
    problems: tuple[Problem, ...]


def read_yaml(text: str, name: str) -> Document:
    """Read one YAML document; never raises on what it says."""
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        return Document(None, Positions(name), (_syntax_problem(error, text, name),))
    except yaml.YAMLError as error:
        problem = Problem(where=name, what=f"is not YAML: {str(error).splitlines()[0]}")
        return Document(None, Positions(name), (problem,))
    except RecursionError:
        problem = Problem(where=name, what="is nested too deeply")
        return Document(None, Positions(name), (problem,))
    reader = _Reader(name)
    value = reader.read(node, ()) if node is not None else None
    return Document(value, reader.positions, tuple(reader.problems))


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, name: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    what = ", ".join(part for part in (error.context, error.problem) if part)
    if mark is None:
        return Problem(where=name, what=f"is not YAML: {what}")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    return Problem(
        where=f"{name}:{mark.line + 1} column {mark.column + 1}",
        what=f"is not YAML: {what}",
        hint='put specifiers in quotes: ">=2.4"' if set(line) & set(">!*") else None,
    )


class _Reader:
    """Turns nodes into values and keeps the lines."""

    def __init__(self, name: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.positions = Positions(name, self.lines)
        self.problems: list[Problem] = []
        self._values = 0
        self._open: set[int] = set()

    def read(self, node: yaml.Node, path: KeyPath) -> object:
        self._values += 1
        if self._values > MAXIMUM_VALUES:
            if self._values == MAXIMUM_VALUES + 1:
                self._complain(path, f"more than {MAXIMUM_VALUES} values with aliases expanded")
            return None
        if id(node) in self._open:
            self._complain(path, "an alias stands for something it is part of")
            return None
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._complain(path, f"the tag {node.tag} means nothing here", hint="use quotes")
            return None
        self._open.add(id(node))
        value = self._value(node, path)
        self._open.discard(id(node))
        return value

    def _value(self, node: yaml.Node, path: KeyPath) -> object:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULLS:
            self._complain(path, "has no value", hint='write {}, [] or "" for an empty one')
            return None
        return str(node.value)

    def _item(self, node: yaml.Node, path: KeyPath) -> object:
        self.lines[path] = node.start_mark.line + 1
        return self.read(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.value:
            if self._values > MAXIMUM_VALUES:
                break
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                place = f"{self.positions.name}:{line}"
                self.problems.append(Problem(where=place, what="a key must be text"))
                continue
            inner = (*path, str(key.value))
            if key.value in values:
                first = self.lines[inner]
                self.lines[inner] = line
                self._complain(inner, f"this key is there already, on line {first}")
                self.lines[inner] = first
                continue
            self.lines[inner] = line
            values[key.value] = self.read(value, inner)
        return values

    def _complain(self, path: KeyPath, what: str, *, hint: str | None = None) -> None:
        self.problems.append(Problem(where=self.positions.where(*path), what=what, hint=hint))
