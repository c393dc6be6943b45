"""Finding the one model a path means: a file, a SavedModel, or a folder that holds either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ModelError, Problem
from harness.model.contents import inside
from harness.model.detect import ACCEPTED, Foreign, identify
from harness.model.hdf5 import is_whole_model
from harness.model.model import Format
from harness.model.settings import Settings
from harness.untrusted import UntrustedFileError, os_reason

__all__ = ["Located", "locate"]

_GRAPH = "saved_model.pb"
_TEXT_GRAPH = "saved_model.pbtxt"
_MAX_ENTRIES = 10_000
_MAX_VERSION_DIGITS = 18
_NAMED = 10
"""Most files a message lists."""


@dataclass(frozen=True, slots=True)
class Located:
    """A model and its format."""

    path: Path
    """The SavedModel's directory, or the model file."""
    format: Format
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Other:
    """Something that is recognised, or cannot be read, and is no model."""

    path: Path
    what: str
    hint: str | None = None

    @property
    def problem(self) -> Problem:
        return Problem(where=str(self.path), what=self.what, allowed=ACCEPTED, hint=self.hint)


def locate(given: Path, settings: Settings) -> Located:
    """Return the model that `given` is or holds, at most one folder deep.

    `settings.path` and `settings.format` choose where a folder holds several.

    `given` exists.

    Raises:
        ModelError: there is no model, or more than one.
    """
    path = given if settings.path is None else _chosen(given, settings)
    found = _look(path)
    models = [item for item in found if isinstance(item, Located)]
    others = [item for item in found if isinstance(item, _Other)]
    if len(models) > 1 and settings.format is not None:
        models = [model for model in models if model.format is settings.format] or models[:1]
    if len(models) > 1:
        # Weights often lie beside the model they were taken from.
        whole = [m for m in models if m.format is not Format.HDF5 or is_whole_model(m.path)]
        models = whole or models[:1]
    if len(models) > 1:
        raise ModelError([_several(path, models)])
    if not models:
        raise ModelError(_nothing(path, others))
    _check_format(models[0], settings)
    if given.is_dir():
        _check_link(models[0].path, given)
    return models[0]


def _look(path: Path) -> list[Located | _Other]:
    if path.is_dir():
        return list(_scan(path, depth=0))
    if path.name == _GRAPH:
        folder = path.parent
        note = f"{path} is part of the SavedModel {folder}, which is what is run"
        return [Located(folder, Format.SAVED_MODEL, (note,))]
    item = _file(path)
    return [item] if item is not None else []


def _chosen(given: Path, settings: Settings) -> Path:
    path = given / (settings.path or "")
    if path.exists():
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
                what=f"{settings.format} is not the format of {model.path}, which is "
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


def _scan(folder: Path, *, depth: int) -> Iterator[Located | _Other]:
    entries = _entries(folder)
    names = {entry.name for entry in entries}
    folders = [entry for entry in entries if entry.is_dir()]
    if _GRAPH in names:
        yield Located(folder, Format.SAVED_MODEL)
        folders = []
    elif _TEXT_GRAPH in names:
        hint = "save it in binary form (saved_model.pb)"
        yield _Other(folder / _TEXT_GRAPH, "is a SavedModel in text form (.pbtxt)", hint)
    versions = [entry for entry in folders if _version(entry) and (entry / _GRAPH).exists()]
    if versions:
        yield _newest(versions)
    for entry in entries:
        if entry in versions or entry.name in (_GRAPH, _TEXT_GRAPH):
            continue
        if entry.is_dir():
            if depth == 0 and entry in folders and not entry.name.startswith((".", "__")):
                yield from _scan(entry, depth=1)
        elif entry.suffix != ".npz" and (item := _file(entry)) is not None:
            yield item


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


def _file(path: Path) -> Located | _Other | None:
    try:
        kind = identify(path.resolve(strict=True))
    except UntrustedFileError as error:
        return _Other(path, str(error))
    except FileNotFoundError:
        return _Other(path, "is a link that leads nowhere")
    except (OSError, RuntimeError):  # how links in a circle are reported depends on the Python
        return _Other(path, "is a symbolic link in a circle")
    if isinstance(kind, Foreign):
        return _Other(path, f"is {kind.what}", kind.hint)
    return Located(path, kind) if kind is not None else None


def _several(path: Path, models: list[Located]) -> Problem:
    listed = ", ".join(f"{model.path} ({model.format})" for model in models[:_NAMED])
    more = f" and {len(models) - _NAMED} more" if len(models) > _NAMED else ""
    return Problem(
        where=str(path),
        what=f"holds {len(models)} models: {listed}{more}",
        allowed="one model",
        hint="give the path of one of them, or name it in model.yaml (`path:`)",
    )


def _nothing(path: Path, others: list[_Other]) -> list[Problem]:
    if others:
        return [other.problem for other in others[:_NAMED]]
    if path.is_dir() and not _entries(path):
        return [Problem(where=str(path), what="is an empty folder", allowed=ACCEPTED)]
    what = "holds no model" if path.is_dir() else "is no model that is known"
    return [Problem(where=str(path), what=what, allowed=ACCEPTED)]
