"""`harness report`: a saved sweep, judged and rendered again; nothing is run."""

from __future__ import annotations

import argparse

from harness.commands.shared import rendered
from harness.judging import judged_table
from harness.output import write
from harness.store.find import find_sweep
from harness.store.results import load_record

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Print the table."""
    folder = find_sweep(options.results, options.sweep)
    table = judged_table(folder, load_record(folder), options.reference)
    write(rendered(folder.path, table, options.format))
    return 0
