"""The folder layout is the pipeline: a room imports only the root and the rooms above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HARNESS = Path(__file__).parents[2] / "harness"
ROOMS = ("plan", "model", "environments", "probe", "store", "sweep", "judge", "explain", "report")
ON_TOP = (
    "argument_values",
    "arguments",
    "capture",
    "planning",
    "opened",
    "reference_inputs",
    "judging",
    "pipeline",
    "output",
    "cli",
    "__main__",
)
"""Root modules that wire rooms together; every other root module imports no room."""


def modules() -> list[Path]:
    return sorted(HARNESS.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def rooms_of(names: set[str]) -> set[str]:
    parts = [name.split(".") for name in names if name.startswith("harness.")]
    return {part[1] for part in parts if part[1] in ROOMS}


def test_the_layout_is_complete() -> None:
    assert {path.name for path in HARNESS.iterdir() if path.is_dir()} - {"__pycache__"} == set(
        ROOMS
    ) | {"commands"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(HARNESS)))
def test_imports_go_up_only(path: Path) -> None:
    relative = path.relative_to(HARNESS)
    used = rooms_of(imported(path))
    if len(relative.parts) == 1:
        if relative.stem not in ON_TOP:
            assert not used
        return
    room = relative.parts[0]
    if room == "commands":  # on top of all rooms
        return
    assert used <= set(ROOMS[: ROOMS.index(room) + 1])


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(HARNESS)))
def test_the_host_never_imports_tensorflow(path: Path) -> None:
    if path.relative_to(HARNESS).parts[0] == "probe":
        return
    assert not {name for name in imported(path) if name.split(".")[0] in ("tensorflow", "keras")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(HARNESS)))
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring
    assert docstring.splitlines()[0].endswith(".")


def test_the_probe_imports_nothing_of_the_harness() -> None:
    for path in (HARNESS / "probe").rglob("*.py"):
        assert not {name for name in imported(path) if name.split(".")[0] == "harness"}
