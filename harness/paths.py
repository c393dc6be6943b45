"""Where the harness keeps what can be made again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["cache_directory"]


def cache_directory() -> Path:
    """Return the harness's cache folder: `$HARNESS_CACHE`, else the user's cache folder.

    It holds index answers, locks, wheels and venvs; `harness clean` empties it.
    """
    chosen = os.environ.get("HARNESS_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("tensorflow-environment-matrix", appauthor=False))
