"""The few fields of TensorFlow's protocol buffers that inspection reads, and nothing else.

Field numbers: tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto and
tensorflow/core/framework/{graph,node_def,function,tensor_shape,types,versions}.proto. A parser
skips fields it does not know, so these messages read files of every TensorFlow. Texts are `bytes`
here because old files hold some that are not UTF-8, and maps are the repeated entries they are on
the wire.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["DTYPES", "MetaGraphDef", "SavedModel", "dtype_name"]

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _Field.TYPE_BYTES,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "bool": _Field.TYPE_BOOL,
}

# Message: {field: (number, type)}; a type in brackets is repeated.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "SavedModel": {"meta_graphs": (2, "[MetaGraphDef]")},
    "MetaGraphDef": {
        "meta_info_def": (1, "MetaInfoDef"),
        "graph_def": (2, "GraphDef"),
        "saver_def": (3, "SaverDef"),
        "signature_def": (5, "[SignatureEntry]"),
        "object_graph_def": (7, "SavedObjectGraph"),
    },
    "MetaInfoDef": {"tags": (4, "[bytes]"), "tensorflow_version": (5, "bytes")},
    "GraphDef": {
        "node": (1, "[NodeDef]"),
        "library": (2, "FunctionDefLibrary"),
        "versions": (4, "VersionDef"),
    },
    "NodeDef": {"name": (1, "bytes"), "op": (2, "bytes")},
    "FunctionDefLibrary": {"function": (1, "[FunctionDef]")},
    "FunctionDef": {"node_def": (3, "[NodeDef]")},
    "VersionDef": {"producer": (1, "int32"), "min_consumer": (2, "int32")},
    "SaverDef": {"restore_op_name": (3, "bytes")},
    "SavedObjectGraph": {"nodes": (1, "[SavedObject]")},
    "SavedObject": {"variable": (7, "SavedVariable")},
    "SavedVariable": {"dtype": (1, "int32")},
    "SignatureEntry": {"key": (1, "bytes"), "value": (2, "SignatureDef")},
    "SignatureDef": {
        "inputs": (1, "[TensorEntry]"),
        "outputs": (2, "[TensorEntry]"),
        "method_name": (3, "bytes"),
    },
    "TensorEntry": {"key": (1, "bytes"), "value": (2, "TensorInfo")},
    "TensorInfo": {
        "name": (1, "bytes"),
        "dtype": (2, "int32"),
        "tensor_shape": (3, "TensorShapeProto"),
    },
    "TensorShapeProto": {"dim": (2, "[Dim]"), "unknown_rank": (3, "bool")},
    "Dim": {"size": (1, "int64")},
}

# enum DataType; a reference type (TensorFlow 1) has 100 more than its value's.
_TYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    14: "bfloat16",
    15: "qint16",
    16: "quint16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    20: "resource",
    21: "variant",
    22: "uint32",
    23: "uint64",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
    26: "float8_e4m3fnuz",
    27: "float8_e4m3b11fnuz",
    28: "float8_e5m2fnuz",
    29: "int4",
    30: "uint4",
    31: "int2",
    32: "uint2",
}
_REFERENCE = 100

DTYPES = frozenset(_TYPES.values())
"""TensorFlow's names of its types."""


def dtype_name(number: int) -> str:
    """Return TensorFlow's name of a DataType, such as `float32`; `unknown` for others."""
    return _TYPES.get(number - _REFERENCE if number > _REFERENCE else number, "unknown")


def _field(name: str, number: int, kind: str) -> descriptor_pb2.FieldDescriptorProto:
    inner = kind.strip("[]")
    field = _Field(
        name=name,
        number=number,
        label=_Field.LABEL_REPEATED if kind != inner else _Field.LABEL_OPTIONAL,
    )
    if inner in _SCALARS:
        field.type = _SCALARS[inner]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".harness.{inner}"
    return field


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="harness/model.proto", package="harness")
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            declared.field.append(_field(name, number, kind))
    # A pool of its own: TensorFlow's messages in the default pool would not be disturbed.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"harness.{message}"))
        for message in _MESSAGES
    }


_MADE = _classes()
SavedModel = _MADE["SavedModel"]
MetaGraphDef = _MADE["MetaGraphDef"]
