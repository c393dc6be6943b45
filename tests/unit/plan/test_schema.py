from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.plan.matrix import Matrix, load_matrix
from harness.plan.schema import matrix_schema, matrix_schema_text

ROOT = Path(__file__).parents[3]
PAGES = [page for page in (ROOT / "docs/matrix.md", ROOT / "README.md") if page.exists()]


def matrices() -> list[tuple[str, str]]:
    """Return every matrix that the documentation shows, with its place."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in re.finditer(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if block[1].startswith("schema: 1"):
                line = text.count("\n", 0, block.start()) + 1
                found.append((f"{page.name}:{line}", block[1]))
    return found


def test_the_written_schema_is_current() -> None:
    written = (ROOT / "docs/matrix.schema.json").read_text("utf-8")
    assert json.loads(written) == matrix_schema(), (
        "run: python -m harness.plan.schema > docs/matrix.schema.json"
    )
    assert json.loads(matrix_schema_text()) == matrix_schema()


def test_the_schema_has_the_keys_of_the_file_and_no_null() -> None:
    schema = matrix_schema()
    assert isinstance(schema["properties"], dict)
    assert list(schema["properties"]) == [
        "schema",
        "tensorflow",
        "python",
        "device",
        "resolution",
        "pins",
        "flags",
        "exclude",
        "include",
        "reference",
        "limits",
    ]
    assert "null" not in matrix_schema_text()


def test_the_default_matrix_names_the_schema() -> None:
    first = (ROOT / "matrix.yaml").read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=docs/matrix.schema.json"
    assert (ROOT / first.partition("=")[2]).is_file()


def test_the_documentation_shows_matrices() -> None:
    assert len(matrices()) >= 3


@pytest.mark.parametrize(("place", "text"), matrices(), ids=[place for place, _ in matrices()])
def test_documented_matrices_load(load: Callable[[str], Matrix], place: str, text: str) -> None:
    assert load(text).schema_ == 1


def test_the_documented_error_is_what_is_told(refused: Callable[[str], str]) -> None:
    shown = (ROOT / "docs/matrix.md").read_text("utf-8").split("```\n")
    example = next(block for block in shown if block.startswith("matrix.yaml:2 tensorfow"))
    text = 'schema: 1\ntensorfow: [">=2.4"]\n\npython: ["3.9", "3.x"]\n'
    assert refused(text) == example.strip()


def test_the_default_matrix_is_checked_by_its_own_rules() -> None:
    assert load_matrix(ROOT / "matrix.yaml").reference == "auto"
