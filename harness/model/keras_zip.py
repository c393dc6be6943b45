"""Reading a `.keras` archive: who wrote it and what it takes. Nothing is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from harness.errors import ModelError, Problem
from harness.model.inspected import Inspected
from harness.model.keras_config import ConfigError, keras_signatures, read_json
from harness.model.model import Writer
from harness.text import one_line
from harness.untrusted import ZIP_ERRORS, UntrustedFileError, open_regular, open_zip

__all__ = ["inspect_keras"]

_JSON_BYTES = 64 * 1024**2
_UNPACKED_BYTES = 256 * 1024**3
_RATIO = 200
"""Keras stores weights as they are; deflate on real weights saves a few per cent."""
_RATIO_FROM_BYTES = 256 * 1024**2
_VERSION_CHARACTERS = 100


def inspect_keras(path: Path) -> Inspected:
    """Read `config.json` and `metadata.json` of the archive.

    Raises:
        ModelError: the archive is damaged, holds names that leave it, unpacks to absurd sizes, or
            its JSON is none.
    """
    try:
        with open_regular(path.resolve()) as stream, open_zip(stream) as archive:
            _check_members(archive.infolist())
            config = read_json(_read(archive, "config.json"))
            metadata = read_json(_read(archive, "metadata.json"))
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error))]) from None
    except ConfigError as error:
        what = f"config.json or metadata.json {error}"
        raise ModelError([Problem(where=str(path), what=what)]) from None
    version = metadata.get("keras_version")
    keras = one_line(version, _VERSION_CHARACTERS) if isinstance(version, str) else None
    return Inspected(writer=Writer(keras=keras or None), signatures=keras_signatures(config))


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
