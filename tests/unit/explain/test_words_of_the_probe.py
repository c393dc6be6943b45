"""What the probe itself says is wrong is explained like any other failure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness.probe
from harness.explain.signatures import find

PROBING = Path(harness.probe.__file__).parent / "probing"
FILLED = {"%s": "name", "%r": "'name'", "%d": "1"}

OURS = {
    *("batches.py", "cuda.py", "float64.py", "frozen.py", "hdf5.py", "noise.py", "parent.py"),
    *("requests.py", "slots.py", "tensors.py", "threads.py", "variables.py", "variations.py"),
}
"""Modules whose errors are about the harness's own requests, or never are why an attempt fails: a
variation that is not done, a float64 run among them, has only its reason."""


def said() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of every error that a module raises, filled with words."""
    for path in sorted(PROBING.glob("*.py")):
        if path.name in OURS:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                text = literal(node.exc.args[0])
                if text is not None:
                    yield f"{path.name}:{node.lineno}", text


def literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.BinOp):
        return literal(node.left)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub("%[srd]", lambda found: FILLED[found[0]], node.value)
    return None


TEXTS = list(said())


def test_there_are_such_errors() -> None:
    assert len(TEXTS) > 15


@pytest.mark.parametrize("text", [text for _, text in TEXTS], ids=[place for place, _ in TEXTS])
def test_it_is_explained(text: str) -> None:
    found = find(f"ValueError: {text}", None)
    assert found is not None, text
