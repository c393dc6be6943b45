"""Reading a `.keras` archive: who wrote it and what it takes. Nothing is unpacked."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from harness.errors import ModelError, Problem
from harness.model.embeddings import embedding_ranges
from harness.model.hdf5_tree import Hdf5Array, list_arrays
from harness.model.inspected import Inspected
from harness.model.keras_config import ConfigError, keras_signatures, read_json
from harness.model.model import Writer
from harness.text import one_line
from harness.untrusted import ZIP_ERRORS, UntrustedFileError, open_regular, open_zip

__all__ = ["WEIGHTS", "KerasArchive", "inspect_keras", "read_archive"]

_JSON_BYTES = 64 * 1024**2
_UNPACKED_BYTES = 256 * 1024**3
_RATIO = 200
"""Keras stores weights as they are; deflate on real weights saves a few per cent."""
_RATIO_FROM_BYTES = 256 * 1024**2
_VERSION_CHARACTERS = 100
WEIGHTS: Final = "model.weights.h5"
"""The member that holds the variables."""
_COMPRESSED_BYTES = 64 * 1024**2
"""Keras does not compress weights; somebody else may have."""
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasArchive:
    """What is in an archive."""

    config: Mapping[str, Any]
    metadata: Mapping[str, Any]
    members: Mapping[str, int]
    """Name to size in bytes, unpacked."""
    arrays: tuple[Hdf5Array, ...] | None
    """What the weights are; None where that was not asked for, or cannot be told."""

    @property
    def keras(self) -> str | None:
        """The version of Keras that wrote it."""
        version = self.metadata.get("keras_version")
        shown = one_line(version, _VERSION_CHARACTERS) if isinstance(version, str) else None
        return shown or None


def inspect_keras(path: Path) -> Inspected:
    """Read `config.json` and `metadata.json` of the archive.

    Raises:
        ModelError: the archive is damaged, holds names that leave it, unpacks to absurd sizes, or
            its JSON is none.
    """
    archive = read_archive(path)
    return Inspected(
        writer=Writer(keras=archive.keras),
        signatures=keras_signatures(dict(archive.config)),
        ranges=embedding_ranges(archive.config),
    )


def read_archive(path: Path, *, arrays: bool = False) -> KerasArchive:
    """Read the archive's JSON, and with `arrays` list what its weights are.

    Raises:
        ModelError: as `inspect_keras`, or its weights are damaged.
    """
    try:
        with open_regular(path.resolve()) as stream, open_zip(stream) as archive:
            members = archive.infolist()
            _check_members(members)
            return KerasArchive(
                config=read_json(_read(archive, "config.json")),
                metadata=read_json(_read(archive, "metadata.json")),
                members={member.filename: member.file_size for member in members},
                arrays=_arrays(stream, archive) if arrays else None,
            )
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error))]) from None
    except ConfigError as error:
        what = f"config.json or metadata.json {error}"
        raise ModelError([Problem(where=str(path), what=what)]) from None


def _arrays(stream: BinaryIO, archive: zipfile.ZipFile) -> tuple[Hdf5Array, ...] | None:
    member = next((found for found in archive.infolist() if found.filename == WEIGHTS), None)
    if member is None:
        return None
    try:
        if member.compress_type == zipfile.ZIP_STORED:
            start = _content(stream, member)
            return list_arrays(stream, start, min(member.file_size, member.compress_size))
        if member.file_size > _COMPRESSED_BYTES:
            return None
        with archive.open(member) as packed:
            data = packed.read(_COMPRESSED_BYTES)
        return list_arrays(io.BytesIO(data), 0, len(data))
    except NotImplementedError:
        return None
    except UntrustedFileError as error:
        raise UntrustedFileError(f"has a {WEIGHTS} that {error}") from None
    except ZIP_ERRORS:
        raise UntrustedFileError(f"is damaged: {WEIGHTS} cannot be read") from None


def _content(stream: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Return where a stored member's content begins: after a header (APPNOTE.TXT, 4.3.7)."""
    stream.seek(member.header_offset)
    header = stream.read(_LOCAL_HEADER.size)
    *_, name, extra = _LOCAL_HEADER.unpack(header)
    return member.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        name = PurePosixPath(member.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in member.filename:
            raise UntrustedFileError(f"has a member that leaves it, {member.filename!r}")
        unpacked, packed = member.file_size, max(1, member.compress_size)
        if unpacked > _RATIO_FROM_BYTES and unpacked / packed > _RATIO:
            raise UntrustedFileError(f"has a member that unpacks to {unpacked} bytes")
    if sum(member.file_size for member in members) > _UNPACKED_BYTES:
        raise UntrustedFileError("unpacks to more than any model needs")


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as stream:
            data = stream.read(_JSON_BYTES + 1)
    except (KeyError, *ZIP_ERRORS):
        raise UntrustedFileError(f"is damaged: {name} cannot be read") from None
    if len(data) > _JSON_BYTES:
        raise UntrustedFileError(f"has a {name} of more than {_JSON_BYTES} bytes")
    return data
