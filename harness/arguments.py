"""What can be said on the command line: commands, options, help, and what is wrong with them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from harness import __version__
from harness.argument_values import age, at_least_one, choices, one_of, prefix, size
from harness.environments.options import BAKES, BASE_SOURCES, ENGINES
from harness.errors import UsageError, nearest
from harness.observation import NOISE_LEVELS
from harness.verdict import Verdict

__all__ = ["help_text", "parse"]

_END = """\
start here:
  harness matrix path/to/model_dir

exit codes:
  0    done; the table was written, whatever it says
  1    a cell has a verdict that --fail-on names
  2    bad arguments, matrix or model
  3    nothing selected
  4    no engine
  5    results cannot be read or written
  6    no such reference
  7    the package index does not answer and nothing is cached
  130  interrupted; the same command goes on where it stopped"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; `command` is the name of the command.

    Raises:
        UsageError: they are wrong; the text says what is allowed, or how to ask for help.
        SystemExit: help or the version was asked for, and printed.
    """
    parser, commands = _parsers()
    first = arguments[0] if arguments else "--help"
    if not first.startswith("-") and first not in commands:
        is_model = bool(first) and Path(first).exists()
        hint = f"harness matrix {first}" if is_model else nearest(first, commands)
        raise UsageError(f"{first!r} is no command{choices(commands, hint)}")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands[options.command].refuse(unknown[0])
    return options


def help_text() -> str:
    """Return what `harness --help` prints."""
    parser, _ = _parsers()
    return parser.format_help()


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ours: one form, one exit code, the nearest word."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n  help: {self.prog} --help")

    def refuse(self, word: str) -> NoReturn:
        """Say that there is no such argument."""
        hint = nearest(word, re.findall(r"--[a-z-]+", self.format_usage()))
        self.error(f"{word!r} means nothing here" + (f"\n  hint: {hint}" if hint else ""))


def _parsers() -> tuple[_Parser, Mapping[str, _Parser]]:
    """Return the parser of the whole command line, and those of its commands."""
    parser = _Parser(
        prog="harness",
        description="In which environments does a TensorFlow model load and give the same numbers?",
        epilog=_END,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, dest="command", metavar="COMMAND"
    )
    made: dict[str, _Parser] = {}
    for name, (does, example, add) in _COMMANDS.items():
        made[name] = commands.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.",
            epilog=f"example:\n  harness {name} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add(made[name])
    return parser, made


def _matrix(parser: _Parser) -> None:
    parser.add_argument(
        "model_dirs",
        nargs="+",
        type=Path,
        metavar="MODEL_DIR",
        help="model folder or file; of several, each environment is made once for all",
    )
    _cells(parser)
    _reference(parser)
    parser.add_argument(
        "--jobs",
        type=at_least_one,
        metavar="N",
        help="environments worked on at once; default: as many as fit",
    )
    parser.add_argument(
        "--noise",
        type=one_of(NOISE_LEVELS),
        default="quick",
        metavar="LEVEL",
        help="what is done to measure how far outputs move by rounding alone: off: repeat; quick:"
        " also move the inputs by one ULP and split the batch; full: more of it, and other thread"
        " counts; default: quick",
    )
    _results(parser)
    _making(parser)
    parser.add_argument(
        "--fail-on",
        action="append",
        default=[],
        type=one_of([verdict.value for verdict in Verdict]),
        metavar="VERDICT",
        help="exit with 1 if a cell has this verdict, such as failed or diverged (repeatable)",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _making(parser: _Parser) -> None:
    """How environments are made; see `harness.environments.options`."""
    parser.add_argument(
        "--bake",
        type=one_of(BAKES),
        default="always",
        metavar="WHEN",
        help="always: environments are images; never: they are mounted into containers of their"
        " bases, quicker to explore with; default: always",
    )
    parser.add_argument(
        "--pull",
        type=prefix,
        metavar="PREFIX",
        help="use images that this registry has: registry.example/team/",
    )
    parser.add_argument(
        "--push", type=prefix, metavar="PREFIX", help="give this registry the images used"
    )
    parser.add_argument(
        "--disk",
        type=size,
        metavar="SIZE",
        help="most that environments may take at once, such as 20g; those done with are dropped",
    )
    parser.add_argument(
        "--check-cuda",
        action="store_true",
        help="without a GPU: make CUDA environments all the same and check their libraries",
    )


def _cells(parser: _Parser) -> None:
    parser.add_argument(
        "--matrix",
        type=Path,
        default=Path("matrix.yaml"),
        metavar="F",
        help="the file that says which environments there are; default: matrix.yaml",
    )
    _engine(
        parser, "docker, venv, or auto: docker where a daemon answers, else venv; default: auto"
    )
    _base(parser)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="EXPR",
        help="tensorflow>=2.15, python==3.11, device=cpu, flags=default or a glob on cell ids"
        " (repeatable: all must hold)",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="reuse no index answer, lock or observation"
    )


def _base(parser: _Parser) -> None:
    parser.add_argument(
        "--base",
        type=one_of(BASE_SOURCES),
        default="auto",
        metavar="SOURCE",
        help="where the bases of images come from: registry, local-image, host-slice, debian, or"
        " auto: the first of them that there is; default: auto",
    )


def _bases(parser: _Parser) -> None:
    _base(parser)
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="ask the registry for the digest that each tag has now, and write it to bases.yaml",
    )


def _inspect(parser: _Parser) -> None:
    _model(parser)
    _format(parser, ("text", "json"))


def _capture(parser: _Parser) -> None:
    _model(parser)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("capture.py"),
        metavar="FILE",
        help="where the script is written; default: capture.py",
    )


def _model(parser: _Parser) -> None:
    parser.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="model folder or file")


def _report(parser: _Parser) -> None:
    parser.add_argument(
        "sweep",
        nargs="?",
        metavar="SWEEP",
        help="MODEL, MODEL/SWEEP-ID or a sweep's folder; default: the newest sweep of all",
    )
    parser.add_argument(
        "--cell", metavar="ID", help="show this cell alone, in full: every number of every output"
    )
    _reference(parser)
    _results(parser)


def _images(parser: _Parser) -> None:
    _engine(parser, "docker, venv, or auto: both; default: auto")
    _format(parser, ("table", "json"))


def _clean(parser: _Parser) -> None:
    _engine(parser, "docker, venv, or auto: both; default: auto")
    parser.add_argument(
        "--unused",
        action="store_true",
        help="only environments that the last sweep of no model used, and what only they need",
    )
    parser.add_argument(
        "--older-than",
        type=age,
        metavar="AGE",
        help="only what was last used longer ago: 12h, 30d, 8w (with --unused: both must hold)",
    )
    parser.add_argument("--all", action="store_true", help="everything, as without options")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def _engine(parser: _Parser, says: str) -> None:
    parser.add_argument(
        "--engine", type=one_of(ENGINES), default="auto", metavar="ENGINE", help=says
    )


def _reference(parser: _Parser) -> None:
    parser.add_argument(
        "--reference",
        metavar="R",
        help="what outputs are compared with: auto, expected or a cell id; default: as the matrix"
        " says",
    )


def _results(parser: _Parser) -> None:
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="where results lie; default: results",
    )
    _format(parser, ("table", "markdown", "json"))


def _format(parser: _Parser, forms: Sequence[str]) -> None:
    """Add what the output may be; the first of `forms` is the default."""
    parser.add_argument(
        "--format",
        type=one_of(forms),
        default=forms[0],
        metavar="FORMAT",
        help=f"{', '.join(forms[:-1])} or {forms[-1]}; default: {forms[0]}",
    )


_COMMANDS: Mapping[str, tuple[str, str, Callable[[_Parser], None]]] = {
    "matrix": (
        "run models in every environment of the matrix",
        "examples/digits/savedmodel --only 'tensorflow>=2.15' --fail-on failed",
        _matrix,
    ),
    "cells": (
        "list the plan and what it would cost; run nothing",
        "--only 'tensorflow>=2.15' --only device=cpu",
        _cells,
    ),
    "inspect": (
        "tell what a model is: format, versions, signatures, custom code; needs no TensorFlow",
        "examples/digits/savedmodel",
        _inspect,
    ),
    "capture": (
        "write a script that records a model where it was made: outputs and environment",
        "examples/digits/savedmodel --output capture.py",
        _capture,
    ),
    "report": (
        "judge and render a saved sweep again, offline",
        "digits-savedmodel --reference tf2.15.1-py3.11-cpu",
        _report,
    ),
    "images": (
        "list the images, environments and caches the harness keeps: sizes, and who used them",
        "--engine docker",
        _images,
    ),
    "bases": (
        "list the base images of this machine, or pin them to what the registry has now",
        "--base registry",
        _bases,
    ),
    "clean": (
        "remove the images, environments and caches the harness made, never results",
        "--unused --older-than 30d",
        _clean,
    ),
}
"""Each with what it does, an example, and what adds its arguments."""
