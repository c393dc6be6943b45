"""`harness report`: a saved sweep, judged and rendered again; nothing is run."""

from __future__ import annotations

import argparse

from harness.argument_values import choices
from harness.commands.shared import rendered
from harness.errors import UsageError, nearest
from harness.judging import judged_table
from harness.output import width, write
from harness.report.cell import code_block, render_cell, render_cell_json
from harness.report.table import Table
from harness.store.find import find_sweep
from harness.store.results import load_record

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Print the table, or one cell of it."""
    folder = find_sweep(options.results, options.sweep)
    table = judged_table(folder, load_record(folder), options.reference)
    if options.cell is None:
        write(rendered(folder.path, table, options.format))
    else:
        write(_one_cell(table, options.cell, options.format))
    return 0


def _one_cell(table: Table, wanted: str, form: str) -> str:
    """Return one cell of a table in full; Markdown has it as the terminal does."""
    row = next((row for row in table.cells if row.id == wanted), None)
    if row is None:
        ids = [row.id for row in table.cells]
        raise UsageError(
            f"--cell: there is no cell {wanted!r} in this sweep{choices(ids, nearest(wanted, ids))}"
        )
    if form == "json":
        return render_cell_json(row)
    text = render_cell(table, row, width=width())
    return code_block(text) if form == "markdown" else text
