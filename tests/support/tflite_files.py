"""Small TensorFlow Lite files made by hand: what a converter would have written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import tflite

FLOAT32, INT32, UINT8, STRING, INT8 = 0, 2, 3, 5, 9
ADD, CONV_2D, CUSTOM, RANDOM_UNIFORM = 0, 3, 32, 148


@dataclass(frozen=True)
class LiteTensor:
    name: str | None
    shape: Sequence[int] | None = (1, 4)
    dtype: int = FLOAT32
    signature: Sequence[int] | None = None
    """`shape_signature`, with -1 for what is open."""
    buffer: int = 0
    scales: Sequence[float] = ()
    zero_points: Sequence[int] = ()
    axis: int = 0
    has_rank: bool = False


@dataclass(frozen=True)
class LiteOperator:
    builtin: int
    custom: str | None = None
    version: int = 1


@dataclass(frozen=True)
class LiteSignature:
    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    graph: int = 0


@dataclass(frozen=True)
class LiteGraph:
    tensors: Sequence[LiteTensor]
    inputs: Sequence[int] = (0,)
    outputs: Sequence[int] = (1,)
    operators: Sequence[int] = (0,)
    """Indices into the model's operators."""


X, Y = LiteTensor("x"), LiteTensor("y")


@dataclass
class LiteModel:
    graphs: Sequence[LiteGraph] = (LiteGraph((X, Y)),)
    operators: Sequence[LiteOperator] = (LiteOperator(ADD),)
    buffers: Sequence[bytes] = (b"",)
    metadata: dict[str, int] = field(default_factory=dict)
    """Name to buffer."""
    signatures: Sequence[LiteSignature] = ()
    description: str | None = None
    version: int = 3
    listed: int = 1
    """How often each graph is in the list of graphs, which points at the same bytes then."""

    def data(self) -> bytes:
        """Return the file."""
        made = _Made()
        table = made.table(
            "Model",
            Version=self.version,
            OperatorCodes=made.tables([made.operator_code(item) for item in self.operators]),
            Subgraphs=made.tables([made.graph(graph) for graph in self.graphs] * self.listed),
            Description=made.text(self.description),
            Buffers=made.tables([made.buffer(content) for content in self.buffers]),
            Metadata=made.tables(
                [
                    made.table("Metadata", Name=made.text(name), Buffer=buffer)
                    for name, buffer in self.metadata.items()
                ]
            ),
            SignatureDefs=made.tables([made.signature(item) for item in self.signatures]),
        )
        made.builder.Finish(table, b"TFL3")
        return bytes(made.builder.Output())


class _Made:
    """A file in the making; everything that is pointed at has to be there before."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1024)

    def table(self, name: str, **fields: Any) -> int:
        getattr(tflite, f"{name}Start")(self.builder)
        for key, value in fields.items():
            if value is not None:
                getattr(tflite, f"{name}Add{key}")(self.builder, value)
        return int(getattr(tflite, f"{name}End")(self.builder))

    def text(self, text: str | None) -> int | None:
        return None if text is None else int(self.builder.CreateString(text))

    def tables(self, offsets: Sequence[int]) -> int:
        return self._vector(offsets, 4, self.builder.PrependUOffsetTRelative)

    def integers(self, numbers: Sequence[int] | None) -> int | None:
        return None if numbers is None else self._vector(numbers, 4, self.builder.PrependInt32)

    def _vector(self, items: Sequence[Any], width: int, prepend: Callable[[Any], None]) -> int:
        self.builder.StartVector(width, len(items), width)
        for item in reversed(items):
            prepend(item)
        return int(self.builder.EndVector())

    def operator_code(self, operator: LiteOperator) -> int:
        return self.table(
            "OperatorCode",
            CustomCode=self.text(operator.custom),
            DeprecatedBuiltinCode=min(operator.builtin, 127),
            BuiltinCode=operator.builtin,
            Version=operator.version,
        )

    def buffer(self, content: bytes) -> int:
        data = self.builder.CreateByteVector(content) if content else None
        return self.table("Buffer", Data=data)

    def graph(self, graph: LiteGraph) -> int:
        tensors = self.tables([self.tensor(tensor) for tensor in graph.tensors])
        inputs, outputs = self.integers(graph.inputs), self.integers(graph.outputs)
        operators = [self.table("Operator", OpcodeIndex=index) for index in graph.operators]
        return self.table(
            "SubGraph",
            Tensors=tensors,
            Inputs=inputs,
            Outputs=outputs,
            Operators=self.tables(operators),
        )

    def tensor(self, tensor: LiteTensor) -> int:
        quantised = None
        if tensor.scales:
            scales = self._vector(tensor.scales, 4, self.builder.PrependFloat32)
            points = self._vector(tensor.zero_points, 8, self.builder.PrependInt64)
            quantised = self.table(
                "QuantizationParameters",
                Scale=scales,
                ZeroPoint=points,
                QuantizedDimension=tensor.axis,
            )
        return self.table(
            "Tensor",
            Shape=self.integers(tensor.shape),
            Type=tensor.dtype,
            Buffer=tensor.buffer,
            Name=self.text(tensor.name),
            Quantization=quantised,
            ShapeSignature=self.integers(tensor.signature),
            HasRank=tensor.has_rank,
        )

    def signature(self, signature: LiteSignature) -> int:
        sides = [
            self.tables(
                [
                    self.table("TensorMap", Name=self.text(name), TensorIndex=index)
                    for name, index in side.items()
                ]
            )
            for side in (signature.inputs, signature.outputs)
        ]
        return self.table(
            "SignatureDef",
            Inputs=sides[0],
            Outputs=sides[1],
            SignatureKey=self.text(signature.key),
            SubgraphIndex=signature.graph,
        )


def conversion_metadata(version: str) -> bytes:
    """Return what a converter writes of itself (conversion_metadata.fbs)."""
    builder = flatbuffers.Builder(64)
    text = builder.CreateString(version)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, text, 0)
    environment = builder.EndObject()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, environment, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())
