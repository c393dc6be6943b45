"""Reading a TensorFlow Lite model: who converted it, what it takes and gives."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from harness.model.inspected import Inspected
from harness.model.model import Signature, TensorSpec, Writer
from harness.model.tflite_file import TFLiteFile, forged_is_an_error, text

__all__ = ["UNSIGNED", "converter", "inspect_tflite"]

UNSIGNED: Final = "call"
"""Name of the one signature of a model that declares none: its first graph."""

_CONVERSION = "CONVERSION_METADATA"
_CONVERSION_BYTES = 64 * 1024


def inspect_tflite(path: Path) -> Inspected:
    """Read who converted the model and what it takes.

    One signature for each that is declared, of its own graph; else one named `UNSIGNED`, whose
    inputs and outputs have the names of their tensors, made unique in the model's order; one
    without a name is `tensor_<its index>`, as in the probe.

    Raises:
        ModelError: the file is damaged or forged.
    """
    with forged_is_an_error(path):
        file = TFLiteFile(path)
        return Inspected(
            writer=Writer(tensorflow=converter(file) or None), signatures=_signatures(file)
        )


def converter(file: TFLiteFile) -> str:
    """Return the version of TensorFlow that converted the model; empty where it is not told."""
    entries = file.list(file.model.MetadataLength(), file.model.Metadata)
    for entry in entries:
        if text(entry.Name()) == _CONVERSION:
            return text(_converter(file.content(entry.Buffer(), _CONVERSION_BYTES)))
    return ""


def _converter(data: bytes) -> bytes:
    """Read a ConversionMetadata: its first field is an Environment, whose first is the version.

    tensorflow/compiler/mlir/lite/schema/conversion_metadata.fbs
    """
    if not data:
        return b""
    from flatbuffers.table import Table  # noqa: PLC0415  (only where there is such a model)

    root = Table(data, struct.unpack_from("<I", data)[0])
    if not (offset := root.Offset(4)):
        return b""
    environment = Table(data, root.Indirect(root.Pos + offset))
    offset = environment.Offset(4)
    return bytes(environment.String(offset + environment.Pos)) if offset else b""


def _signatures(file: TFLiteFile) -> tuple[Signature, ...]:
    declared = file.list(file.model.SignatureDefsLength(), file.model.SignatureDefs)
    found = {}
    for entry in declared:
        name, graph = text(entry.SignatureKey()), entry.SubgraphIndex()
        found[name] = Signature(
            name=name,
            inputs=_mapped(file, graph, file.list(entry.InputsLength(), entry.Inputs)),
            outputs=_mapped(file, graph, file.list(entry.OutputsLength(), entry.Outputs)),
        )
    return tuple(found[name] for name in sorted(found)) or (_unsigned(file),)


def _mapped(file: TFLiteFile, graph: int, entries: list[Any]) -> tuple[TensorSpec, ...]:
    """Return the tensors of a signature, which has names of its own for them."""
    return _specs(
        file, ((text(entry.Name()), file.tensor(graph, entry.TensorIndex())) for entry in entries)
    )


def _unsigned(file: TFLiteFile) -> Signature:
    graph = file.graphs[0]
    inputs = file.list(graph.InputsLength(), graph.Inputs)
    outputs = file.list(graph.OutputsLength(), graph.Outputs)
    return Signature(name=UNSIGNED, inputs=_named(file, inputs), outputs=_named(file, outputs))


def _named(file: TFLiteFile, indices: list[int]) -> tuple[TensorSpec, ...]:
    tensors = [(index, file.tensor(0, index)) for index in indices]
    return _specs(
        file, ((text(tensor.Name()) or f"tensor_{index}", tensor) for index, tensor in tensors)
    )


def _specs(file: TFLiteFile, tensors: Iterable[tuple[str, Any]]) -> tuple[TensorSpec, ...]:
    """Describe tensors, sorted by name; a later one of a name that was there gets `_1`, `_2`."""
    specs: dict[str, TensorSpec] = {}
    for name, tensor in tensors:
        unique, count = name, 0
        while unique in specs:
            count += 1
            unique = f"{name}_{count}"
        specs[unique] = TensorSpec(name=unique, dtype=file.dtype(tensor), shape=file.sizes(tensor))
    return tuple(specs[name] for name in sorted(specs))
