"""The probe runs on the oldest Python of any matrix, with nothing but NumPy and TensorFlow."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import harness.probe

FOLDER = Path(harness.probe.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))
OWN = {"probing", "capturing"}

NEWER_THAN_3_6 = {"dataclasses", "contextvars", "graphlib", "tomllib", "zoneinfo"}
NEWER_IN_IMPORTLIB = {"importlib.metadata", "importlib.resources"}
BROUGHT = {"numpy", "tensorflow", "h5py", "tf_keras"}
"""What TensorFlow brings, and what stands beside it where a model wants it."""

each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(FOLDER))
)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), feature_version=(3, 6))


def imported_modules(nodes: list[ast.stmt]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                names.update(alias.name for alias in inner.names)
            elif isinstance(inner, ast.ImportFrom):
                names.add(inner.module or "")
    return names


@each_module
def test_no_syntax_is_newer_than_3_6(path: Path) -> None:
    tree = tree_of(path)
    newer = (ast.NamedExpr, ast.Match, ast.TryStar)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arguments)]
    assert not [node for node in arguments if node.posonlyargs]
    assert "__future__" not in imported_modules(tree.body)


@each_module
def test_only_the_standard_library_of_3_6_is_needed_to_start(path: Path) -> None:
    at_the_top = [
        node for node in tree_of(path).body if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    names = {name for name in imported_modules(at_the_top) if name.split(".")[0] not in OWN}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names - NEWER_THAN_3_6
    assert not names & NEWER_IN_IMPORTLIB


@each_module
def test_the_rest_is_numpy_and_what_tensorflow_brings(path: Path) -> None:
    names = {name.split(".")[0] for name in imported_modules(tree_of(path).body)}
    assert names - sys.stdlib_module_names - OWN <= BROUGHT
    assert not names & NEWER_THAN_3_6


def test_the_probe_itself_needs_its_own_folder_only() -> None:
    used = set()
    for path in (FOLDER / "probe.py", *(FOLDER / "probing").glob("*.py")):
        used |= {name.split(".")[0] for name in imported_modules(tree_of(path).body)}
    assert "capturing" not in used
    assert used >= {"probing", "numpy", "tensorflow"}
