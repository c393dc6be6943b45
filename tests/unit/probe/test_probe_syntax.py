"""The probe runs on the oldest Python of any matrix, with nothing but NumPy and TensorFlow."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import harness.probe

SOURCE = (Path(harness.probe.__file__).parent / "probe.py").read_text()
TREE = ast.parse(SOURCE, feature_version=(3, 6))

NEWER_THAN_3_6 = {"dataclasses", "contextvars", "graphlib", "tomllib", "zoneinfo"}


def imported_modules(nodes: list[ast.stmt]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                names.update(alias.name for alias in inner.names)
            elif isinstance(inner, ast.ImportFrom):
                names.add(inner.module or "")
    return names


def test_no_syntax_is_newer_than_3_6() -> None:
    newer = (ast.NamedExpr, ast.Match, ast.TryStar)
    assert not [node for node in ast.walk(TREE) if isinstance(node, newer)]
    arguments = [node for node in ast.walk(TREE) if isinstance(node, ast.arguments)]
    assert not [node for node in arguments if node.posonlyargs]
    assert "__future__" not in imported_modules(TREE.body)


def test_only_the_standard_library_of_3_6_is_needed_to_start() -> None:
    at_the_top = [node for node in TREE.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = imported_modules(at_the_top)
    assert names <= sys.stdlib_module_names - NEWER_THAN_3_6
    assert not {name for name in names if name.startswith("importlib")}


def test_the_rest_is_numpy_and_what_tensorflow_brings() -> None:
    top = {name.split(".")[0] for name in imported_modules(TREE.body)}
    assert top - sys.stdlib_module_names == {"numpy", "tensorflow", "h5py"}


def test_it_is_one_script() -> None:
    classes = [node.name for node in ast.walk(TREE) if isinstance(node, ast.ClassDef)]
    assert classes == ["Report"]
