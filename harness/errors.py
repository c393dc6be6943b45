"""Every error a user can meet, each with its exit code.

A message says what happened, where, what is allowed and what to do. These end the harness; a cell
that fails is never one of them: it is data (`harness.observation`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "BasesError",
    "HarnessError",
    "IndexUnavailableError",
    "InterruptedSweepError",
    "MatrixError",
    "ModelError",
    "NoEngineError",
    "NoReferenceError",
    "NothingSelectedError",
    "Problem",
    "ResultsError",
    "UsageError",
    "nearest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in something the user wrote.

    `where` is a place a person can go to: `matrix.yaml:7 python[2]`.
    """

    where: str
    what: str
    allowed: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}"]
        if self.allowed is not None:
            lines.append(f"  allowed: {self.allowed}")
        if self.hint is not None:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class HarnessError(Exception):
    """Base of what ends the harness; its text is shown to the user as it is."""

    exit_code: ClassVar[int]


class UsageError(HarnessError):
    """The command line is wrong."""

    exit_code = 2


class _ProblemsError(HarnessError):
    """Everything that is wrong with one file or folder, reported at once."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MatrixError(_ProblemsError):
    """`matrix.yaml` is missing, not YAML, or says something impossible."""


class ModelError(_ProblemsError):
    """`model_dir` holds no model, more than one, a broken one, or unusable inputs."""


class BasesError(_ProblemsError):
    """`bases.yaml` is missing, not YAML, says something impossible, or cannot be written."""


class NothingSelectedError(HarnessError):
    """The matrix or `--only` left no cell to run."""

    exit_code = 3


class NoEngineError(HarnessError):
    """The engine that was asked for cannot be used on this machine."""

    exit_code = 4


class ResultsError(HarnessError):
    """Results cannot be read or written (disk full, no permission, other schema)."""

    exit_code = 5


class NoReferenceError(HarnessError):
    """The reference that was asked for does not exist or has no outputs."""

    exit_code = 6


class IndexUnavailableError(HarnessError):
    """The package index does not answer and nothing is cached."""

    exit_code = 7


class InterruptedSweepError(HarnessError):
    """The user stopped the sweep; the same command resumes it."""

    exit_code = 130


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """Return the "did you mean" hint for `word`, or None where nothing is near."""
    matches = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else None
