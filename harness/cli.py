"""The command line: one function for each command, printing, exit codes."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.argument_values import choices
from harness.arguments import help_text, parse
from harness.capture import write_capture
from harness.environments.choose import choose_engine
from harness.environments.docker.bases.listing import find_bases, list_bases
from harness.environments.docker.bases.refresh import refresh_bases
from harness.environments.keeping.kept import Selection
from harness.environments.options import Options
from harness.errors import (
    HarnessError,
    InterruptedSweepError,
    NoReferenceError,
    UsageError,
    nearest,
)
from harness.judging import judged_table
from harness.model.inspection import inspect_model
from harness.pipeline import Job, Swept, run_matrix
from harness.plan.matrix import load_matrix
from harness.planning import plan_matrix, plan_models, read_models
from harness.report.bases import render_bases, render_refreshed
from harness.report.cell import render_cell, render_cell_json
from harness.report.images import render_inventories, render_inventories_json
from harness.report.inspection import render_inspection, render_inspection_json
from harness.report.layout import reflowed
from harness.report.machine import render_json
from harness.report.markdown import render_markdown
from harness.report.plan import render_plan
from harness.report.summary import render_summary
from harness.report.table import Table
from harness.report.terminal import render_terminal
from harness.store.find import find_sweep
from harness.store.results import load_record
from harness.sweep.progress import make_display
from harness.verdict import Verdict

__all__ = ["main"]

_INTERNAL_ERROR = 70
"""EX_SOFTWARE of sysexits.h: a fault of the harness itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `harness.errors`)."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except HarnessError as error:
        wanted = isinstance(error, InterruptedSweepError)
        _tell(str(error) if wanted else f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _tell("stopped")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does; Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _internal_error(error)


def _run(arguments: Sequence[str]) -> int:
    if not arguments:
        _tell(help_text().rstrip())
        return UsageError.exit_code
    options = parse(arguments)
    return _COMMANDS[options.command](options)


def _matrix(options: argparse.Namespace) -> int:
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
    chosen = choose_engine(options.engine, asked)
    _tell(chosen.description)
    job = Job(
        models=plan_models(matrix, chosen.engine, models, only=options.only, refresh=options.fresh),
        matrix=matrix,
        chosen=chosen,
        reference=options.reference or matrix.reference,
        results=options.results,
        jobs=options.jobs,
        fresh=options.fresh,
    )
    with make_display(sys.stderr, quiet=options.quiet) as display:
        swept = run_matrix(job, display)
    if not options.quiet:
        _tell("")
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
    several = len(swept) > 1
    form = options.format
    _print(_all_rendered(tables, form) if several else _rendered(*tables[0], form))
    for name, error in missing:
        _tell(f"error: {name}: {error}")
    if missing:
        return NoReferenceError.exit_code
    failing = {Verdict(verdict) for verdict in options.fail_on}
    return int(any(cell.verdict in failing for _, table in tables for cell in table.cells))


def _cells(options: argparse.Namespace) -> int:
    matrix = load_matrix(options.matrix)
    chosen = choose_engine(options.engine, Options(base=options.base))
    _tell(chosen.description)
    plan = plan_matrix(matrix, chosen.engine, only=options.only, refresh=options.fresh)
    _print(render_plan(plan, width=_width()))
    return 0


def _inspect(options: argparse.Namespace) -> int:
    inspection = inspect_model(options.model_dir)
    if options.format == "json":
        _print(render_inspection_json(inspection))
    else:
        _print(render_inspection(inspection, width=_width()))
    return 0


def _capture(options: argparse.Namespace) -> int:
    _print(f"{write_capture(options.model_dir, options.output)}\n")
    return 0


def _report(options: argparse.Namespace) -> int:
    folder = find_sweep(options.results, options.sweep)
    table = judged_table(folder, load_record(folder), options.reference)
    if options.cell is None:
        _print(_rendered(folder.path, table, options.format))
    else:
        _print(_one_cell(table, options.cell, options.format))
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
    text = render_cell(table, row, width=_width())
    return f"```\n{text}```\n" if form == "markdown" else text


def _images(options: argparse.Namespace) -> int:
    kept = []
    for name in _engines(options):
        try:
            kept.append(choose_engine(name).engine.inventory())
        except HarnessError as error:
            if name == options.engine:
                raise
            _tell(f"{name}: not listed: {str(error).splitlines()[0]}")
    if options.format == "json":
        _print(render_inventories_json(kept))
    else:
        _print(render_inventories(kept, width=_width()))
    return 0


def _bases(options: argparse.Namespace) -> int:
    bases = find_bases(options.base)
    if options.refresh:
        refreshed = refresh_bases(bases.registry, bases.pinned)
        file = _shown(bases.pinned.file)
        _print(render_refreshed(refreshed, file=file, width=_width()))
    else:
        _print(render_bases(list_bases(bases), width=_width()))
    return 0


def _clean(options: argparse.Namespace) -> int:
    which = Selection(unused=options.unused, older_than=options.older_than, dry_run=options.dry_run)
    if options.all and not which.everything:
        raise UsageError("--all and --unused or --older-than: all is not some of it")
    for name in _engines(options):
        try:
            engine = choose_engine(name).engine
        except HarnessError as error:
            _tell(f"{name}: nothing removed: {str(error).splitlines()[0]}")
            continue
        leftovers = () if which.dry_run else engine.remove_leftovers()
        removed = (*leftovers, *engine.clean(which))
        for line in removed or ("there is nothing to remove",):
            _print(f"{name}: {line}\n")
    return 0


def _engines(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the engines a command is about: all of them with `auto`."""
    return ("docker", "venv") if options.engine == "auto" else (options.engine,)


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "matrix": _matrix,
    "cells": _cells,
    "inspect": _inspect,
    "capture": _capture,
    "report": _report,
    "images": _images,
    "bases": _bases,
    "clean": _clean,
}


def _all_rendered(tables: Sequence[tuple[Path, Table]], form: str) -> str:
    """Return the tables of several models, each under its model's name, and what they sum up to."""
    texts = [_rendered(folder, table, form) for folder, table in tables]
    if form == "json":
        return "[\n" + ",\n".join(text.rstrip() for text in texts) + "\n]\n"
    if form == "table":
        names = [table.model.name for _, table in tables]
        texts = [
            f"{name}\n{'=' * len(name)}\n\n{text}" for name, text in zip(names, texts, strict=True)
        ]
        texts.append(render_summary([table for _, table in tables], width=_width()))
    return "\n".join(texts)


def _rendered(folder: Path, table: Table, form: str) -> str:
    if form == "markdown":
        return render_markdown(table)
    if form == "json":
        return render_json(table)
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return render_terminal(table, width=_width(), color=color, folder=_shown(folder))


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        text = reflowed(text, _width())
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _internal_error(error: Exception) -> int:
    _tell(
        f"error: a fault in the harness itself ({type(error).__name__}: {error})\n"
        f"  Observations made so far are kept. {_details(error)}"
    )
    return _INTERNAL_ERROR


def _details(error: Exception) -> str:
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="harness-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as stream:
            stream.write("".join(traceback.format_exception(error)))
    except OSError as refused:
        return f"Details cannot be written ({refused.strerror})."
    return f"Details are in {stream.name}: please report them."
