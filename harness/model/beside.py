"""What lies beside a model: inputs, expected outputs, labels, settings and code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.model.settings import SETTINGS_FILE, Settings, load_settings

__all__ = ["Beside", "find_beside"]

_ARRAYS = ("inputs.npz", "expected.npz", "labels.npz")
_CODE = ("build.py", "custom_objects.py", "preprocess.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The files beside a model that are there."""

    root: Path
    """Where inputs, expected outputs and labels lie; the model's folder where there are none."""
    inputs: Path | None
    expected: Path | None
    labels: Path | None
    settings: Settings
    run: tuple[Path, ...]
    """What changes how the model is run: code and settings."""
    notes: tuple[str, ...]


def find_beside(given: Path) -> Beside:
    """Look in the folder the user gave, or that of the file, and then in the one above.

    The arrays are one group: they are taken from the first folder that has any of them, so that
    several models of one task, each in a folder of its own, share them.

    Raises:
        ModelError: everything that is wrong with `model.yaml`.
    """
    folder = given if given.is_dir() else given.parent
    chain = (folder, Path(os.path.normpath(folder / "..")))
    root = _first_with(chain, _ARRAYS) or folder
    arrays = [_there(root / name) for name in _ARRAYS]
    notes = []
    if root != folder:
        names = ", ".join(file.name for file in arrays if file is not None)
        notes.append(f"{names}: taken from {root}, the folder above the model's")
    settings, file = Settings(), None
    if (place := _first_with(chain, (SETTINGS_FILE,))) is not None:
        file = place / SETTINGS_FILE
        settings = load_settings(file)
        if place != folder:
            notes.append(f"{SETTINGS_FILE}: taken from {place}, the folder above the model's")
        if place != given:
            settings, said = _of_a_named_model(settings, file)
            notes += said
    code = (_there(folder / name) or _there(root / name) for name in _CODE)
    return Beside(
        root=root,
        inputs=arrays[0],
        expected=arrays[1],
        labels=arrays[2],
        settings=settings,
        run=tuple(found for found in (*code, file) if found is not None),
        notes=tuple(notes),
    )


def _of_a_named_model(settings: Settings, file: Path) -> tuple[Settings, list[str]]:
    """Leave out what tells a folder's model, where the user gave the model's own path."""
    told = [key for key in ("format", "name", "path") if getattr(settings, key) is not None]
    if not told:
        return settings, []
    note = f"{', '.join(told)} of {file} not used: they are about its folder, not a path in it"
    return settings.model_copy(update=dict.fromkeys(told)), [note]


def _first_with(folders: tuple[Path, ...], names: tuple[str, ...]) -> Path | None:
    for folder in folders:
        if any(_there(folder / name) for name in names):
            return folder
    return None


def _there(path: Path) -> Path | None:
    # A link that leads nowhere is there too: it is an error, not an absence.
    return path if os.path.lexists(path) else None
