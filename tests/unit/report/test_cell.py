"""One judged cell in full."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.divergence import NoiseFloor
from harness.judge.compare import compare
from harness.judge.words import why_diverged
from harness.report.cell import code_block, render_cell, render_cell_json
from harness.report.table import CellRow, Table
from harness.tensor import NumericTensor, StringTensor, Tensor
from tests.support.tables import sweep_table

EXPECTED = Path(__file__).parent / "expected"


def outputs(shift: float, splits: list[int], word: bytes) -> dict[str, Tensor]:
    """A dense output, a ragged one, strings and a scalar; powers of two, so all is exact."""
    table = np.full((4, 2), 0.5, np.float32)
    table[2, 1] += shift
    return {
        "probabilities": NumericTensor("float32", table),
        "words/row_splits_0": NumericTensor("int64", np.array(splits)),
        "words/values": StringTensor((4,), (b"a", b"b", b"c", word)),
        "temperature": NumericTensor("float32", np.array(1, np.float32)),
    }


def table_and_row() -> tuple[Table, CellRow]:
    far = compare(outputs(0.25, [0, 3, 4], b"x"), outputs(0, [0, 2, 4], b"d"), {})
    table = sweep_table()
    row = next(row for row in table.cells if row.id == "tf2.16.2-py3.12-cpu")
    changes = {
        "divergence": far,
        "reason": why_diverged(far),
        "noise_floor": NoiseFloor(max_abs=0.0, max_ulp=0),
    }
    return table, row.model_copy(update=changes)


@pytest.mark.parametrize("width", [80, 200])
def test_everything_that_is_known_of_a_cell(width: int) -> None:
    expected = (EXPECTED / f"cell-{width}.txt").read_text()
    assert render_cell(*table_and_row(), width=width) == expected


def test_outputs_that_do_not_fit_beside_each_other_go_below() -> None:
    text = render_cell(*table_and_row(), width=60)
    assert text.count("status ") > 1
    assert max(map(len, text.split("\n"))) <= 60


def test_a_cell_without_outputs_has_its_reason() -> None:
    table = sweep_table()
    row = next(row for row in table.cells if row.reason and row.divergence is None)
    text = render_cell(table, row, width=100)
    assert f"[{row.reason.code}]" in text  # type: ignore[union-attr]
    assert "Outputs" not in text


def test_the_json_is_the_row_of_the_table() -> None:
    table, _ = table_and_row()
    whole = json.loads(table.model_dump_json())
    assert [json.loads(render_cell_json(row)) for row in table.cells] == whole["cells"]


@pytest.mark.parametrize(
    ("text", "fence"), [("one\n", "```"), ("``` <img>\n", "````"), ("a `````` b `\n", "```````")]
)
def test_a_code_block_is_not_closed_by_what_it_holds(text: str, fence: str) -> None:
    assert code_block(text) == f"{fence}\n{text}{fence}\n"
