"""Where everything lies under `results/`, and how an unwritable place is said."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ResultsError

__all__ = ["CellFolder", "SweepFolder", "reading", "writing"]


@dataclass(frozen=True, slots=True)
class CellFolder:
    """The files of one cell in one sweep."""

    path: Path

    @property
    def sweep(self) -> SweepFolder:
        """The sweep it belongs to."""
        return SweepFolder(self.path.parent.parent)

    @property
    def observation(self) -> Path:
        """Written last: where it is, everything else of the cell is whole."""
        return self.path / "observation.json"

    @property
    def outputs(self) -> Path:
        """The output arrays, as the probe encoded them."""
        return self.path / "outputs.npz"

    @property
    def log(self) -> Path:
        """What resolving, building and running printed."""
        return self.path / "probe.log"

    @property
    def lock(self) -> Path:
        """Every package with its hashes."""
        return self.path / "requirements.lock"


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """The files of one sweep: `results/<model name>/<sweep id>`."""

    path: Path

    @property
    def id(self) -> str:
        """The sweep id."""
        return self.path.name

    @property
    def record(self) -> Path:
        """What was swept, and when."""
        return self.path / "sweep.json"

    @property
    def inputs(self) -> Path:
        """The inputs every cell was fed: the user's, or what the probe generated."""
        return self.path / "inputs.npz"

    @property
    def expected(self) -> Path:
        """A copy of the model's `expected.npz`, so that judging again needs only this folder."""
        return self.path / "expected.npz"

    @property
    def labels(self) -> Path:
        """A copy of the model's `labels.npz`."""
        return self.path / "labels.npz"

    @property
    def table_json(self) -> Path:
        """The table, for machines."""
        return self.path / "table.json"

    @property
    def table_markdown(self) -> Path:
        """The table, for pages and pull requests."""
        return self.path / "table.md"

    def cell(self, cell_id: str) -> CellFolder:
        """Return the folder of one cell."""
        return CellFolder(self.path / "cells" / cell_id)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a `ResultsError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"{path}: results cannot be read ({error.strerror})\n"
            "  Name another folder with --results DIR."
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a `ResultsError` that says what to do."""
    try:
        yield
    except OSError as error:
        refused = error.filename or path
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResultsError(
                f"{refused}: no space left to write results\n"
                "  What was observed so far is kept. Free some space, or name another place with\n"
                "  --results DIR, and run the same command again: it goes on where it stopped."
            ) from error
        raise ResultsError(
            f"{refused}: results cannot be written ({error.strerror})\n"
            "  Name a folder that can be written with --results DIR."
        ) from error
