"""Checking a user's arrays against what the model declares: inputs, outputs, labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import Problem, nearest
from harness.model.model import Signature, TensorSpec
from harness.npz import NpzError, open_npz
from harness.text import one_line

__all__ = ["describe", "expected_problems", "input_problems", "label_problems", "raw_problems"]

_MAX_BYTES = 8 * 1024**3
_NAMED = 10
"""Most tensors a message lists."""
_VECTOR, _TABLE = 1, 2

# Types numpy has no counterpart of: the arrays that hold their bits (see the probe).
_BITS = {"bfloat16": ("uint16", "void16")}
_UNCHECKED = ("unknown", "resource", "variant")


@dataclass(frozen=True, slots=True)
class _Given:
    """An array of a user's file, without its values."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        dtype = "string" if self.dtype.kind in "SU" else self.dtype.name
        return f"{one_line(self.name)} {dtype} {_dimensions(self.shape)}"


def describe(spec: TensorSpec) -> str:
    """Return a declaration as a person writes it: `image float32 [?, 8, 8, 1]`."""
    return f"{spec.name} {spec.dtype} {_dimensions(spec.shape)}"


def input_problems(
    path: Path, signature: Signature | None, *, lenient: bool, shaped: Iterable[str]
) -> list[Problem]:
    """Return everything that keeps `inputs.npz` from being fed to `signature`.

    `lenient` is how a Keras model is fed: its only input has any name, and numbers are converted
    where NumPy's `same_kind` rule allows it. Inputs of unknown first dimension are one batch, but
    for those in `shaped`, whose shape `model.yaml` gives.
    """
    given, damaged, problems = _read(path)
    if signature is None or (problems and not damaged):
        return problems
    wanted = {spec.name: spec for spec in signature.inputs}
    if lenient and len(wanted) == len(given) == 1 and not damaged:
        given = [_Given(next(iter(wanted)), given[0].dtype, given[0].shape)]
    where = str(path)
    for array in given:
        spec = wanted.get(array.name)
        if spec is None:
            problems.append(_unknown(where, "input", array.name, wanted))
        else:
            problems += _mismatches(where, array, spec, lenient=lenient)
    there = damaged | {array.name for array in given}
    problems += [
        Problem(where=where, what=f"input {spec.name!r} is missing", allowed=describe(spec))
        for name, spec in wanted.items()
        if name not in there
    ]
    return problems or _batch_problems(where, given, wanted, set(shaped))


def expected_problems(path: Path, signature: Signature | None) -> list[Problem]:
    """Return everything that keeps `expected.npz` from being compared with the outputs."""
    given, _, problems = _read(path)
    if not given and not problems:
        problems.append(Problem(where=str(path), what="holds no array"))
    outputs = {spec.name: spec for spec in signature.outputs} if signature is not None else {}
    if outputs:
        problems += [
            _unknown(str(path), "output", array.name, outputs)
            for array in given
            if array.name not in outputs
        ]
    return problems


def raw_problems(path: Path) -> list[Problem]:
    """Return what keeps `raw.npz` from being given to `preprocess.py`: any arrays will do."""
    given, _, problems = _read(path)
    if not given and not problems:
        problems.append(Problem(where=str(path), what="holds no array"))
    return problems


def label_problems(path: Path) -> list[Problem]:
    """Return what keeps `labels.npz` from being ground truth.

    Labels are one array: integers or floats with one dimension, or, where each example has
    several numbers to be predicted, floats with two.
    """
    given, _, problems = _read(path)
    if problems or (len(given) == 1 and _are_labels(given[0])):
        return problems
    what = "holds " + (", ".join(map(str, given[:_NAMED])) or "no array")
    allowed = (
        "one array with a label for each example: integers or floats with one dimension, or "
        "floats with two"
    )
    return [Problem(where=str(path), what=what, allowed=allowed)]


def _are_labels(array: _Given) -> bool:
    if array.dtype.kind == "f" and len(array.shape) == _TABLE:
        return True
    return array.dtype.kind in "iuf" and len(array.shape) == _VECTOR


def _read(path: Path) -> tuple[list[_Given], set[str], list[Problem]]:
    """Return the sound arrays, the names of the others, and what is wrong."""
    given: list[_Given] = []
    damaged: set[str] = set()
    problems: list[Problem] = []
    try:
        with open_npz(path, max_bytes=_MAX_BYTES, what=path.name) as reader:
            for name in reader.names:
                try:
                    array = reader.read(name)
                except NpzError as error:
                    damaged.add(name)
                    problems.append(_npz_problem(path, error))
                else:
                    given.append(_Given(name, array.dtype, array.shape))
    except NpzError as error:
        problems.append(_npz_problem(path, error))
    return given, damaged, problems


def _npz_problem(path: Path, error: NpzError) -> Problem:
    what = one_line(str(error).removeprefix(path.name).lstrip(": "), 400)
    return Problem(
        where=str(path),
        what=what,
        allowed="arrays of numbers or strings, by name",
        hint="write it with `numpy.savez(FILE, name=array, ...)`",
    )


def _unknown(where: str, kind: str, name: str, wanted: dict[str, TensorSpec]) -> Problem:
    return Problem(
        where=where,
        what=f"{one_line(name)!r} is not an {kind} of the model",
        allowed=_listed(wanted.values()),
        hint=nearest(name, wanted),
    )


def _listed(specs: Iterable[TensorSpec]) -> str:
    listed = [describe(spec) for spec in specs]
    more = f", and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more if listed else "none"


def _mismatches(where: str, array: _Given, spec: TensorSpec, *, lenient: bool) -> list[Problem]:
    problems = []
    if not _type_fits(array.dtype, spec.dtype, lenient=lenient):
        problems.append("another type")
    if not _shape_fits(array.shape, spec.shape):
        problems.append("another shape")
    return [
        Problem(
            where=where,
            what=f"input {spec.name!r} has {problem}: {array}",
            allowed=describe(spec),
        )
        for problem in problems
    ]


def _type_fits(given: np.dtype[np.generic], wanted: str, *, lenient: bool) -> bool:
    if wanted in _UNCHECKED:
        return True
    if wanted == "string" or given.kind in "SU":
        return wanted == "string" and given.kind in "SU"
    if wanted in _BITS:
        return given.name in _BITS[wanted]
    try:
        numeric = np.dtype(wanted)
    except TypeError:  # a type that only TensorFlow has: the run will tell
        return True
    return given == numeric or (lenient and np.can_cast(given, numeric, "same_kind"))


def _shape_fits(given: tuple[int, ...], wanted: tuple[int | None, ...] | None) -> bool:
    if wanted is None:
        return True
    return len(given) == len(wanted) and all(
        size is None or size == there for there, size in zip(given, wanted, strict=True)
    )


def _batch_problems(
    where: str, given: list[_Given], wanted: dict[str, TensorSpec], shaped: set[str]
) -> list[Problem]:
    sizes: dict[int, str] = {}
    for array in given:
        shape = wanted[array.name].shape
        if shape and shape[0] is None and array.name not in shaped:
            sizes.setdefault(array.shape[0], array.name)
    if len(sizes) <= 1:
        return []
    listed = ", ".join(f"{name!r} has {size}" for size, name in sizes.items())
    return [
        Problem(
            where=where,
            what=f"the inputs have different batch sizes: {listed}",
            allowed="one size of the first dimension",
            hint="where it is not the batch, give the input's shape in model.yaml under `inputs`",
        )
    ]


def _dimensions(shape: tuple[int | None, ...] | None) -> str:
    if shape is None:
        return "[...]"
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"
