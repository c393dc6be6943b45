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
        cells = next(folder for folder in self.path.parents if folder.name == "cells")
        return SweepFolder(cells.parent)

    @property
    def observation(self) -> Path:
        """Written last: where it is, everything else of the cell is whole."""
        return self.path / "observation.json"

    @property
    def outputs(self) -> Path:
        """The output arrays, as the probe encoded them."""
        return self.path / "outputs.npz"

    @property
    def repeat(self) -> Path:
        """The outputs of a second inference, where it gave other bits."""
        return self.path / "repeat.npz"

    @property
    def variations(self) -> Path:
        """The folder of what variations of the inference gave, where that had other bits."""
        return self.path / "variations"

    def variation(self, name: str) -> Path:
        """What one of them gave; `float64`: a run of the same graph in float64."""
        return self.variations / f"{name}.npz"

    @property
    def preprocessed(self) -> Path:
        """What `preprocess.py` returned in this environment, by name."""
        return self.path / "preprocessed.npz"

    def loader(self, name: str) -> CellFolder:
        """Return the folder of a further loader: the same files once more."""
        return CellFolder(self.path / "loaders" / name)

    def further(self) -> tuple[CellFolder, ...]:
        """Return the folders of further loaders that are there."""
        return tuple(CellFolder(path) for path in sorted(self.path.glob("loaders/*")))

    @property
    def equal_inputs(self) -> CellFolder:
        """What the first loader came to on the reference's inputs, where its own differ."""
        return CellFolder(self.path / "equal-inputs")

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
        """The inputs every cell was fed: the user's, or what the probe generated.

        Beside `raw`, the inputs all cells are measured against: those that were recorded where
        the model was made, or else what the reference's environment made of `raw`.
        """
        return self.path / "inputs.npz"

    @property
    def raw(self) -> Path:
        """A copy of the model's `raw.npz`, which every cell's `preprocess.py` was given."""
        return self.path / "raw.npz"

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
