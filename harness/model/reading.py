"""From a path to a `Model`: read without TensorFlow, and without running anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, assert_never

from harness.errors import ModelError, Problem
from harness.model.arrays import expected_problems, input_problems, label_problems
from harness.model.beside import Beside, find_beside
from harness.model.contents import model_digest, model_files
from harness.model.detect import ACCEPTED
from harness.model.hdf5 import inspect_hdf5
from harness.model.inspected import Inspected
from harness.model.keras_zip import inspect_keras
from harness.model.locate import Located, locate
from harness.model.model import Format, Model, Signature, Tolerance
from harness.model.naming import model_name
from harness.model.saved_model import inspect_saved_model
from harness.model.signatures import chosen_signature, settings_problems
from harness.untrusted import os_reason

__all__ = ["read_model"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def read_model(path: Path) -> Model:
    """Return what the files at `path` say of the model they hold.

    `path` is a model file, a SavedModel's directory, or a folder that holds one model. Inputs,
    expected outputs, labels and `model.yaml` lie in that folder or the one above.

    Raises:
        ModelError: everything that is wrong, at once.
    """
    try:
        if not path.exists():
            raise ModelError([Problem(where=str(path), what=_absence(path), allowed=ACCEPTED)])
        beside = find_beside(path)
        return _read(path, locate(path, beside.settings), beside)
    except OSError as error:
        where = str(error.filename or path)
        raise ModelError(
            [Problem(where=where, what=f"cannot be read: {os_reason(error)}")]
        ) from None


def _absence(path: Path) -> str:
    if path.is_symlink():
        return "is a link that leads nowhere"
    if path.with_name(f"{path.name}.index").exists():
        return "is the prefix of a TensorFlow checkpoint, not one of the accepted formats"
    return "does not exist"


def _read(given: Path, located: Located, beside: Beside) -> Model:
    problems = _Problems()
    inspected = problems.of(_inspect, located)
    digest = problems.of(_digest, located, beside)
    signature = None
    if inspected is not None:
        signature = problems.of(chosen_signature, located, inspected.signatures, beside.settings)
        problems += settings_problems(beside.settings, signature)
    problems += _array_problems(located, signature, beside)
    if problems or inspected is None or digest is None:
        raise ModelError(problems)
    # A SavedModel is its directory, even where the user gave the graph in it.
    place = located.path if given.name == "saved_model.pb" else given
    named = beside.settings.name or model_name(place)
    return _model(named, located, beside, inspected=inspected, digest=digest, called=signature)


class _Problems(list[Problem]):
    """What is wrong so far."""

    def of(self, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """Return what `step` returns; None where it raises, whose problems are kept."""
        try:
            return step(*args, **kwargs)
        except ModelError as error:
            self.extend(error.problems)
            return None


def _inspect(located: Located) -> Inspected:
    match located.format:
        case Format.SAVED_MODEL:
            return inspect_saved_model(located.path)
        case Format.KERAS:
            return inspect_keras(located.path)
        case Format.HDF5:
            return inspect_hdf5(located.path)
        case _:
            assert_never(located.format)


def _digest(located: Located, beside: Beside) -> str:
    return model_digest(model_files(located.path, located.format), beside.run)


def _array_problems(located: Located, signature: Signature | None, beside: Beside) -> list[Problem]:
    problems = []
    lenient = located.format is not Format.SAVED_MODEL
    if beside.inputs is not None:
        shaped = [name for name, given in beside.settings.inputs.items() if given.shape]
        problems += input_problems(beside.inputs, signature, lenient=lenient, shaped=shaped)
    if beside.expected is not None:
        problems += expected_problems(beside.expected, signature)
    if beside.labels is not None:
        problems += label_problems(beside.labels)
    return problems


def _model(
    name: str,
    located: Located,
    beside: Beside,
    *,
    inspected: Inspected,
    digest: str,
    called: Signature | None,
) -> Model:
    settings = beside.settings
    notes = (*located.notes, *inspected.notes, *beside.notes)
    saved_model = located.format is Format.SAVED_MODEL
    if settings.signature is not None and not saved_model:
        notes += (f"signature {settings.signature!r} not used: a Keras model has none",)
    return Model(
        name=name,
        path=located.path.resolve(),
        root=beside.root.absolute(),
        format=located.format,
        digest=digest,
        writer=inspected.writer,
        signatures=inspected.signatures,
        signature=called.name if called is not None and saved_model else None,
        inputs=_absolute(beside.inputs),
        expected=_absolute(beside.expected),
        labels=_absolute(beside.labels),
        seed=settings.seed,
        batch_size=settings.batch_size,
        dimensions={key: of.shape for key, of in settings.inputs.items() if of.shape},
        ranges={key: of.range for key, of in settings.inputs.items() if of.range},
        tolerances={key: Tolerance(**of.model_dump()) for key, of in settings.tolerances.items()},
        requirements=settings.requirements,
        notes=notes,
    )


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()
