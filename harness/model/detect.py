"""What a file is, told by its content and never by its name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness.model.contents import POINTER
from harness.model.meta_graph import is_meta_graph
from harness.model.model import Format
from harness.model.table import TABLE_END
from harness.untrusted import UntrustedFileError, open_regular, open_zip

__all__ = ["ACCEPTED", "HDF5_SIGNATURE", "Foreign", "identify", "superblock_offset"]

ACCEPTED = (
    "a SavedModel directory, a .keras archive, a Keras model or its weights in HDF5, a TensorFlow "
    "checkpoint, a frozen graph (.pb), a TensorFlow Lite model"
)
"""What `Format` means, for messages."""

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

_START_BYTES = 4_096
_ZIP = b"PK\x03\x04"
_TFLITE = (4, b"TFL3")
_OPERATION = re.compile(rb"[A-Za-z_][A-Za-z0-9_>]{0,200}")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A file that is recognised but is no model the harness accepts."""

    what: str
    """Completes `FILE is ...`."""
    hint: str | None = None


_SAVE_IN_BINARY = "save it in binary form (.pb)"
_MARKS = (
    (
        POINTER,
        Foreign(
            "a git-lfs pointer, not the file it stands for",
            hint="run `git lfs pull` where the model was checked out",
        ),
    ),
    (
        b"saved_model_schema_version",
        Foreign("a SavedModel in text form (.pbtxt)", hint=_SAVE_IN_BINARY),
    ),
    (b"node {", Foreign("a graph in text form (.pbtxt)", hint=_SAVE_IN_BINARY)),
    (b"meta_info_def {", Foreign("a graph in text form (.pbtxt)", hint=_SAVE_IN_BINARY)),
    (
        b"\x08\x01\x12",
        Foreign(
            "the graph of a SavedModel without its directory",
            hint="call it saved_model.pb and put `variables` and `assets` beside it",
        ),
    ),
)


def identify(path: Path) -> Format | Foreign | None:
    """Return what the regular file `path` is; None where it is nothing that is known.

    An HDF5 file counts as a whole model here: only its attributes tell (`harness.model.hdf5`). The
    index of a checkpoint stands for all of it.

    Raises:
        UntrustedFileError: it is not a regular file, or cannot be read.
        FileNotFoundError: it is not there.
    """
    with open_regular(path) as stream:
        start = stream.read(_START_BYTES)
        if start.startswith(_ZIP):
            return _identify_zip(stream)
        if superblock_offset(stream) is not None:
            return Format.HDF5
        return _known_start(start) or _by_structure(stream, start)


def superblock_offset(stream: BinaryIO) -> int | None:
    """Return where the HDF5 superblock is: at 0, 512, 1024, 2048 and so on, or nowhere.

    HDF5 file format specification 3.0, II.A.
    """
    size = os.fstat(stream.fileno()).st_size
    offset = 0
    while offset + len(HDF5_SIGNATURE) <= size:
        stream.seek(offset)
        if stream.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
            return offset
        offset = 2 * offset or 512
    return None


def _identify_zip(stream: BinaryIO) -> Format | Foreign | None:
    stream.seek(0)
    try:
        with open_zip(stream) as archive:
            names = set(archive.namelist())
    except UntrustedFileError as error:
        return Foreign(f"a zip archive that {error}", hint="copy or save the model again")
    return Format.KERAS if {"config.json", "metadata.json"} <= names else None


def _known_start(start: bytes) -> Format | Foreign | None:
    if not start:
        return Foreign("empty", hint="copy or save the model again")
    offset, mark = _TFLITE
    if start[offset:].startswith(mark):
        return Format.TFLITE
    return next((foreign for begin, foreign in _MARKS if start.startswith(begin)), None)


def _by_structure(stream: BinaryIO, start: bytes) -> Format | None:
    if _first_node(start):
        return Format.GRAPH_DEF
    size = os.fstat(stream.fileno()).st_size
    stream.seek(max(0, size - len(TABLE_END)))
    if stream.read() == TABLE_END:
        return Format.CHECKPOINT
    return Format.META_GRAPH if start.startswith(b"\n") and is_meta_graph(stream) else None


def _first_node(start: bytes) -> bool:
    """Tell whether this begins like a GraphDef: a NodeDef, which begins with name and operation."""
    position = _length(start, 0, b"\n")[1]
    name, position = _length(start, position, b"\n")
    operation, position = _length(start, position + name, b"\x12")
    return bool(_OPERATION.fullmatch(start[position : position + operation])) and operation > 0


def _length(data: bytes, position: int, tag: bytes) -> tuple[int, int]:
    """Return the length that follows `tag` at `position` and where its bytes begin; else zeros."""
    if position < 0 or data[position : position + 1] != tag:
        return 0, len(data)
    length = shift = 0
    for index in range(position + 1, min(position + 6, len(data))):
        length |= (data[index] & 0x7F) << shift
        shift += 7
        if data[index] < 0x80:  # noqa: PLR2004  (the last byte of a varint)
            return length, index + 1
    return 0, len(data)
