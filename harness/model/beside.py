"""What lies beside a model: inputs, expected outputs, labels, settings and code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Problem
from harness.model.model import Code
from harness.model.settings import SETTINGS_FILE, Settings, load_settings

__all__ = ["Beside", "find_beside"]

_ARRAYS = ("raw.npz", "inputs.npz", "expected.npz", "labels.npz")
_CODE = ("build.py", "custom_objects.py", "preprocess.py")
_CAPTURED = "captured.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The files beside a model that are there."""

    root: Path
    """Where inputs, expected outputs and labels lie; the model's folder where there are none."""
    raw: Path | None
    """Only where there is a `preprocess.py` to be given it."""
    inputs: Path | None
    expected: Path | None
    labels: Path | None
    captured: Path | None
    code: Code
    settings: Settings
    run: tuple[Path, ...]
    """What changes how the model is run: code and settings."""
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]
    """Of files that do not go together."""


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
    raw, inputs, expected, labels = (_there(root / name) for name in _ARRAYS)

    def near(name: str) -> Path | None:
        return _there(folder / name) or _there(root / name)

    settings, file, notes = _settings(chain, given)
    if root != folder:
        arrays = (raw, inputs, expected, labels)
        names = ", ".join(file.name for file in arrays if file is not None)
        notes.insert(0, f"{names}: taken from {root}, the folder above the model's")
    code = Code(**{Path(name).stem: near(name) for name in _CODE})
    if raw is None and code.preprocess is not None:
        notes.append("preprocess.py is not run: there is no raw.npz to give it")
    run = (code.build, code.custom_objects, code.preprocess, file)
    return Beside(
        root=root,
        raw=raw if code.preprocess is not None else None,
        inputs=inputs,
        expected=expected,
        labels=labels,
        captured=near(_CAPTURED),
        code=code,
        settings=settings,
        run=tuple(found for found in run if found is not None),
        notes=tuple(notes),
        problems=() if raw is None or code.preprocess is not None else (_nothing_takes(raw),),
    )


def _settings(chain: tuple[Path, ...], given: Path) -> tuple[Settings, Path | None, list[str]]:
    """Return what `model.yaml` says, the file, and what there is to say of it."""
    place = _first_with(chain, (SETTINGS_FILE,))
    if place is None:
        return Settings(), None, []
    file, notes = place / SETTINGS_FILE, []
    settings = load_settings(file)
    if place != chain[0]:
        notes.append(f"{SETTINGS_FILE}: taken from {place}, the folder above the model's")
    if place != given:
        settings, said = _of_a_named_model(settings, file)
        notes += said
    return settings, file, notes


def _nothing_takes(raw: Path) -> Problem:
    return Problem(
        where=str(raw),
        what="is there, but no preprocess.py that takes it",
        allowed="a preprocess.py with `preprocess(raw)`, which returns the model's inputs",
        hint="without preprocessing, call what the model is fed inputs.npz",
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
