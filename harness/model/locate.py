"""Finding the one model a path means: a file, a SavedModel, a checkpoint, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.errors import ModelError, Problem
from harness.model.candidates import Located, Other, checkpoint, is_shard, model_file, models_in
from harness.model.contents import SAVED_MODEL_FILES, inside
from harness.model.detect import ACCEPTED
from harness.model.model import Format
from harness.model.prefixes import INDEX, META, prefix_of
from harness.model.settings import Settings
from harness.untrusted import UntrustedFileError, os_reason

__all__ = ["Located", "exists", "locate"]

_GRAPH = "saved_model.pb"
_TEXT_GRAPH = "saved_model.pbtxt"
_MAX_ENTRIES = 10_000
_MAX_VERSION_DIGITS = 18
_NAMED = 10
"""Most files a message lists."""
_WEIGHTS = (Format.HDF5_WEIGHTS, Format.CHECKPOINT)
_DERIVED = (Format.GRAPH_DEF, Format.TFLITE)


def exists(path: Path) -> bool:
    """Tell whether `path` is there, or is the prefix of a checkpoint that is."""
    return path.exists() or any(
        path.with_name(path.name + suffix).exists() for suffix in (INDEX, META)
    )


def locate(given: Path, settings: Settings) -> Located:
    """Return the model that `given` is or holds, at most one folder deep.

    `settings.path` and `settings.format` choose where a folder holds several.

    `given` exists, at least as a checkpoint's prefix.

    Raises:
        ModelError: there is no model, or more than one.
    """
    path = given if settings.path is None else _chosen(given, settings)
    found = _look(path, settings.format)
    models = [item for item in found if isinstance(item, Located)]
    others = [item for item in found if isinstance(item, Other)]
    if len(models) > 1 and settings.format is not None:
        models = [model for model in models if model.format is settings.format] or models[:1]
    if len(models) > 1:
        # Weights often lie beside the model they were taken from.
        models = [model for model in models if model.format not in _WEIGHTS] or models
        models = _without_derived(models)
    if len(models) > 1:
        raise ModelError([_several(path, models)])
    if not models:
        raise ModelError(_nothing(path, others))
    _check_format(models[0], settings)
    if given.is_dir():
        _check_link(models[0].path, given)
    return models[0]


def _without_derived(models: list[Located]) -> list[Located]:
    """Leave out what was made of a SavedModel and put into its folder."""
    whole = next((model for model in models if model.format is Format.SAVED_MODEL), None)
    if whole is None or not all(
        model is whole or (model.format in _DERIVED and model.path.parent == whole.path)
        for model in models
    ):
        return models
    names = ", ".join(model.path.name for model in models[:_NAMED] if model is not whole)
    note = f"passed over, as it lies in the SavedModel: {names}; give its own path to run it"
    return [replace(whole, notes=(*whole.notes, note))]


def _look(path: Path, wanted: Format | None) -> list[Located | Other]:
    if path.is_dir():
        return list(_scan(path, wanted, depth=0))
    if path.name == _GRAPH:
        folder = path.parent
        note = f"{path} is part of the SavedModel {folder}, which is what is run"
        return [Located(folder, Format.SAVED_MODEL, (note,))]
    if not path.exists():
        return [checkpoint(path.parent, path.name, wanted)]
    if is_shard(path) and (prefix := prefix_of(path.name)) is not None:
        return [checkpoint(path.parent, prefix, wanted)]
    item = model_file(path)
    if isinstance(item, Located) and item.prefix:
        return [checkpoint(path.parent, item.prefix, wanted)]
    return [item] if item is not None else []


def _chosen(given: Path, settings: Settings) -> Path:
    path = given / (settings.path or "")
    if exists(path):
        return path
    what = f"{settings.path!r} does not exist in {given}"
    raise ModelError([Problem(where=settings.where("path"), what=what)])


def _check_format(model: Located, settings: Settings) -> None:
    if settings.format in (None, model.format):
        return
    raise ModelError(
        [
            Problem(
                where=settings.where("format"),
                what=f"{settings.format} is not the format of {model.name}, which is "
                f"{model.format}",
                hint="leave `format` out: formats are told by content",
            )
        ]
    )


def _check_link(path: Path, folder: Path) -> None:
    try:
        inside(path, folder)
    except UntrustedFileError as error:
        hint = "put the file itself in its place, or give its own path"
        raise ModelError([Problem(where=str(path), what=str(error), hint=hint)]) from None


def _scan(folder: Path, wanted: Format | None, *, depth: int) -> Iterator[Located | Other]:
    entries = _entries(folder)
    names = {entry.name for entry in entries}
    folders = [entry for entry in entries if entry.is_dir()]
    passed_over = {_TEXT_GRAPH}
    if _GRAPH in names:
        yield Located(folder, Format.SAVED_MODEL)
        folders, passed_over = [], {_TEXT_GRAPH, *SAVED_MODEL_FILES}
    elif _TEXT_GRAPH in names:
        hint = "save it in binary form (saved_model.pb)"
        yield Other(folder / _TEXT_GRAPH, "is a SavedModel in text form (.pbtxt)", hint)
    versions = [entry for entry in folders if _version(entry) and (entry / _GRAPH).exists()]
    if versions:
        yield _newest(versions)
    files = [entry for entry in entries if entry.name not in passed_over and not entry.is_dir()]
    yield from models_in(folder, files, wanted)
    for entry in folders:
        if depth == 0 and entry not in versions and not entry.name.startswith((".", "__")):
            yield from _scan(entry, wanted, depth=1)


def _entries(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        what = f"cannot be read: {os_reason(error)}"
        raise ModelError([Problem(where=str(folder), what=what)]) from None
    if len(entries) > _MAX_ENTRIES:
        what = f"holds {len(entries)} entries, more than a model's folder has"
        raise ModelError([Problem(where=str(folder), what=what, hint="give the model's own path")])
    return entries


def _version(folder: Path) -> bool:
    """Tell whether a folder is named as TensorFlow Serving names versions."""
    name = folder.name
    return name.isascii() and name.isdigit() and len(name) <= _MAX_VERSION_DIGITS


def _newest(versions: list[Path]) -> Located:
    newest = max(versions, key=lambda folder: int(folder.name))
    if len(versions) == 1:
        return Located(newest, Format.SAVED_MODEL, (f"version {newest.name} is the only one",))
    others = ", ".join(folder.name for folder in versions if folder != newest)
    note = f"version {newest.name} is run, the highest; there are also: {others}"
    return Located(newest, Format.SAVED_MODEL, (note,))


def _several(path: Path, models: list[Located]) -> Problem:
    listed = ", ".join(f"{model.name} ({model.format})" for model in models[:_NAMED])
    more = f" and {len(models) - _NAMED} more" if len(models) > _NAMED else ""
    return Problem(
        where=str(path),
        what=f"holds {len(models)} models: {listed}{more}",
        allowed="one model",
        hint="give the path of one of them, or name it in model.yaml (`path:`)",
    )


def _nothing(path: Path, others: list[Other]) -> list[Problem]:
    if others:
        return [other.problem for other in others[:_NAMED]]
    if path.is_dir() and not _entries(path):
        return [Problem(where=str(path), what="is an empty folder", allowed=ACCEPTED)]
    what = "holds no model" if path.is_dir() else "is no model that is known"
    return [Problem(where=str(path), what=what, allowed=ACCEPTED)]
