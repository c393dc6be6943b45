"""The files a model is made of, and their digest."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import ModelError, Problem
from harness.model.model import Format
from harness.untrusted import UntrustedFileError, open_regular, os_reason

__all__ = [
    "POINTER",
    "SAVED_MODEL_FILES",
    "inside",
    "model_digest",
    "model_files",
    "pointer_problem",
]

SAVED_MODEL_FILES = ("saved_model.pb", "keras_metadata.pb", "fingerprint.pb")
_SAVED_MODEL_FOLDERS = ("assets", "assets.extra", "variables")
_MAX_FILES = 100_000
POINTER = b"version https://git-lfs.github.com/spec/v1"
"""How a file begins that git-lfs left in place of a large one (git-lfs specification)."""


def inside(path: Path, folder: Path) -> Path:
    """Return what `path` is after following links, which must not leave `folder`.

    A run sees the model's folder and nothing else: what a link outside names would be missing.

    Raises:
        UntrustedFileError: it leaves the folder, or leads nowhere.
    """
    try:
        real = path.resolve(strict=True)
        allowed = folder.resolve(strict=True)
    except OSError as error:
        raise UntrustedFileError(f"cannot be read: {os_reason(error)}") from None
    except RuntimeError:  # how Python before 3.13 reports links in a circle
        raise UntrustedFileError("is a symbolic link in a circle") from None
    if not real.is_relative_to(allowed):
        raise UntrustedFileError(f"is a symbolic link that leaves {folder}")
    return real


def model_files(path: Path, format: Format, prefix: str = "") -> dict[str, Path]:  # noqa: A002
    """Return the model's own files by their name relative to it, sorted.

    `path` is a SavedModel's directory, a checkpoint's folder or a model file. Of folders, only
    what TensorFlow reads counts: inputs, notes, other checkpoints and the like may lie there too.

    Raises:
        ModelError: one of them is a link that leaves the model, or no regular file.
    """
    match format:
        case Format.SAVED_MODEL:
            return _all_inside(path, _walk(path))
        case Format.CHECKPOINT | Format.META_GRAPH:
            return _all_inside(path, _of_prefix(path, prefix, graph=format is Format.META_GRAPH))
        case _:
            return {path.name: path}


def _all_inside(path: Path, files: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for file in sorted(files):
        try:
            if not inside(file, path).is_file():
                raise UntrustedFileError("is not a regular file")
        except UntrustedFileError as error:
            problems.append(Problem(where=str(file), what=str(error), hint=_COPY))
        else:
            found[file.relative_to(path).as_posix()] = file
        if len(found) + len(problems) > _MAX_FILES:
            problems = [Problem(where=str(path), what=f"holds more than {_MAX_FILES} files")]
            break
    if problems:
        raise ModelError(problems)
    return found


def _of_prefix(folder: Path, prefix: str, *, graph: bool) -> list[Path]:
    """Return the files of a checkpoint; without an index, those of the old format (V1)."""
    data = r"\.data-\d{5}-of-\d{5}"
    if os.path.lexists(folder / f"{prefix}.index"):
        names = re.compile(re.escape(prefix) + rf"(\.index|{data})")
    else:
        names = re.compile(re.escape(prefix) + r"(-\d{5}-of-\d{5})?")
    found = [file for file in folder.iterdir() if names.fullmatch(file.name)]
    return [*found, folder / f"{prefix}.meta"] if graph else found


_COPY = "put the file itself in its place"


def _walk(path: Path) -> Iterator[Path]:
    """Yield what TensorFlow reads of a SavedModel."""
    for name in SAVED_MODEL_FILES:
        if os.path.lexists(path / name):
            yield path / name
    for name in _SAVED_MODEL_FOLDERS:
        if (path / name).is_symlink():
            yield path / name
            continue
        for folder, folders, files in os.walk(path / name):
            # os.walk does not enter linked folders: they are named, and refused, like files.
            linked = [sub for sub in folders if (Path(folder) / sub).is_symlink()]
            for file in (*files, *linked):
                yield Path(folder) / file


def model_digest(files: dict[str, Path], beside: Iterable[Path]) -> str:
    """Return the sha256 of what `sha256sum` prints of every file, sorted by name.

    `files` are the model's own, `beside` those that lie beside it and change what is run. Files
    are streamed; a model may have many gigabytes.

    Raises:
        ModelError: files that cannot be read, or that are only the pointers git-lfs leaves in
            place of large files.
    """
    digest = hashlib.sha256()
    problems: list[Problem] = []
    named = {**files, **{f"beside/{file.name}": file for file in beside}}
    for name, file in sorted(named.items()):
        try:
            digest.update(_file_digest(file).encode() + b"  " + os.fsencode(name) + b"\0")
        except FileNotFoundError:
            problems.append(Problem(where=str(file), what="has vanished"))
        except UntrustedFileError as error:
            problems.append(Problem(where=str(file), what=str(error)))
        except _PointerError:
            problems.append(pointer_problem(file))
    if problems:
        raise ModelError(problems)
    return digest.hexdigest()


class _PointerError(Exception):
    pass


def pointer_problem(path: Path) -> Problem:
    """Say that `path` is what git-lfs leaves in place of a large file."""
    return Problem(
        where=str(path),
        what="is a git-lfs pointer, not the file it stands for",
        hint="run `git lfs pull` where the model was checked out",
    )


def _file_digest(path: Path) -> str:
    with open_regular(path.resolve()) as stream:
        if stream.read(len(POINTER)) == POINTER:
            raise _PointerError
        stream.seek(0)
        try:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise UntrustedFileError(f"cannot be read: {os_reason(error)}") from None
