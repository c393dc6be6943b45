"""Every cause of `examples/causes`, run for real: the table says of each what it must."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.causes import Cause, causes, mismatches
from tests.support.require import missing

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).parents[2]
ALL = causes()
RUN = {name: cause for name, cause in ALL.items() if not cause.refused}
REFUSED = {name: cause for name, cause in ALL.items() if cause.refused}

Rows = list[dict[str, Any]]


def harness(matrix: Path, results: Path, *models: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "harness", "matrix", *map(str, models)),
            *("--matrix", str(matrix), "--engine", "venv", "--results", str(results)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Cause], Rows]:
    """The rows of a cause's table; all causes of one matrix are run by one command."""
    results = tmp_path_factory.mktemp("causes")

    @cache
    def sweep(matrix: Path) -> None:
        models = [cause.path for cause in RUN.values() if cause.matrix == matrix]
        done = harness(matrix, results, *models)
        assert done.returncode == 0, done.stderr

    def rows_of(cause: Cause) -> Rows:
        sweep(cause.matrix)
        table = json.loads((results / cause.path.name / "latest" / "table.json").read_text())
        found: Rows = table["cells"]
        return found

    return rows_of


@pytest.mark.parametrize("name", RUN)
def test_the_table_says_what_it_must(name: str, rows: Callable[[Cause], Rows]) -> None:
    cause = RUN[name]
    found: dict[str, list[str]] = {}
    used = set()
    for row in rows(cause):
        pattern = cause.pattern_of(row["id"])
        assert pattern is not None, f"{row['id']} fits no pattern of {name}"
        used.add(pattern)
        if wrong := mismatches(cause.cells[pattern], row):
            _check_the_machine(row)
            found[row["id"]] = wrong
    assert found == {}
    assert used == set(cause.cells)


def _check_the_machine(row: dict[str, Any]) -> None:
    """Skip where the row is not as expected because of what this machine has or has not."""
    if row["device"] == "cuda" and row["verdict"] != "skipped":
        pytest.skip("there is a GPU here")
    if row["device"] == "cpu" and row["verdict"] == "skipped":
        missing(f"python{row['python']}", f"{row['id']}: {row['reason']['message']}")


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_files_tell_is_refused(name: str, tmp_path: Path) -> None:
    cause = REFUSED[name]
    done = harness(cause.matrix, tmp_path, cause.path)
    assert done.returncode == 2
    for word in cause.refused:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
