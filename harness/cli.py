"""The command line: arguments, printing, exit codes."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from harness import __version__
from harness.environments.choose import ENGINES, choose_engine
from harness.errors import HarnessError, UsageError
from harness.model.reading import read_model
from harness.pipeline import Job, find_sweep, judged_table, plan_matrix, run_matrix
from harness.plan.matrix import load_matrix
from harness.report.machine import render_json
from harness.report.markdown import render_markdown
from harness.report.plan import render_plan
from harness.report.table import Table
from harness.report.terminal import render_terminal
from harness.store.results import Results, load_record
from harness.sweep.progress import make_display
from harness.verdict import Verdict

__all__ = ["main"]

FORMATS = ("table", "markdown", "json")
_INTERNAL_ERROR = 70
"""EX_SOFTWARE of sysexits.h: a fault of the harness itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `harness.errors`)."""
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except HarnessError as error:
        _tell(f"error: {error}")
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


def _matrix(options: argparse.Namespace) -> int:
    matrix = load_matrix(options.matrix)
    model = read_model(options.model_dir)
    chosen = choose_engine(options.engine, refresh=options.fresh)
    _tell(chosen.description)
    job = Job(
        model=model,
        matrix=matrix,
        plan=plan_matrix(matrix, chosen.engine, only=options.only, refresh=options.fresh),
        chosen=chosen,
        reference=options.reference or matrix.reference,
        results=Results(options.results, model.name),
        jobs=options.jobs,
        fresh=options.fresh,
    )
    with make_display(sys.stderr, quiet=options.quiet) as display:
        table = run_matrix(job, display)
    _print(_rendered(table, options.format))
    failing = {Verdict(verdict) for verdict in options.fail_on}
    return int(any(cell.verdict in failing for cell in table.cells))


def _cells(options: argparse.Namespace) -> int:
    matrix = load_matrix(options.matrix)
    chosen = choose_engine(options.engine)
    _tell(chosen.description)
    plan = plan_matrix(matrix, chosen.engine, only=options.only, refresh=options.fresh)
    _print(render_plan(plan, width=_width()))
    return 0


def _report(options: argparse.Namespace) -> int:
    folder = find_sweep(options.results, options.sweep)
    table = judged_table(folder, load_record(folder), options.reference)
    _print(_rendered(table, options.format))
    return 0


def _clean(options: argparse.Namespace) -> int:
    engines = ("docker", "venv") if options.engine == "auto" else (options.engine,)
    for name in engines:
        try:
            engine = choose_engine(name).engine
        except HarnessError as error:
            _tell(f"{name}: nothing removed: {str(error).splitlines()[0]}")
            continue
        for line in (*engine.remove_leftovers(), *engine.clean()):
            _print(f"{name}: {line}\n")
    return 0


def _rendered(table: Table, form: str) -> str:
    if form == "markdown":
        return render_markdown(table)
    if form == "json":
        return render_json(table)
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return render_terminal(table, width=_width(), color=color)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="harness",
        description="In which environments does a TensorFlow model load and give the same numbers?",
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    matrix = commands.add_parser("matrix", help="run a model in every environment of the matrix")
    matrix.set_defaults(command=_matrix)
    matrix.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="model folder or file")
    _add_plan_arguments(matrix)
    matrix.add_argument("--reference", metavar="R", help="auto, expected or a cell id")
    matrix.add_argument("--jobs", type=int, metavar="N", help="environments worked on at once")
    _add_results_argument(matrix)
    matrix.add_argument(
        "--fail-on",
        action="append",
        default=[],
        choices=[verdict.value for verdict in Verdict],
        metavar="VERDICT",
        help="exit with 1 if a cell has this verdict (repeatable)",
    )
    _add_format_argument(matrix)
    matrix.add_argument("--quiet", action="store_true", help="show no progress")

    cells = commands.add_parser("cells", help="list the plan and what it would cost; run nothing")
    cells.set_defaults(command=_cells)
    _add_plan_arguments(cells)

    report = commands.add_parser("report", help="judge and render a saved sweep again, offline")
    report.set_defaults(command=_report)
    report.add_argument("sweep", nargs="?", metavar="SWEEP", help="<model>, <model>/<id> or folder")
    report.add_argument("--reference", metavar="R", help="auto, expected or a cell id")
    _add_results_argument(report)
    _add_format_argument(report)

    clean = commands.add_parser("clean", help="remove what the harness made; never results")
    clean.set_defaults(command=_clean)
    _add_engine_argument(clean)
    return parser


def _add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--matrix", type=Path, default=Path("matrix.yaml"), metavar="F")
    _add_engine_argument(parser)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="EXPR",
        help="tensorflow>=2.15, python==3.11, device=cpu, flags=default or a glob on cell ids"
        " (repeatable: all must hold)",
    )
    parser.add_argument("--fresh", action="store_true", help="reuse no answer, lock or observation")


def _add_engine_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=ENGINES, default="auto")


def _add_results_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")


def _add_format_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="table")


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ours: one form, one exit code, the nearest word."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n  {self.format_usage().strip()}")


def _width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _internal_error(error: Exception) -> int:
    with tempfile.NamedTemporaryFile(
        "w", prefix="harness-error-", suffix=".txt", delete=False, encoding="utf-8"
    ) as stream:
        stream.write("".join(traceback.format_exception(error)))
    _tell(
        f"error: a fault in the harness itself ({type(error).__name__}: {error})\n"
        f"  Observations made so far are kept. Details are in {stream.name}: please report them."
    )
    return _INTERNAL_ERROR
