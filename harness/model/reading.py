"""From a path to a `Model`: read without TensorFlow, and without running anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from harness.errors import ModelError, Problem
from harness.model.arrays import (
    expected_problems,
    input_problems,
    label_problems,
    raw_problems,
)
from harness.model.beside import Beside, find_beside
from harness.model.candidates import Located
from harness.model.contents import model_digest, model_files
from harness.model.detect import ACCEPTED
from harness.model.formats import inspect_format
from harness.model.inspected import Inspected, Wiring
from harness.model.locate import exists, locate
from harness.model.model import Code, Format, Model, Signature, Tolerance
from harness.model.naming import model_name
from harness.model.overrides import loader_problems, unused
from harness.model.signatures import SIGNED, chosen_signature, settings_problems
from harness.model.tasks import task_problems, told_tasks
from harness.model.tflite import UNSIGNED
from harness.model.wiring import CALL
from harness.untrusted import os_reason

__all__ = ["read_model"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_LENIENT = (Format.KERAS, Format.HDF5, Format.HDF5_WEIGHTS, Format.CHECKPOINT)
"""Formats of Keras models, which convert what they are fed and have one name for one input."""
_ONLY_WEIGHTS = (Format.HDF5_WEIGHTS, Format.CHECKPOINT)


def read_model(path: Path) -> Model:
    """Return what the files at `path` say of the model they hold.

    `path` is a model file, a SavedModel's directory, the prefix or a file of a checkpoint, or a
    folder that holds one model. Inputs, expected outputs, labels, code and `model.yaml` lie in
    that folder or the one above.

    Raises:
        ModelError: everything that is wrong, at once.
    """
    try:
        if not exists(path):
            raise ModelError([Problem(where=str(path), what=_absence(path), allowed=ACCEPTED)])
        beside = find_beside(path)
        return _read(path, locate(path, beside.settings), beside)
    except OSError as error:
        where = str(error.filename or path)
        raise ModelError(
            [Problem(where=where, what=f"cannot be read: {os_reason(error)}")]
        ) from None


def _absence(path: Path) -> str:
    return "is a link that leads nowhere" if path.is_symlink() else "does not exist"


def _read(given: Path, located: Located, beside: Beside) -> Model:
    problems = _Problems(beside.problems)
    problems += loader_problems(located.format, beside.settings)
    problems += task_problems(beside.settings)
    inspected = problems.of(inspect_format, located, beside.settings)
    digest = problems.of(_digest, located, beside)
    signature = None
    if inspected is not None:
        signature = problems.of(chosen_signature, located, inspected, beside.settings)
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


def _digest(located: Located, beside: Beside) -> str:
    return model_digest(model_files(located.path, located.format, located.prefix), beside.run)


def _array_problems(located: Located, signature: Signature | None, beside: Beside) -> list[Problem]:
    problems = []
    lenient = located.format in _LENIENT
    if beside.raw is not None:
        problems += raw_problems(beside.raw)
    if beside.inputs is not None:
        shaped = [name for name, of in beside.settings.inputs.items() if of.shape is not None]
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
    saved_model = located.format is Format.SAVED_MODEL
    only_keras = saved_model and called is None
    wiring = inspected.wiring.get(called.name if called is not None else "", Wiring({}, {}))
    told = {key: of.range for key, of in settings.inputs.items() if of.range}
    return Model(
        name=name,
        path=located.path.resolve(),
        prefix=located.prefix,
        root=beside.root.absolute(),
        format=located.format,
        digest=digest,
        writer=inspected.writer,
        signatures=inspected.signatures,
        signature=_key(located, called),
        tags=(settings.tags or inspected.tags) if saved_model else None,
        feeds=dict(wiring.feeds),
        fetches=dict(wiring.fetches),
        keras=inspected.keras,
        name_based=inspected.name_based,
        loaders=settings.loaders or ((_BY_KERAS,) if only_keras else ()),
        code=_absolute_code(beside.code),
        raw=_absolute(beside.raw),
        inputs=_absolute(beside.inputs),
        expected=_absolute(beside.expected),
        labels=_absolute(beside.labels),
        captured=_absolute(beside.captured),
        seed=settings.seed,
        batch_size=settings.batch_size,
        dimensions={key: of.shape for key, of in settings.inputs.items() if of.shape is not None},
        ranges={**inspected.ranges, **told},
        tolerances={key: Tolerance(**of.model_dump()) for key, of in settings.tolerances.items()},
        tasks=told_tasks(settings),
        requirements=settings.requirements,
        notes=(
            *located.notes,
            *inspected.notes,
            *_missing(located, beside, only_keras=only_keras),
            *unused(located.format, settings),
            *beside.notes,
        ),
    )


_BY_KERAS = "keras.load_model"


def _key(located: Located, called: Signature | None) -> str | None:
    """Return the key of the signature to call, where the model has them by key."""
    if called is None or located.format not in SIGNED:
        return None
    # A SavedModel's is always a key; the others' may be one that was made up.
    made_up = located.format is not Format.SAVED_MODEL and called.name in (CALL, UNSIGNED)
    return None if made_up else called.name


def _missing(located: Located, beside: Beside, *, only_keras: bool) -> list[str]:
    """Return what will keep the model from being loaded or called, in some way."""
    notes = []
    if only_keras and not beside.settings.loaders:
        notes.append(f"it has no signature: only Keras can call it, by {_BY_KERAS}")
    if located.format in _ONLY_WEIGHTS and beside.code.build is None:
        notes.append(
            "loading will fail: these are weights only, and there is no build.py whose "
            "`build_model()` makes the model they belong to"
        )
    return notes


def _absolute_code(code: Code) -> Code:
    return Code(
        build=_absolute(code.build),
        custom_objects=_absolute(code.custom_objects),
        preprocess=_absolute(code.preprocess),
    )


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()
