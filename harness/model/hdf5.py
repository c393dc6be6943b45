"""Reading a Keras model in HDF5: the attributes of its root group, and whether all of it is there.

Only texts in the root group's attributes are read. Weights, groups and anything that refers to
other places in the file stay untouched: a forged file can send its reader anywhere.
"""

from __future__ import annotations

import os
import struct
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import pyfive
from pyfive.dataobjects import DataObjects
from pyfive.p5t import P5FixedStringType, P5VlenStringType

from harness.errors import ModelError, Problem
from harness.model.detect import superblock_offset
from harness.model.inspected import Inspected
from harness.model.keras_config import ConfigError, keras_signatures, read_json
from harness.model.model import Writer
from harness.text import one_line
from harness.untrusted import BoundedReader, UntrustedFileError, open_regular

__all__ = ["inspect_hdf5", "is_whole_model"]

_MAX_READ_BYTES = 64 * 1024**2
_MAX_TOTAL_BYTES = 256 * 1024**2
_VERSION_CHARACTERS = 100

# Superblock version: where the end-of-file address is (HDF5 file format 3.0, II.A), when offsets
# have 8 bytes.
_END_OF_FILE = {0: 40, 1: 44, 2: 28, 3: 28}
_OFFSET_SIZE = {0: 13, 1: 13, 2: 9, 3: 9}
_SUPERBLOCK_BYTES = 64


def inspect_hdf5(path: Path) -> Inspected:
    """Read who wrote the model and what it takes.

    Raises:
        ModelError: the file is cut off or damaged, or holds weights without a model.
    """
    try:
        attributes = _attributes(path)
    except NotImplementedError:
        note = f"{path.name} uses a part of HDF5 that cannot be read without h5py: not inspected"
        return Inspected(writer=Writer(), notes=(note,))
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error), hint=_AGAIN)]) from None
    if "model_config" not in attributes:
        raise ModelError([_weights_problem(path, attributes)])
    try:
        config = read_json(attributes["model_config"])
    except ConfigError as error:
        what = f"the attribute `model_config` {error}"
        raise ModelError([Problem(where=str(path), what=what, hint=_AGAIN)]) from None
    return Inspected(
        writer=Writer(keras=_version(attributes)),
        signatures=keras_signatures(config),
        notes=_notes(path, attributes),
    )


_AGAIN = "copy or save the model again"


def is_whole_model(path: Path) -> bool:
    """Tell whether an HDF5 file is a model; one that cannot be read counts as one."""
    try:
        return "model_config" in _attributes(path)
    except (NotImplementedError, UntrustedFileError, FileNotFoundError):
        return True


def _attributes(path: Path) -> dict[str, str]:
    with open_regular(path.resolve()) as stream:
        _check_size(stream)
        reader = BoundedReader(stream, max_read=_MAX_READ_BYTES, max_total=_MAX_TOTAL_BYTES)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about attributes of types that no text has
                found = _read_texts(reader)
        except (NotImplementedError, UntrustedFileError):
            raise
        # pyfive trusts the file: a damaged one makes it raise anything at all.
        except Exception as error:
            what = f"is damaged: its attributes cannot be read ({type(error).__name__})"
            raise UntrustedFileError(what) from None
    return found


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


def _read_texts(reader: BoundedReader) -> dict[str, str]:
    with pyfive.File(reader) as file:
        root = file._dataobjects
        found = _TextAttributes(root.fh, root.offset).get_attributes()
    return {
        name: value.decode("utf-8") if isinstance(value, bytes) else str(value)
        for name, value in found.items()
        if isinstance(value, bytes | str)
    }


def _version(attributes: dict[str, str]) -> str | None:
    return one_line(attributes.get("keras_version", ""), _VERSION_CHARACTERS) or None


def _notes(path: Path, attributes: dict[str, str]) -> tuple[str, ...]:
    backend = one_line(attributes.get("backend", "tensorflow"), _VERSION_CHARACTERS)
    if backend == "tensorflow":
        return ()
    return (f"{path.name} was written with the Keras backend {backend}, not tensorflow",)


def _weights_problem(path: Path, attributes: dict[str, str]) -> Problem:
    version = _version(attributes)
    kind = "no Keras model" if version is None else f"only the weights of a Keras {version} model"
    return Problem(
        where=str(path),
        what=f"is HDF5 with {kind}: it has no attribute `model_config`",
        allowed="a whole model",
        hint="save it with `model.save(...)`, not `model.save_weights(...)`",
    )
