"""What there is to show of a Keras model: a `.keras` archive, HDF5, or one in a SavedModel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import ModelError, Problem
from harness.model.details import Details, Fact, Kind
from harness.model.detect import superblock_offset
from harness.model.hdf5 import hdf5_texts
from harness.model.hdf5_tree import Hdf5Array, list_arrays
from harness.model.keras_config import ConfigError, read_json
from harness.model.keras_objects import KerasObjects, find_objects, training_of
from harness.model.keras_zip import WEIGHTS, read_archive
from harness.model.variables import in_hdf5, of_optimizer
from harness.text import one_line
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["hdf5_details", "keras_zip_details", "with_objects"]

_SHOWN = 200
_AGAIN = "copy or save the model again"
_UNTOLD = "its variables are not counted: they cannot be read without h5py, or are compressed"
_NONE = f"it holds no {WEIGHTS}"


def keras_zip_details(path: Path) -> Details:
    """Read what there is to show of a `.keras` archive.

    Raises:
        ModelError: it is damaged.
    """
    archive = read_archive(path, arrays=True)
    compiled = _mapping(archive.config.get("compile_config"))
    objects = find_objects([(archive.config, Kind.MODEL)], archive.keras)
    arrays = archive.arrays
    kept = None if arrays is None else _optimizers(arrays)
    written = {"Keras": archive.keras, "saved": archive.metadata.get("date_saved")}
    return with_objects(
        Details(
            written=tuple(_facts(written)),
            training=training_of(compiled, "compile_config of config.json", kept),
            variables=None if arrays is None else in_hdf5(arrays),
            notes=() if arrays is not None else (_UNTOLD if WEIGHTS in archive.members else _NONE,),
        ),
        objects,
    )


def hdf5_details(path: Path) -> Details:
    """Read what there is to show of a model, or the weights of one, in HDF5.

    Raises:
        ModelError: it is damaged.
    """
    texts = hdf5_texts(path) or {}
    config, compiled = _json(texts.get("model_config")), _json(texts.get("training_config"))
    arrays = _arrays(path)
    kept = None if arrays is None else _optimizers(arrays)
    written = {"Keras": texts.get("keras_version"), "backend": texts.get("backend")}
    parts = [(config, Kind.MODEL), (compiled, Kind.OTHER)]
    return with_objects(
        Details(
            written=tuple(_facts(written)),
            training=training_of(compiled, "the attribute training_config", kept),
            variables=None if arrays is None else in_hdf5(arrays),
            notes=() if arrays is not None else (_UNTOLD,),
        ),
        find_objects(parts, texts.get("keras_version")),
    )


def with_objects(details: Details, objects: KerasObjects) -> Details:
    """Add what a Keras config names."""
    return details.model_copy(
        update={
            "model_class": objects.model_class,
            "layers": objects.layers,
            "custom_objects": objects.custom,
            "lambdas": objects.lambdas,
        }
    )


def _arrays(path: Path) -> tuple[Hdf5Array, ...] | None:
    """Return what arrays the file holds; None where they cannot be listed without h5py."""
    try:
        with open_regular(path.resolve()) as stream:
            start = superblock_offset(stream) or 0
            size = stream.seek(0, 2) - start
            return list_arrays(stream, start, size, base=start)
    except NotImplementedError:
        return None
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error), hint=_AGAIN)]) from None


def _optimizers(arrays: tuple[Hdf5Array, ...]) -> int:
    return of_optimizer([array.name for array in arrays], object_based=None)


def _json(text: str | None) -> Mapping[str, Any]:
    """Return a config; empty where there is none, or none that can be read.

    The one that a model cannot do without was read before.
    """
    try:
        return read_json(text or "")
    except ConfigError:
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _facts(told: Mapping[str, object]) -> Iterator[Fact]:
    for key, value in told.items():
        if isinstance(value, str) and value:
            yield Fact(key=key, value=one_line(value, _SHOWN))
