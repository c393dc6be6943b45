"""The name a model has in `results/`, from where it lies."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["model_name"]

_GENERIC = re.compile(
    r"[0-9]+|((best|final|keras|my|saved|trained)[_-]?)?model|keras|h5|hdf5|export(ed)?|serving"
    r"|(model[._-])?(ckpt|checkpoint|weights)s?([._-]?[0-9]+)?|frozen([_-]?(inference_)?graph)?"
    r"|graph|tflite|variables",
    re.I,
)
"""Folders and files that half the models of the world are called."""
_PARENTS = 3
_LENGTH = 100


def model_name(given: Path) -> str:
    """Return a folder name for the model the user gave, safe on every system.

    Where the name says nothing, its folder's is put before it: `digits-savedmodel`.
    """
    path = given.absolute()
    parts = [path.name]
    stem = path.stem if path.is_file() else path.name
    for parent in list(path.parents)[:_PARENTS]:
        if not _GENERIC.fullmatch(stem) or not parent.name:
            break
        parts.insert(0, parent.name)
        stem = parent.name
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)).strip("-.")
    return safe[-_LENGTH:].lstrip("-.") or "model"
