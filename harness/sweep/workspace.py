"""The folders that runs write into, and what becomes of a run when the machine refuses them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.environments.engine import CellFailure, RunOutcome
from harness.environments.folders import remove_tree
from harness.observation import Ending, Stage

__all__ = ["new_run", "refused_by_machine", "unless_full"]

_ROOM_BYTES = 1024**2
"""With less room than this left, even a report may have been too much."""


@contextmanager
def new_run(workspace: Path) -> Iterator[Path]:
    """Make an empty folder for what one run writes; remove it afterwards.

    The run may have another user id, so everyone may write in it; `workspace` is private and keeps
    other users of this machine out.
    """
    out = Path(tempfile.mkdtemp(prefix="out-", dir=workspace))
    out.chmod(0o777)
    try:
        yield out
    finally:
        remove_tree(out)


def unless_full(out: Path, outcome: RunOutcome) -> RunOutcome:
    """Return `outcome`, but infrastructure where the run broke and the disk of `out` is full.

    A run that cannot write breaks at any stage, in ways that look like the model's own.
    """
    broke = outcome.ending in (Ending.EXIT, Ending.SIGNAL)
    if not broke or shutil.disk_usage(out).free >= _ROOM_BYTES:
        return outcome
    message = (
        f"no space is left in {tempfile.gettempdir()}, where runs write:"
        " free some, or name another place with TMPDIR"
    )
    return outcome.model_copy(update={"ending": Ending.INFRASTRUCTURE, "message": message})


def refused_by_machine(error: OSError) -> CellFailure:
    """Return what becomes of a cell whose run could not be prepared on this machine."""
    return CellFailure(
        stage=Stage.START,
        ending=Ending.INFRASTRUCTURE,
        type="MachineError",
        message=f"{error.filename or tempfile.gettempdir()}: {error.strerror or error}",
    )
