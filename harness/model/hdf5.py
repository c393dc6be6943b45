"""Reading a Keras model, or the weights of one, in HDF5: what it is, and whether all is there.

Of the root group's attributes only texts are read; of the groups, their names. Weights and
anything that refers to other files stay untouched: a forged file can send its reader anywhere.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyfive
from pyfive.dataobjects import DataObjects
from pyfive.p5t import P5FixedStringType, P5VlenStringType

from harness.errors import ModelError, Problem
from harness.model.detect import superblock_offset
from harness.model.embeddings import embedding_ranges
from harness.model.inspected import Inspected
from harness.model.keras_config import ConfigError, keras_signatures, read_json
from harness.model.model import Format, Writer
from harness.text import one_line
from harness.untrusted import BoundedReader, UntrustedFileError, open_regular

__all__ = ["hdf5_format", "hdf5_texts", "inspect_hdf5", "inspect_hdf5_weights"]

_MAX_READ_BYTES = 64 * 1024**2
_MAX_TOTAL_BYTES = 256 * 1024**2
_MAX_LINK_BYTES = 8 * 1024**2
_MAX_GROUPS = 300
_MAX_LINKS = 2_000
"""Of one group. Weights of Keras 3 lie at most a few groups deep, and any of them will do."""
_MAX_DEPTH = 6
_VERSION_CHARACTERS = 100

# Superblock version: where the end-of-file address is (HDF5 file format 3.0, II.A), when offsets
# have 8 bytes.
_END_OF_FILE = {0: 40, 1: 44, 2: 28, 3: 28}
_OFFSET_SIZE = {0: 13, 1: 13, 2: 9, 3: 9}
_SUPERBLOCK_BYTES = 64


@dataclass(frozen=True, slots=True)
class _Root:
    """What the root group of a file says."""

    texts: Mapping[str, str]
    """Attributes that are single texts."""
    names: Collection[str]
    """All attributes."""
    weights: bool
    """A group below it holds weights as Keras 3 writes them: named `vars`."""


def inspect_hdf5(path: Path) -> Inspected:
    """Read who wrote a whole model and what it takes.

    Raises:
        ModelError: the file is cut off or damaged.
    """
    root = _opened(path)
    if root is None:
        return Inspected(writer=Writer(), notes=(_not_inspected(path),))
    try:
        config = read_json(root.texts.get("model_config", ""))
    except ConfigError as error:
        what = f"the attribute `model_config` {error}"
        raise ModelError([Problem(where=str(path), what=what, hint=_AGAIN)]) from None
    return Inspected(
        writer=Writer(keras=_version(root)),
        signatures=keras_signatures(config),
        ranges=embedding_ranges(config),
        notes=_notes(path, root),
    )


def inspect_hdf5_weights(path: Path) -> Inspected:
    """Read who wrote the weights of a model, where that is said: Keras 3 does not say it.

    Raises:
        ModelError: the file is cut off or damaged.
    """
    root = _opened(path)
    if root is None:
        return Inspected(writer=Writer(), notes=(_not_inspected(path),))
    return Inspected(writer=Writer(keras=_version(root)), notes=_notes(path, root))


_AGAIN = "copy or save the model again"


def hdf5_texts(path: Path) -> Mapping[str, str] | None:
    """Return the texts among the root group's attributes; None where they need h5py.

    Raises:
        ModelError: the file is cut off or damaged.
    """
    root = _opened(path)
    return None if root is None else root.texts


def hdf5_format(path: Path) -> Format | None:
    """Return what an HDF5 file is; None where it is nothing of Keras.

    One that cannot be read counts as a whole model: reading it says what is wrong.
    """
    try:
        root = _root(path)
    except (NotImplementedError, UntrustedFileError, FileNotFoundError):
        return Format.HDF5
    if "model_config" in root.names:
        return Format.HDF5
    # Names beyond 64 KB are split: layer_names0, layer_names1 and so on.
    if root.weights or not {"layer_names", "layer_names0"}.isdisjoint(root.names):
        return Format.HDF5_WEIGHTS
    return None


def _opened(path: Path) -> _Root | None:
    """Return what the file says; None where it cannot be read without h5py."""
    try:
        return _root(path)
    except NotImplementedError:
        return None
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error), hint=_AGAIN)]) from None


def _root(path: Path) -> _Root:
    with open_regular(path.resolve()) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about attributes of types that no text has
        _check_size(stream)
        try:
            return _read(stream)
        except (NotImplementedError, UntrustedFileError):
            raise
        # pyfive trusts the file: a damaged one makes it raise anything at all.
        except Exception as error:
            what = f"is damaged: its attributes cannot be read ({type(error).__name__})"
            raise UntrustedFileError(what) from None


def _check_size(stream: BinaryIO) -> None:
    offset = superblock_offset(stream)
    stream.seek(offset or 0)
    block = stream.read(_SUPERBLOCK_BYTES)
    version = block[8] if len(block) > 8 else None  # noqa: PLR2004  (after the signature)
    if offset is None or version not in _END_OF_FILE or len(block) < _SUPERBLOCK_BYTES:
        raise UntrustedFileError("is damaged: it has no HDF5 superblock that is known")
    if block[_OFFSET_SIZE[version]] != 8:  # noqa: PLR2004
        raise NotImplementedError
    (end,) = struct.unpack_from("<Q", block, _END_OF_FILE[version])
    size = os.fstat(stream.fileno()).st_size
    if end > size:
        raise UntrustedFileError(f"is cut off: {size} of {end} bytes are there")


class _TextAttributes(DataObjects):  # type: ignore[misc]  # pyfive has no types
    """An object header of which only single texts are read.

    Sequences and references could make pyfive follow the same few bytes for ever.
    """

    def _attr_value(self, ptype: Any, buf: Any, count: int, offset: int) -> Any:
        if count != 1 or not isinstance(ptype, P5FixedStringType | P5VlenStringType):
            return [None]
        return super()._attr_value(ptype, buf, count, offset)


def _read(stream: BinaryIO) -> _Root:
    reader = BoundedReader(stream, max_read=_MAX_READ_BYTES, max_total=_MAX_TOTAL_BYTES)
    with pyfive.File(reader) as file:
        root = file._dataobjects
        found = _TextAttributes(root.fh, root.offset).get_attributes()
        links = BoundedReader(stream, max_read=_MAX_LINK_BYTES, max_total=_MAX_LINK_BYTES)
        weights = "model_config" not in found and _has_weights(links, root.offset)
    texts = {
        name: value.decode("utf-8") if isinstance(value, bytes) else str(value)
        for name, value in found.items()
        if isinstance(value, bytes | str)
    }
    return _Root(texts=texts, names=frozenset(found), weights=weights)


def _has_weights(reader: BoundedReader, root: int) -> bool:
    """Tell whether a group named `vars` is near the root."""
    waiting, seen = deque([(root, 0)]), {root}
    while waiting and len(seen) <= _MAX_GROUPS:
        offset, depth = waiting.popleft()
        links = dict(islice(DataObjects(reader, offset).iter_links(), _MAX_LINKS))
        if "vars" in links:
            return True
        for address in links.values():
            # A soft link is a text, and leads anywhere.
            if isinstance(address, int) and address not in seen and depth < _MAX_DEPTH:
                seen.add(address)
                waiting.append((address, depth + 1))
    return False


def _version(root: _Root) -> str | None:
    return one_line(root.texts.get("keras_version", ""), _VERSION_CHARACTERS) or None


def _notes(path: Path, root: _Root) -> tuple[str, ...]:
    backend = one_line(root.texts.get("backend", "tensorflow"), _VERSION_CHARACTERS)
    if backend == "tensorflow":
        return ()
    return (f"{path.name} was written with the Keras backend {backend}, not tensorflow",)


def _not_inspected(path: Path) -> str:
    return f"{path.name} uses a part of HDF5 that cannot be read without h5py: not inspected"
