"""The files that hold a checkpoint's bytes, in either format: whether all of them are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.errors import Problem
from harness.model.contents import POINTER, inside
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["COPY", "missing_old_shards", "old_files", "shard_name", "shard_problems"]

COPY: Final = "copy all files of the checkpoint: PREFIX.index and every PREFIX.data-..."

_OLD_SHARD = r"(-(\d{5})-of-(\d{5}))?"
_NAMED = 5
"""Most missing files a message lists: the first few are enough to see what happened."""


def shard_problems(
    folder: Path, prefix: str, count: int, least_bytes: Mapping[int, int]
) -> list[Problem]:
    """Return a problem for each of `count` shards that is missing or has too few bytes."""
    problems = []
    missing = []
    for number in range(count):
        path = folder / shard_name(prefix, number, count)
        try:
            size = inside(path, folder).stat().st_size if path.exists() else None
        except UntrustedFileError as error:
            problems.append(Problem(where=str(path), what=str(error), hint=COPY))
            continue
        wanted = least_bytes.get(number, 0)
        if size is None:
            missing.append(path.name)
        elif size < wanted and not _is_pointer(path):  # a pointer is told where it is hashed
            what = f"is cut off: {size} of at least {wanted} bytes are there"
            problems.append(Problem(where=str(path), what=what, hint=COPY))
    there = _other_shards(folder, prefix, count) if missing else ""
    problems += [
        Problem(where=str(folder), what=f"{name} is missing{there}", hint=COPY)
        for name in missing[:_NAMED]
    ]
    return problems


def shard_name(prefix: str, number: int, count: int) -> str:
    """Return what a shard of a checkpoint is called."""
    return f"{prefix}.data-{number:05}-of-{count:05}"


def old_files(folder: Path, prefix: str) -> list[str]:
    """Return the files of a checkpoint of the old format: `PREFIX`, or `PREFIX-00000-of-00001`."""
    shard = re.compile(re.escape(prefix) + _OLD_SHARD)
    return sorted(file.name for file in folder.iterdir() if shard.fullmatch(file.name))


def missing_old_shards(folder: Path, prefix: str, there: list[str]) -> list[Problem]:
    """Return a problem for each shard that others of the old format count and is not there."""
    found = re.fullmatch(re.escape(prefix) + _OLD_SHARD, there[-1])
    count = int(found[3]) if found is not None and found[1] else 0
    names = (f"{prefix}-{number:05}-of-{count:05}" for number in range(count))
    missing = [name for name in names if name not in there]
    return [
        Problem(where=str(folder), what=f"{name} is missing", hint=COPY)
        for name in missing[:_NAMED]
    ]


def _other_shards(folder: Path, prefix: str, count: int) -> str:
    pattern = re.compile(re.escape(prefix) + r"\.data-\d{5}-of-(\d{5})")
    found = sorted(
        file.name
        for file in folder.iterdir()
        if (match := pattern.fullmatch(file.name)) and int(match[1]) != count
    )
    return f"; there is {', '.join(found[:_NAMED])}, of another count" if found else ""


def _is_pointer(path: Path) -> bool:
    with open_regular(path.resolve()) as stream:
        return stream.read(len(POINTER)) == POINTER
