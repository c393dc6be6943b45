"""What a file or a checkpoint's prefix is: a model, or something that only looks like one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ModelError, Problem
from harness.model.checkpoint import read_checkpoint_index
from harness.model.detect import ACCEPTED, Foreign, identify
from harness.model.model import Format
from harness.model.prefixes import INDEX, META, latest, prefix_of
from harness.untrusted import UntrustedFileError

__all__ = ["Located", "Other", "checkpoint", "is_shard", "model_file", "models_in"]

_OF_CHECKPOINTS = (Format.CHECKPOINT, Format.META_GRAPH)


@dataclass(frozen=True, slots=True)
class Located:
    """A model and its format."""

    path: Path
    """The SavedModel's directory, the folder of a checkpoint, or the model file."""
    format: Format
    notes: tuple[str, ...] = ()
    prefix: str = ""
    """What the names of a checkpoint's files begin with."""

    @property
    def name(self) -> str:
        """The model as a person would name it."""
        return str(self.path / self.prefix)


@dataclass(frozen=True, slots=True)
class Other:
    """Something that is recognised, or cannot be read, and is no model."""

    path: Path
    what: str
    hint: str | None = None

    @property
    def problem(self) -> Problem:
        """What to tell the user."""
        return Problem(where=str(self.path), what=self.what, allowed=ACCEPTED, hint=self.hint)


def model_file(path: Path) -> Located | Other | None:
    """Return what a file is, told by its content; None where it is nothing that is known.

    The index of a checkpoint, and its graph, stand for all of it.
    """
    try:
        kind = identify(path.resolve(strict=True))
        if kind is Format.HDF5:
            from harness.model.hdf5 import hdf5_format  # noqa: PLC0415  (its library takes a while)

            kind = hdf5_format(path) or _NOT_KERAS
    except UntrustedFileError as error:
        return Other(path, str(error))
    except FileNotFoundError:
        return Other(path, "is a link that leads nowhere")
    except (OSError, RuntimeError):  # how links in a circle are reported depends on the Python
        return Other(path, "is a symbolic link in a circle")
    if isinstance(kind, Foreign):
        return Other(path, f"is {kind.what}", kind.hint)
    if kind in _OF_CHECKPOINTS:
        return _part(path, kind)
    return Located(path, kind) if kind is not None else None


_NOT_KERAS = Foreign("HDF5 that holds neither a Keras model nor the weights of one")


def _part(path: Path, kind: Format) -> Located | Other:
    """Return the checkpoint a file belongs to, by the name that TensorFlow looks for."""
    suffix = INDEX if kind is Format.CHECKPOINT else META
    if path.name.endswith(suffix) and path.name != suffix:
        return Located(path.parent, kind, prefix=path.name.removesuffix(suffix))
    misnamed = f"but is not called PREFIX{suffix}, as TensorFlow wants it"
    rename = f"call it as its data: PREFIX{suffix} beside PREFIX.data-..."
    if kind is Format.META_GRAPH:
        return Other(path, f"is the graph of a TensorFlow 1 checkpoint, {misnamed}", rename)
    if path.with_name(path.name + META).exists():  # the old format: PREFIX itself has the values
        return Located(path.parent, Format.META_GRAPH, prefix=path.name)
    try:
        read_checkpoint_index(path)
    except ModelError as error:
        return Other(path, error.problems[0].what, error.problems[0].hint)
    return Other(path, f"is the index of a TensorFlow checkpoint, {misnamed}", rename)


def models_in(
    folder: Path, files: Iterable[Path], wanted: Format | None
) -> Iterator[Located | Other]:
    """Yield the models among the files of a folder; those of one checkpoint are one."""
    prefixes = set()
    for file in files:
        if file.suffix == ".npz" or is_shard(file):
            continue
        item = model_file(file)
        if isinstance(item, Located) and item.format in _OF_CHECKPOINTS:
            prefixes.add(item.prefix)
        elif item is not None:
            yield item
    for one in latest(folder, prefixes):
        yield replace(checkpoint(folder, one.prefix, wanted), notes=one.notes)


def is_shard(file: Path) -> bool:
    """Tell whether a file holds a checkpoint's bytes, which say nothing of what they are."""
    prefix = prefix_of(file.name)
    is_data = prefix is not None and file.name.startswith(f"{prefix}.data-")
    return is_data and file.with_name(f"{prefix}{INDEX}").exists()


def checkpoint(folder: Path, prefix: str, wanted: Format | None) -> Located:
    """Return a checkpoint: with its graph where that is there, unless its weights are wanted."""
    graph = folder / f"{prefix}{META}"
    index = folder / f"{prefix}{INDEX}"
    plain = not graph.exists() or (wanted is Format.CHECKPOINT and index.exists())
    format_ = Format.CHECKPOINT if plain else Format.META_GRAPH
    return Located(folder, format_, prefix=prefix)
