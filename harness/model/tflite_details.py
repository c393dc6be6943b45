"""What there is to show of a TensorFlow Lite model beyond its inputs and outputs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.model.details import (
    CustomOp,
    Details,
    Fact,
    Operation,
    Quantisation,
    RandomOp,
    Variables,
)
from harness.model.tflite import converter
from harness.model.tflite_file import TFLiteFile, forged_is_an_error, text
from harness.text import one_line
from harness.untrusted import UntrustedFileError

__all__ = ["tflite_details"]

_CUSTOM = 32  # schema.fbs, BuiltinOperator.CUSTOM
_FLEX = "Flex"
_OWN = ("AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess")
"""tensorflow/lite/core/kernels/register.cc: custom operators the interpreter has by itself."""
_RANDOM = ("MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM", "STABLEHLO_RNG_BIT_GENERATOR")
_RUNTIME = "min_runtime_version"
_MAX_SCALES = 4
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class _Operator:
    """An entry of the model's list of operators."""

    name: str
    version: int
    custom: bool


def tflite_details(path: Path) -> Details:
    """Read what there is to show of the model.

    Raises:
        ModelError: the file is damaged or forged.
    """
    with forged_is_an_error(path):
        file = TFLiteFile(path)
        used = _used(file)
        operations = _operations(used)
        return Details(
            written=tuple(_written(file)),
            operations=operations,
            functions=len(file.graphs) - 1,
            custom_ops=_custom_ops(used),
            random_ops=tuple(
                RandomOp(name=operation.name, count=operation.count, used=operation.count)
                for operation in operations
                if operation.name in _RANDOM
            ),
            constants=_constants(file),
            quantisations=tuple(_quantisations(file)),
        )


def _written(file: TFLiteFile) -> Iterator[Fact]:
    model = file.model
    yield Fact(key="TFLite schema", value=str(model.Version()))
    if description := text(model.Description()):
        yield Fact(key="description", value=one_line(description, _SHOWN))
    if version := converter(file):
        yield Fact(key="converted by TensorFlow", value=one_line(version, _SHOWN))
    entries = file.list(model.MetadataLength(), model.Metadata)
    by_name = {text(entry.Name()): entry.Buffer() for entry in entries}
    if _RUNTIME in by_name:
        runtime = text(file.content(by_name[_RUNTIME], _SHOWN).rstrip(b"\0"))
        yield Fact(key="oldest runtime", value=runtime or "not recorded")
    if by_name:
        yield Fact(key="metadata", value=one_line(", ".join(sorted(by_name)), _SHOWN))


def _used(file: TFLiteFile) -> Counter[_Operator]:
    """Return how often each operator stands in all graphs."""
    codes = file.list(file.model.OperatorCodesLength(), file.model.OperatorCodes)
    known = [_operator(file, code) for code in codes]
    used: Counter[_Operator] = Counter()
    for graph in file.graphs:
        for operator in file.list(graph.OperatorsLength(), graph.Operators):
            index = operator.OpcodeIndex()
            if index >= len(known):
                raise UntrustedFileError("is damaged: it uses an operator that it does not list")
            used[known[index]] += 1
    return used


def _operator(file: TFLiteFile, code: Any) -> _Operator:
    # Numbers beyond 127 came with a second, wider field (schema.fbs, OperatorCode).
    number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    if number == _CUSTOM:
        return _Operator(text(code.CustomCode()), code.Version(), custom=True)
    return _Operator(file.operator(number), code.Version(), custom=False)


def _operations(used: Counter[_Operator]) -> tuple[Operation, ...]:
    counts: Counter[str] = Counter()
    versions: dict[str, int] = {}
    for operator, count in used.items():
        counts[operator.name] += count
        versions[operator.name] = max(operator.version, versions.get(operator.name, 0))
    found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Operation(name=name, count=count, version=versions[name]) for name, count in found)


def _custom_ops(used: Counter[_Operator]) -> tuple[CustomOp, ...]:
    counts: Counter[str] = Counter()
    for operator, count in used.items():
        if operator.custom:
            counts[operator.name] += count
    return tuple(CustomOp(name=name, count=counts[name], why=_why(name)) for name in sorted(counts))


def _why(name: str) -> str:
    if name in _OWN:
        return "a custom operator that the interpreter has by itself"
    if name.startswith(_FLEX):
        return "an operation of TensorFlow: it needs the Flex delegate, which tf.lite brings"
    return "a custom operator: the program that runs the model has to bring it"


def _constants(file: TFLiteFile) -> Variables:
    """Return what the tensors hold whose values are in the file."""
    seen: set[int] = set()
    parameters = total = 0
    for graph in file.graphs:
        for tensor in file.list(graph.TensorsLength(), graph.Tensors):
            index = tensor.Buffer()
            size = _size(file, index)
            if size and index not in seen:
                seen.add(index)
                total += size
                parameters += math.prod(length or 0 for length in file.sizes(tensor) or ())
    return Variables(count=len(seen), parameters=parameters, bytes=total)


def _size(file: TFLiteFile, index: int) -> int:
    if not 0 < index < len(file.buffers):
        return 0
    buffer = file.buffers[index]
    # Large models keep values behind the tables (schema.fbs, Buffer).
    return int(buffer.DataLength() or buffer.Size())


def _quantisations(file: TFLiteFile) -> Iterator[Quantisation]:
    graph = file.graphs[0]
    inputs = file.list(graph.InputsLength(), graph.Inputs)
    outputs = file.list(graph.OutputsLength(), graph.Outputs)
    for index in (*inputs, *outputs):
        tensor = file.tensor(0, index)
        of = tensor.Quantization()
        if of is None or of.ScaleLength() == 0:
            continue
        zero_points = min(of.ZeroPointLength(), _MAX_SCALES)
        yield Quantisation(
            tensor=text(tensor.Name()),
            scales=tuple(file.list(min(of.ScaleLength(), _MAX_SCALES), of.Scale)),
            zero_points=tuple(file.list(zero_points, of.ZeroPoint, width=8)),
            axis=of.QuantizedDimension() if of.ScaleLength() > 1 else None,
        )
