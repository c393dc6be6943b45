"""GraphDef, NodeDef, OpDef and what they hold, as TensorFlow's own classes have them.

Field numbers: tensorflow/core/framework/{graph,node_def,attr_value,function,op_def,tensor,
tensor_shape}.proto. Unlike those of `harness.model.protos`, texts are `str`, attributes are maps
and kinds of attributes a oneof, so that the probe's code can work on them without TensorFlow.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["GraphDef", "NodeDef", "OpDef", "TensorProto", "constant", "node", "op"]

_F = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _F.TYPE_BYTES,
    "string": _F.TYPE_STRING,
    "int32": _F.TYPE_INT32,
    "int64": _F.TYPE_INT64,
    "bool": _F.TYPE_BOOL,
    "float": _F.TYPE_FLOAT,
    "double": _F.TYPE_DOUBLE,
}

# Message: {field: (number, type)}; a type in brackets is repeated, one in braces a map's values.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "GraphDef": {"node": (1, "[NodeDef]"), "library": (2, "FunctionDefLibrary")},
    "NodeDef": {
        "name": (1, "string"),
        "op": (2, "string"),
        "input": (3, "[string]"),
        "device": (4, "string"),
        "attr": (5, "{AttrValue}"),
    },
    "AttrValue": {
        "list": (1, "ListValue"),
        "s": (2, "bytes"),
        "i": (3, "int64"),
        "f": (4, "float"),
        "b": (5, "bool"),
        "type": (6, "int32"),
        "shape": (7, "TensorShapeProto"),
        "tensor": (8, "TensorProto"),
        "func": (10, "NameAttrList"),
    },
    "ListValue": {"type": (6, "[int32]"), "func": (9, "[NameAttrList]")},
    "NameAttrList": {"name": (1, "string"), "attr": (2, "{AttrValue}")},
    "TensorShapeProto": {"dim": (2, "[Dim]"), "unknown_rank": (3, "bool")},
    "Dim": {"size": (1, "int64")},
    "TensorProto": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShapeProto"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "[float]"),
        "double_val": (6, "[double]"),
        "int_val": (7, "[int32]"),
        "scomplex_val": (9, "[float]"),
        "bool_val": (11, "[bool]"),
        "dcomplex_val": (12, "[double]"),
        "half_val": (13, "[int32]"),
    },
    "FunctionDefLibrary": {"function": (1, "[FunctionDef]")},
    "FunctionDef": {"signature": (1, "OpDef"), "node_def": (3, "[NodeDef]")},
    "OpDef": {
        "name": (1, "string"),
        "input_arg": (2, "[ArgDef]"),
        "output_arg": (3, "[ArgDef]"),
        "attr": (4, "[AttrDef]"),
    },
    "ArgDef": {
        "name": (1, "string"),
        "type": (3, "int32"),
        "type_attr": (4, "string"),
        "number_attr": (5, "string"),
        "type_list_attr": (6, "string"),
    },
    "AttrDef": {"name": (1, "string"), "type": (2, "string"), "allowed_values": (7, "AttrValue")},
}


def _add(file: descriptor_pb2.FileDescriptorProto, name: str) -> None:
    message = file.message_type.add(name=name)
    if name == "AttrValue":
        message.oneof_decl.add(name="value")
    for key, (number, kind) in _MESSAGES[name].items():
        field = message.field.add(name=key, number=number, label=_F.LABEL_OPTIONAL)
        inner = kind.strip("[]{}")
        if kind.startswith(("[", "{")):
            field.label = _F.LABEL_REPEATED
        elif name == "AttrValue":
            field.oneof_index = 0
        if kind.startswith("{"):
            entry = message.nested_type.add(name=f"{key.title()}Entry")
            entry.options.map_entry = True
            optional = {"label": _F.LABEL_OPTIONAL}
            entry.field.add(name="key", number=1, type=_F.TYPE_STRING, **optional)
            entry.field.add(
                name="value", number=2, type=_F.TYPE_MESSAGE, type_name=f".own.{inner}", **optional
            )
            field.type, field.type_name = _F.TYPE_MESSAGE, f".own.{name}.{entry.name}"
        elif inner in _SCALARS:
            field.type = _SCALARS[inner]
        else:
            field.type, field.type_name = _F.TYPE_MESSAGE, f".own.{inner}"


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="own.proto", package="own", syntax="proto3")
    for name in _MESSAGES:
        _add(file, name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"own.{name}"))
        for name in _MESSAGES
    }


_ALL = _classes()
GraphDef, NodeDef, OpDef, TensorProto = (
    _ALL[name] for name in ("GraphDef", "NodeDef", "OpDef", "TensorProto")
)


def node(graph: Any, name: str, op: str, *inputs: str, **attributes: Any) -> Any:
    """Add a node; attributes are types where they are numbers, and what they are otherwise."""
    made = graph.node.add(name=name, op=op, input=inputs)
    for key, value in attributes.items():
        attribute = made.attr[key]
        if isinstance(value, bool):
            attribute.b = value
        elif isinstance(value, int):
            attribute.type = value
        elif isinstance(value, float):
            attribute.f = value
        elif isinstance(value, bytes):
            attribute.s = value
        else:
            attribute.list.type.extend(value)
    return made


def constant(graph: Any, name: str, dtype: int, **values: Any) -> Any:
    """Add a constant; `values` are fields of its TensorProto."""
    made = node(graph, name, "Const", dtype=dtype)
    made.attr["value"].tensor.CopyFrom(TensorProto(dtype=dtype, **values))
    return made


def op(name: str, inputs: str = "T", outputs: str = "T", *allowed: int) -> Any:
    """Return an OpDef; inputs and outputs are attributes, or numbers of types, by blanks."""
    made = OpDef(name=name)
    for arguments, texts in ((made.input_arg, inputs), (made.output_arg, outputs)):
        for text in texts.split():
            argument = arguments.add()
            if text.isdigit():
                argument.type = int(text)
            elif text.endswith("*"):
                argument.type_list_attr = text[:-1]
            else:
                argument.type_attr = text
    if allowed:
        made.attr.add(name="T", type="type").allowed_values.list.type.extend(allowed)
    return made
