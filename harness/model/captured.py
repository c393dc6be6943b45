"""Reading `captured.json` and `captured.lock`, which a capture script wrote beside the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name, is_normalized_name
from pydantic import ValidationError

from harness.errors import ModelError, Problem
from harness.model.contents import model_digest, model_files
from harness.model.model import Model
from harness.plan.captured import Captured
from harness.plan.versions import is_exact
from harness.text import one_line
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["captured_elsewhere", "read_captured"]

LOCK = "captured.lock"

_MAX_BYTES = 4 * 1024**2
_MAX_PACKAGES = 5_000
_MOST_PROBLEMS = 20
_HINT = "make it anew: `harness capture MODEL_DIR`, and its script where the model was made"


def read_captured(path: Path) -> Captured:
    """Return what `captured.json` at `path` and the `captured.lock` beside it tell.

    Raises:
        ModelError: everything that is wrong with them.
    """
    lock = path.with_name(LOCK)
    problems = _Problems()
    text, lines = problems.text(path), problems.text(lock)
    packages = dict(_packages(lines or "", lock, problems))
    captured = None if text is None else _facts(text, path, problems)
    if problems or captured is None:
        *others, last = problems[:_MOST_PROBLEMS]
        raise ModelError((*others, replace(last, hint=_HINT)))
    return captured.model_copy(update={"path": path, "packages": packages})


def captured_elsewhere(captured: Captured, model: Model) -> str | None:
    """Return a note where what was captured were other files than the model has now.

    The files are read once more for it.
    """
    if (
        model_digest(model_files(model.path, model.format, model.prefix), ())
        == captured.model.digest
    ):
        return None
    return (
        f"{captured.path} was made of other files than the model has now: "
        "what was captured and expected.npz may not be this model's"
    )


class _Problems(list[Problem]):
    """What is wrong so far."""

    def add(self, where: str, what: str, allowed: str | None = None) -> None:
        self.append(Problem(where=where, what=what, allowed=allowed))

    def text(self, path: Path) -> str | None:
        """Return what a file says; None, and a problem, where it cannot be read."""
        try:
            with open_regular(path) as stream:
                data = stream.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            self.add(str(path), "is missing")
            return None
        except UntrustedFileError as error:
            self.add(str(path), str(error))
            return None
        if len(data) > _MAX_BYTES:
            self.add(str(path), f"is larger than {_MAX_BYTES} bytes")
            return None
        return data.decode("utf-8", "replace")


def _facts(text: str, path: Path, problems: _Problems) -> Captured | None:
    try:
        return Captured.model_validate_json(text)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            keys = ".".join(str(part) for part in found["loc"])
            where = f"{path} {one_line(keys, 100)}".rstrip()
            problems.add(where, one_line(found["msg"], 200))
        return None


def _packages(text: str, path: Path, problems: _Problems) -> Iterator[tuple[str, str]]:
    count = 0
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        count += 1
        if count > _MAX_PACKAGES:
            problems.add(str(path), f"names more than {_MAX_PACKAGES} packages")
            return
        found = re.fullmatch(r"([\w.-]{1,100})==([\w.+!-]{1,100})", content, re.ASCII)
        name = canonicalize_name(found[1]) if found else ""
        if found is None or not is_normalized_name(name):
            what = f"{one_line(content, 60)!r} is no package with its version"
            problems.add(f"{path}:{number}", what, allowed="name==version")
        elif is_exact(found[2]):  # others are of no index: they cannot be pinned
            yield name, found[2]
