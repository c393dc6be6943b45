"""`harness capture`: one script that records a model where it was made.

The script holds the probe's own modules as text, so that the model is loaded and called there as
in every environment it is compared in later, and what the host learnt of the model's files.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness import __version__
from harness.cell import Cell
from harness.errors import ResultsError, UsageError
from harness.files import write_atomically
from harness.model.contents import model_digest, model_files
from harness.model.loaders import loaders
from harness.model.model import Model
from harness.model.reading import read_model
from harness.plan.captured import VARIABLES
from harness.sweep.request import material, request_text
from harness.untrusted import os_reason

__all__ = ["capture_script", "write_capture"]

_PROBE: Final = Path(__file__).parent / "probe"
_TEMPLATE: Final = _PROBE / "capture.py"
_FIRST_MODULE: Final = "capturing.main"

_ERAS: Final = ("1.0.0", "2.0.0", "2.16.0")
"""The first releases from which on models are read another way (`harness.model.loaders`)."""

_SETTINGS: Final = 'SETTINGS = ""\n'
_SOURCES: Final = "SOURCES = {}\n"


def write_capture(given: Path, output: Path) -> str:
    """Write the script for the model at `given`; return what to tell the user.

    Raises:
        ModelError: there is no such model, or it is not sound.
        UsageError: `output` is another file, which is not replaced.
        ResultsError: it cannot be written.
    """
    model = read_model(given)
    if os.path.lexists(output) and not _is_ours(output):
        raise UsageError(
            f"{output}: is there already, and is no capture script\n"
            "  Name another place with --output FILE."
        )
    try:
        write_atomically(output, capture_script(model, given), mode=0o755)
    except OSError as error:
        raise ResultsError(f"{output}: cannot be written: {os_reason(error)}") from error
    return (
        f"{output}: records {model.name} where it was made. There, with the Python that made it:\n"
        f"  python {output.name} MODEL_DIR\n"
        "Bring what it writes beside the model (expected.npz, captured.json, ...) back here, and\n"
        "add `include: [{captured: true}]` to matrix.yaml to have that environment among the rest."
    )


def capture_script(model: Model, given: Path) -> str:
    """Return the script's text for `model`, which was read from the path `given`."""
    text = _TEMPLATE.read_text("utf-8")
    settings = json.dumps(_settings(model, given), indent=1)
    sources = "".join(
        f"\nSOURCES[{name!r}] = {_literal(path.read_text('utf-8'))}\n"
        for name, path in _modules().items()
    )
    filled = text.replace(_SETTINGS, f"SETTINGS = {_literal(settings)}\n").replace(
        _SOURCES, _SOURCES + sources
    )
    return f"#!/usr/bin/env python3\n{filled}"


def _settings(model: Model, given: Path) -> dict[str, object]:
    """Return what the script is told; all its paths are relative to the model's folder."""
    folder = given if given.is_dir() else given.parent
    files = model_files(model.path, model.format, model.prefix)
    beside = material(model)

    def relative(path: Path) -> str:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()

    return {
        "schema": 1,
        "harness": __version__,
        "model": {
            "name": model.name,
            "path": relative(model.path),
            "digest": model_digest(files, ()),
            "files": {name: relative(path) for name, path in files.items()},
        },
        "root": Path(os.path.relpath(model.root, folder.absolute())).as_posix(),
        "files": {name: relative(path) for name, path in beside.files.items()},
        "requests": list(_requests(model)),
        "variables": VARIABLES,
    }


def _requests(model: Model) -> Iterator[dict[str, object]]:
    """Give the request of each era, with the TensorFlow (`[X, Y]`) from which on it holds."""
    before: dict[str, object] = {}
    for era in _ERAS:
        request = _request(model, era)
        if request != before:
            yield {"since": [int(part) for part in era.split(".")[:2]], "request": request}
        before = request


def _request(model: Model, tensorflow: str) -> dict[str, object]:
    """Return the request of the first loader, with the thread pools as TensorFlow sizes them."""
    cell = Cell(tensorflow=tensorflow, python="3.8")
    (first, *_) = loaders(model, tensorflow, ())
    text = request_text(cell, model, first, cpus=1, inputs=material(model).inputs)
    request: dict[str, object] = json.loads(text)
    return request | {"intra_op_threads": None, "inter_op_threads": None}


def _modules() -> dict[str, Path]:
    """Return every module of the probe that a capture imports, by name."""
    found: dict[str, Path] = {}
    names = [_FIRST_MODULE]
    while names:
        name = names.pop()
        path = _PROBE.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name and name not in found and path.is_file():
            found[name] = path
            names += (name.rpartition(".")[0], *_imported(path))
    return dict(sorted(found.items()))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _literal(text: str) -> str:
    """Return Python source of a string, as readable as it can be."""
    raw = f"r'''{text}'''"
    try:
        return raw if ast.literal_eval(raw) == text else repr(text)
    except (SyntaxError, ValueError):
        return repr(text)


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            start = stream.read(400).decode("utf-8", "replace")
    except OSError:
        return False
    return _TEMPLATE.read_text("utf-8").splitlines()[0] in start
