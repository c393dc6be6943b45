"""Tensors on the host: how `outputs.npz` and `expected.npz` hold them, without TensorFlow.

`outputs.npz` holds `output_0`, `output_1`, ... in the order of the report's outputs. Types that
NumPy has are stored as they are; `bfloat16` as the `uint16` of its bits; `string` as two arrays,
`output_k.data` (bytes of all strings, joined) and `output_k.offsets` (n + 1 positions in it);
8-bit and smaller types as the `uint8` of their bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.observation import TensorFacts
from harness.text import one_line

__all__ = [
    "NumericTensor",
    "StringTensor",
    "Tensor",
    "decode_inputs",
    "decode_outputs",
    "each_input",
    "each_output",
    "float64_facts",
    "from_arrays",
]

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_FLOATS = ("float16", "float32", "float64", "complex64", "complex128")
_NATIVE = frozenset(("bool", *_INTEGERS, *_FLOATS))
_WIDE = {
    "float32": "float64",
    "bfloat16": "float64",
    "float16": "float64",
    "complex64": "complex128",
}
_BYTE_SIZED = ("float8_", "float4_", "int4", "uint4", "int2", "uint2", "qint8", "quint8")


@dataclass(frozen=True, slots=True, eq=False)
class NumericTensor:
    """A tensor of numbers or truth values."""

    dtype: str
    """TensorFlow's name of the type."""
    array: NDArray[Any]
    """In NumPy's type of that name; `uint16` bits for `bfloat16`; `uint8` bits for the types
    NumPy has no counterpart of."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions."""
        return self.array.shape


@dataclass(frozen=True, slots=True)
class StringTensor:
    """A tensor of byte strings."""

    shape: tuple[int, ...]
    strings: tuple[bytes, ...]
    """In C order."""

    @property
    def dtype(self) -> str:
        """TensorFlow's name of the type."""
        return "string"


Tensor = NumericTensor | StringTensor


def decode_outputs(
    facts: Sequence[TensorFacts], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, Tensor]:
    """Return the outputs that a report describes, by name, from the arrays it came with.

    Raises:
        ValueError: the arrays are not what the report says they are.
    """
    return dict(each_output(facts, arrays))


def each_output(
    facts: Sequence[TensorFacts], arrays: Mapping[str, NDArray[Any]]
) -> Iterator[tuple[str, Tensor]]:
    """Yield the outputs of `decode_outputs` one at a time; an array is only taken for its turn.

    Raises:
        ValueError: the arrays are not what the report says they are.
    """
    expected: set[str] = set()
    for index, fact in enumerate(facts):
        key = f"output_{index}"
        expected |= {f"{key}.data", f"{key}.offsets"} if fact.dtype == "string" else {key}
    _check_names(expected, set(arrays), "output")
    seen: set[str] = set()
    for index, fact in enumerate(facts):
        if fact.name in seen:
            raise ValueError(f"output {_quoted(fact.name)} is described twice")
        seen.add(fact.name)
        yield fact.name, _decode(f"output_{index}", fact, arrays)


def float64_facts(facts: Sequence[TensorFacts]) -> tuple[TensorFacts, ...]:
    """Return what a float64 run gives of the outputs that a report describes.

    The same names, order and shapes; what is a narrower floating-point type is float64.
    """
    return tuple(
        fact.model_copy(update={"dtype": _WIDE.get(fact.dtype, fact.dtype)}) for fact in facts
    )


def decode_inputs(
    facts: Sequence[TensorFacts], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, Tensor]:
    """Return the inputs that a report describes, by name; their arrays have the same names.

    Raises:
        ValueError: the arrays are not what the report says they are.
    """
    return dict(each_input(facts, arrays))


def each_input(
    facts: Sequence[TensorFacts], arrays: Mapping[str, NDArray[Any]]
) -> Iterator[tuple[str, Tensor]]:
    """Yield the inputs of `decode_inputs` one at a time; an array is only taken for its turn.

    Raises:
        ValueError: the arrays are not what the report says they are.
    """
    _check_names({fact.name for fact in facts}, set(arrays), "input")
    for fact in facts:
        yield fact.name, _decode_input(fact, arrays[fact.name])


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Return the tensors that a user's `.npz` holds, by name; NumPy's `S` and `U` are strings.

    Raises:
        ValueError: an array has a type that no output can have.
    """
    return {name: _from_array(name, arrays[name]) for name in arrays}


def _from_array(name: str, array: NDArray[Any]) -> Tensor:
    if array.dtype.kind == "S":
        return StringTensor(array.shape, tuple(array.ravel().tolist()))
    if array.dtype.kind == "U":
        texts: list[str] = array.ravel().tolist()
        return StringTensor(array.shape, tuple(text.encode("utf-8") for text in texts))
    if array.dtype.name not in _NATIVE:
        raise ValueError(
            f"array {_quoted(name)} has the type {array.dtype}, which cannot be compared; "
            f"allowed: {', '.join(sorted(_NATIVE))}, and strings (S, U)"
        )
    return NumericTensor(array.dtype.name, array.astype(array.dtype.newbyteorder("="), copy=False))


def _check_names(expected: set[str], found: set[str], kind: str) -> None:
    if missing := expected - found:
        raise ValueError(f"the {kind}s lack the array {_some(missing)}")
    if extra := found - expected:
        raise ValueError(f"the {kind}s hold the array {_some(extra)}, which no {kind} describes")


def _decode_input(fact: TensorFacts, array: NDArray[Any]) -> Tensor:
    name = _quoted(fact.name)
    if fact.dtype == "bfloat16" and array.dtype in (np.dtype(np.uint16), np.dtype("V2")):
        tensor: Tensor = NumericTensor(fact.dtype, array.view(np.uint16))
    else:
        tensor = _from_array(fact.name, array)
    if tensor.dtype != fact.dtype:
        raise ValueError(f"input {name} is stored as {tensor.dtype}, the report says {fact.dtype}")
    if list(tensor.shape) != fact.shape:
        raise ValueError(f"input {name} has the shape {tensor.shape}, the report says {fact.shape}")
    return tensor


def _decode(key: str, fact: TensorFacts, arrays: Mapping[str, NDArray[Any]]) -> Tensor:
    shape = _shape(fact)
    if fact.dtype == "string":
        return _decode_strings(key, fact.name, shape, arrays)
    array = arrays[key]
    stored = _stored_dtype(fact)
    if array.dtype != stored:
        raise ValueError(
            f"output {_quoted(fact.name)} is stored as {array.dtype}; "
            f"{fact.dtype} must be stored as {stored}"
        )
    if array.shape != shape:
        raise ValueError(
            f"output {_quoted(fact.name)} has the shape {array.shape}, the report says {shape}"
        )
    return NumericTensor(fact.dtype, array)


def _shape(fact: TensorFacts) -> tuple[int, ...]:
    sizes = [] if fact.shape is None else [size for size in fact.shape if size is not None]
    if fact.shape is None or len(sizes) != len(fact.shape) or any(size < 0 for size in sizes):
        raise ValueError(f"output {_quoted(fact.name)} has no definite shape in the report")
    return tuple(sizes)


def _stored_dtype(fact: TensorFacts) -> np.dtype[Any]:
    if fact.dtype in _NATIVE:
        return np.dtype(fact.dtype)
    if fact.dtype == "bfloat16":
        return np.dtype(np.uint16)
    if fact.dtype.startswith(_BYTE_SIZED):
        return np.dtype(np.uint8)
    raise ValueError(
        f"output {_quoted(fact.name)} has the type {_quoted(fact.dtype)}, which is unknown"
    )


def _decode_strings(
    key: str, name: str, shape: tuple[int, ...], arrays: Mapping[str, NDArray[Any]]
) -> StringTensor:
    data, offsets = arrays[f"{key}.data"], arrays[f"{key}.offsets"]
    count = math.prod(shape)
    if data.dtype != np.uint8 or data.ndim != 1:
        raise ValueError(f"the bytes of output {_quoted(name)} are not a row of uint8")
    if offsets.dtype != np.int64 or offsets.shape != (count + 1,):
        raise ValueError(
            f"the offsets of output {_quoted(name)} are not {count + 1} int64 "
            f"as its shape {shape} asks for"
        )
    if offsets[0] != 0 or offsets[-1] != data.size or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(f"the offsets of output {_quoted(name)} do not rise from 0 to {data.size}")
    joined, ends = data.data, offsets.tolist()
    strings = tuple(bytes(joined[ends[i] : ends[i + 1]]) for i in range(count))
    return StringTensor(shape, strings)


def _quoted(name: str) -> str:
    return f"'{one_line(name, 80)}'"


def _some(names: set[str]) -> str:
    first = sorted(names)[:3]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004
    return ", ".join(_quoted(name) for name in first) + more
