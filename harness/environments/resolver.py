"""One resolution: what uv is asked, and the lock's text or why there is none."""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from harness.cell import Cell, Platform, Resolution
from harness.environments.engine import CellFailure
from harness.environments.interpreters import Interpreter
from harness.environments.process import Completed
from harness.environments.uv import run_uv
from harness.environments.uv_failures import NO_DATES, RETRIED, classify
from harness.observation import Ending, Stage

__all__ = ["MARGIN", "Answer", "cut_off", "date_options", "overrides", "resolve_once", "wanted"]

MARGIN = timedelta(days=30)
"""How long after its release a TensorFlow's dependencies are looked at. Measured over 24 releases
from 1.15 to 2.21: every cut-off from 0 to 90 days after the release gives an environment that
imports; far later ones break."""

_DATES_NOTE = "the package index gives no upload date for some files, which were left out"
_PINS = "pins.txt"
_OUTPUT = "lock.txt"
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 1_800.0

# glibc 2.28 is what the newest TensorFlow wheels and every image made here satisfy.
_TARGETS = {
    ("linux", "x86_64"): "x86_64-manylinux_2_28",
    ("linux", "aarch64"): "aarch64-manylinux_2_28",
    ("macos", "x86_64"): "x86_64-apple-darwin",
    ("macos", "arm64"): "aarch64-apple-darwin",
}


class Answer(NamedTuple):
    """What uv resolved."""

    text: str
    """The lock as uv wrote it."""
    note: str | None
    """What a reader of the lock should know."""


def cut_off(cell: Cell) -> datetime | None:
    """Return the time as of which `cell` is resolved (UTC); None: now."""
    if cell.resolution is Resolution.TODAY or cell.distribution is None:
        return None
    return cell.distribution.released + MARGIN


def date_options(cell: Cell) -> tuple[str, ...]:
    """Return uv's options that hide from `cell` what was published after its cut-off.

    They also hold for what building a source distribution needs. Pins are exempt: they are a
    departure from the period on purpose.
    """
    end = cut_off(cell)
    if end is None:
        return ()
    exempt = (f"--exclude-newer-package={name}=2999-01-01" for name in cell.pins.packages)
    return (f"--exclude-newer={end:%Y-%m-%dT%H:%M:%SZ}", *exempt)


def wanted(cell: Cell, requirements: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requirements of `cell` with those of the model.

    Raises:
        ValueError: `cell` has no distribution, or a requirement is more than a package name with
            extras, versions and a marker.
    """
    if cell.distribution is None:
        raise ValueError(f"{cell.id} has no distribution to resolve")
    for requirement in requirements:
        _check(requirement)
    pins = () if cell.pins.constraints else overrides(cell)
    return (cell.distribution.requirement, *requirements, *pins)


def overrides(cell: Cell) -> tuple[str, ...]:
    """Return the pins of `cell`: for what is installed they replace what packages ask for.

    A package that nothing asks for is not installed for the sake of an override.

    Raises:
        ValueError: a pin is more than a package name with a version.
    """
    pins = tuple(f"{name}=={version}" for name, version in cell.pins.packages.items())
    for pin in pins:
        _check(pin)
    return pins


def resolve_once(
    cell: Cell, lines: tuple[str, ...], *, interpreter: Interpreter | None, platform: Platform
) -> Answer | CellFailure:
    """Resolve `lines` for `cell`.

    Without an interpreter of the cell's Python, wheels alone are considered. Where a dependency
    has none, its source is asked for its requirements with the harness's own Python: seen to give
    the same locks for TensorFlow 1.15.5 and 2.4.4.
    """
    if interpreter is not None:
        return _ask(cell, lines, ("--python", str(interpreter.path)), native=True)
    foreign = _foreign(cell, platform)
    wheels = _ask(cell, lines, (*foreign, "--only-binary", ":all:"), native=False)
    if isinstance(wheels, Answer) or wheels.type != "NoInterpreter":
        return wheels
    sources = _ask(cell, lines, foreign, native=False)
    if isinstance(sources, Answer) or sources.ending is Ending.INFRASTRUCTURE:
        return sources
    return wheels


def _ask(
    cell: Cell, lines: tuple[str, ...], target: tuple[str, ...], *, native: bool
) -> Answer | CellFailure:
    """Run uv, again where the index may answer the next time."""
    if cell.distribution is None:
        raise ValueError(f"{cell.id} has no distribution to resolve")
    attempt = 0
    while True:
        attempt += 1
        with tempfile.TemporaryDirectory() as name:
            completed = _compile(cell, lines, target, Path(name))
            if completed.status == 0:
                note = _DATES_NOTE if NO_DATES in completed.stderr else None
                return Answer((Path(name) / _OUTPUT).read_text(), note)
        failure = classify(
            Stage.RESOLVE, completed, distribution=cell.distribution.name, native=native
        )
        if failure.type not in RETRIED or attempt == _ATTEMPTS:
            return failure


def _compile(
    cell: Cell, lines: tuple[str, ...], target: tuple[str, ...], folder: Path
) -> Completed:
    # Relative names: uv copies them into the lock's comments.
    (folder / _PINS).write_text("\n".join(overrides(cell)))
    return run_uv(
        [
            *("pip", "compile", "--generate-hashes", "--no-header"),
            *("--override", _PINS, "--output-file", _OUTPUT),
            *date_options(cell),
            *target,
            "-",
        ],
        stdin="\n".join(lines) + "\n",
        timeout_seconds=_TIMEOUT_SECONDS,
        directory=folder,
    )


def _foreign(cell: Cell, platform: Platform) -> tuple[str, ...]:
    target = _TARGETS[platform.system, platform.machine]
    own = ("--python", sys.executable)
    return (*own, "--python-version", cell.python, "--python-platform", target)


def _check(requirement: str) -> None:
    # The text may be a model's: it must not become an option, a path or a URL.
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement as error:
        raise ValueError(f"{requirement!r} is no package requirement: {error}") from None
    if parsed.url is not None or "\n" in requirement or "\r" in requirement:
        raise ValueError(f"{requirement!r} is more than a package name with versions")
