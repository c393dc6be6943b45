"""`harness matrix`: models through every environment of the matrix, to their tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.commands.shared import rendered
from harness.environments import choose
from harness.environments.options import Options
from harness.errors import NoReferenceError
from harness.output import tell, width, write
from harness.pipeline import Job, Swept, run_matrix
from harness.plan.matrix import load_matrix
from harness.planning import plan_models, read_models
from harness.report.summary import render_summary
from harness.report.table import Table
from harness.sweep.progress import make_display
from harness.verdict import Verdict

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Run the models in every environment, print the tables, and return the exit code."""
    matrix = load_matrix(options.matrix)
    models = read_models(options.model_dirs)
    asked = Options(
        refresh=options.fresh,
        base=options.base,
        bake=options.bake,
        pull=options.pull,
        push=options.push,
        check_cuda=options.check_cuda,
        disk_bytes=options.disk,
    )
    chosen = choose.choose_engine(options.engine, asked)
    tell(chosen.description)
    job = Job(
        models=plan_models(matrix, chosen.engine, models, only=options.only, refresh=options.fresh),
        matrix=matrix,
        chosen=chosen,
        reference=options.reference or matrix.reference,
        results=options.results,
        jobs=options.jobs,
        noise=options.noise,
        fresh=options.fresh,
    )
    with make_display(sys.stderr, quiet=options.quiet) as display:
        swept = run_matrix(job, display)
    if not options.quiet:
        tell("")
    return _show(swept, options)


def _show(swept: Sequence[Swept], options: argparse.Namespace) -> int:
    """Print the tables, then why some model has none; return the exit code of all."""
    tables: list[tuple[Path, Table]] = []
    missing: list[tuple[str, NoReferenceError]] = []
    for each in swept:
        if isinstance(each.table, Table):
            tables.append((each.folder.path, each.table))
        elif len(swept) == 1:
            raise each.table
        else:
            missing.append((each.model.name, each.table))
    form = options.format
    write(_all_rendered(tables, form) if len(swept) > 1 else rendered(*tables[0], form))
    for name, error in missing:
        tell(f"error: {name}: {error}")
    if missing:
        return NoReferenceError.exit_code
    failing = {Verdict(verdict) for verdict in options.fail_on}
    return int(any(cell.verdict in failing for _, table in tables for cell in table.cells))


def _all_rendered(tables: Sequence[tuple[Path, Table]], form: str) -> str:
    """Return the tables of several models, each under its model's name, and what they sum up to."""
    texts = [rendered(folder, table, form) for folder, table in tables]
    if form == "json":
        return "[\n" + ",\n".join(text.rstrip() for text in texts) + "\n]\n"
    if form == "table":
        names = [table.model.name for _, table in tables]
        texts = [
            f"{name}\n{'=' * len(name)}\n\n{text}" for name, text in zip(names, texts, strict=True)
        ]
        texts.append(render_summary([table for _, table in tables], width=width()))
    return "\n".join(texts)
