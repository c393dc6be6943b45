"""The folders that runs write into."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["new_run"]


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
        shutil.rmtree(out, ignore_errors=True)
