"""The few fields of TensorFlow's protocol buffers that inspection reads, and nothing else.

Field numbers: tensorflow/core/protobuf/{saved_model,meta_graph,saver,saved_object_graph,
trackable_object_graph,tensor_bundle,fingerprint}.proto, tensorflow/core/framework/{graph,node_def,
attr_value,function,tensor,tensor_shape,tensor_slice,types,versions}.proto and Keras's
saved_metadata.proto. A parser skips fields it does not know, so these messages read files of every
TensorFlow. Texts are `bytes` here because old files hold some that are not UTF-8, and maps are the
repeated entries they are on the wire.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = [
    "DTYPES",
    "BundleEntry",
    "BundleHeader",
    "FingerprintDef",
    "FunctionDef",
    "KerasMetadata",
    "MetaGraphDef",
    "NodeDef",
    "SavedModel",
    "TensorProto",
    "TrackableObjectGraph",
    "VersionDef",
    "dtype_name",
]

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _Field.TYPE_BYTES,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "bool": _Field.TYPE_BOOL,
}

# Message: {field: (number, type)}; a type in brackets is repeated.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "SavedModel": {"schema_version": (1, "int64"), "meta_graphs": (2, "[MetaGraphDef]")},
    "MetaGraphDef": {
        "meta_info_def": (1, "MetaInfoDef"),
        "graph_def": (2, "GraphDef"),
        "saver_def": (3, "SaverDef"),
        "collection_def": (4, "[CollectionEntry]"),
        "signature_def": (5, "[SignatureEntry]"),
        "object_graph_def": (7, "SavedObjectGraph"),
    },
    "MetaInfoDef": {
        "tags": (4, "[bytes]"),
        "tensorflow_version": (5, "bytes"),
        "tensorflow_git_version": (6, "bytes"),
    },
    "GraphDef": {
        "node": (1, "[NodeDef]"),
        "library": (2, "FunctionDefLibrary"),
        "versions": (4, "VersionDef"),
    },
    "NodeDef": {
        "name": (1, "bytes"),
        "op": (2, "bytes"),
        "input": (3, "[bytes]"),
        "attr": (5, "[AttrEntry]"),
    },
    "AttrEntry": {"key": (1, "bytes"), "value": (2, "AttrValue")},
    "AttrValue": {
        "list": (1, "AttrList"),
        "s": (2, "bytes"),
        "i": (3, "int64"),
        "type": (6, "int32"),
        "shape": (7, "TensorShapeProto"),
        "tensor": (8, "TensorProto"),
        "func": (10, "NameAttrList"),
    },
    "AttrList": {
        "s": (2, "[bytes]"),
        "type": (6, "[int32]"),
        "shape": (7, "[TensorShapeProto]"),
        "func": (9, "[NameAttrList]"),
    },
    "NameAttrList": {"name": (1, "bytes")},
    "TensorProto": {"dtype": (1, "int32"), "tensor_shape": (2, "TensorShapeProto")},
    "FunctionDefLibrary": {"function": (1, "[FunctionDef]")},
    "FunctionDef": {"signature": (1, "OpDef"), "node_def": (3, "[NodeDef]")},
    "OpDef": {"name": (1, "bytes")},
    "VersionDef": {"producer": (1, "int32"), "min_consumer": (2, "int32")},
    "SaverDef": {
        "save_tensor_name": (2, "bytes"),
        "restore_op_name": (3, "bytes"),
        "version": (7, "int32"),
    },
    "CollectionEntry": {"key": (1, "bytes"), "value": (2, "CollectionDef")},
    "CollectionDef": {"node_list": (1, "NodeList"), "bytes_list": (2, "BytesList")},
    "NodeList": {"value": (1, "[bytes]")},
    "BytesList": {"value": (1, "[bytes]")},
    "SavedObjectGraph": {"nodes": (1, "[SavedObject]")},
    "SavedObject": {
        "children": (1, "[ObjectReference]"),
        "slot_variables": (3, "[SlotVariableReference]"),
        "user_object": (4, "SavedUserObject"),
        "variable": (7, "SavedVariable"),
    },
    "SavedUserObject": {"identifier": (1, "bytes"), "metadata": (3, "bytes")},
    "SavedVariable": {"dtype": (1, "int32")},
    "ObjectReference": {"node_id": (1, "int32"), "local_name": (2, "bytes")},
    "SlotVariableReference": {
        "original_variable_node_id": (1, "int32"),
        "slot_name": (2, "bytes"),
        "slot_variable_node_id": (3, "int32"),
    },
    "TrackableObjectGraph": {"nodes": (1, "[TrackableObject]")},
    "TrackableObject": {
        "children": (1, "[ObjectReference]"),
        "attributes": (2, "[SerializedTensor]"),
        "slot_variables": (3, "[SlotVariableReference]"),
    },
    "SerializedTensor": {
        "name": (1, "bytes"),
        "full_name": (2, "bytes"),
        "checkpoint_key": (3, "bytes"),
    },
    "BundleHeader": {"num_shards": (1, "int32"), "endianness": (2, "int32")},
    "BundleEntry": {
        "dtype": (1, "int32"),
        "shape": (2, "TensorShapeProto"),
        "shard_id": (3, "int32"),
        "offset": (4, "int64"),
        "size": (5, "int64"),
        "slices": (7, "[SliceProto]"),
    },
    "SliceProto": {"extent": (1, "[SliceExtent]")},
    "SliceExtent": {"start": (1, "int64")},
    "FingerprintDef": {
        "saved_model_checksum": (1, "uint64"),
        "graph_def_program_hash": (2, "uint64"),
        "signature_def_hash": (3, "uint64"),
        "saved_object_graph_hash": (4, "uint64"),
        "checkpoint_hash": (5, "uint64"),
        "version": (6, "VersionDef"),
        "uuid": (7, "bytes"),
    },
    "KerasMetadata": {"nodes": (1, "[KerasNode]")},
    "KerasNode": {"node_path": (3, "bytes"), "identifier": (4, "bytes"), "metadata": (5, "bytes")},
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
NodeDef = _MADE["NodeDef"]
TensorProto = _MADE["TensorProto"]
FunctionDef = _MADE["FunctionDef"]
VersionDef = _MADE["VersionDef"]
BundleHeader = _MADE["BundleHeader"]
BundleEntry = _MADE["BundleEntry"]
TrackableObjectGraph = _MADE["TrackableObjectGraph"]
FingerprintDef = _MADE["FingerprintDef"]
KerasMetadata = _MADE["KerasMetadata"]
