"""A frozen graph in which float64 takes the place of every narrower floating-point type.

Everything here works on the messages alone: TensorFlow is neither imported nor asked.
"""

from probing.normalising import NORMALISATIONS, arithmetic
from probing.type_numbers import BFLOAT16, COMPLEX64, FLOAT, HALF, Wiring, is_narrow, wider

EXACT = {
    "DecodeCSV",
    "DecodePaddedRaw",
    "DecodeRaw",
    "HashTable",
    "HashTableV2",
    "InitializeTable",
    "InitializeTableFromTextFile",
    "InitializeTableFromTextFileV2",
    "InitializeTableV2",
    "LookupTableFind",
    "LookupTableFindV2",
    "LookupTableImport",
    "LookupTableImportV2",
    "ParseExample",
    "ParseExampleV2",
    "ParseSequenceExample",
    "ParseSequenceExampleV2",
    "ParseSingleExample",
    "ParseSingleSequenceExample",
    "StringToNumber",
}
"""Operations that look values up or read them, and compute nothing: they stay as they are, and
what they give is widened, which is exact."""

FLOWS = {
    "TensorArrayCloseV3",
    "TensorArrayConcatV3",
    "TensorArrayGatherV3",
    "TensorArrayGradV3",
    "TensorArrayReadV3",
    "TensorArrayScatterV3",
    "TensorArraySizeV3",
    "TensorArraySplitV3",
    "TensorArrayV3",
    "TensorArrayWriteV3",
}
"""Operations of TensorFlow 1's loops that pass a float32 on whose value nobody reads: it tells what
comes after what. It stays one."""


def widen(graph_def, op_of):
    """Make a GraphDef compute in float64; returns {name of a tensor: what takes its place}.

    `op_of` returns the OpDef of an operation's name. What cannot be computed in float64 has been
    refused before (see `probing.refusals`).
    """
    moved, added = {}, []
    for node in graph_def.node:
        if node.op in FLOWS:
            widen_attributes(node.attr)
        if node.op in NORMALISATIONS:
            wiring = arithmetic(node, type(node))
        elif node.op in EXACT or node.op in FLOWS:
            wiring = with_casts(node, op_of(node.op), type(node))
        else:
            widen_attributes(node.attr)
            continue
        moved.update(wiring.moved)
        added += wiring.nodes
    for function in graph_def.library.function:
        widen_function(function)
    graph_def.node.extend(added)
    for node in graph_def.node:
        if not (node.op == "Cast" and is_narrow(node.attr["SrcT"].type)):
            node.input[:] = [taken_instead(moved, name) for name in node.input]
    return moved


def taken_instead(moved, name):
    """Return the tensor that takes the place of one; the name itself where none does."""
    while tensor_name(name) in moved:
        name = moved[tensor_name(name)]
    return name


def tensor_name(name):
    """Return the name of a tensor in full, `node:0`; a control input stays as it is."""
    return name if ":" in name or name.startswith("^") else name + ":0"


def widen_function(function):
    """Make a function of the graph's library compute in float64."""
    for argument in list(function.signature.input_arg) + list(function.signature.output_arg):
        argument.type = wider(argument.type)
    for node in function.node_def:
        widen_attributes(node.attr)


def widen_attributes(attributes):
    """Replace the types in a node's attributes and widen its constant."""
    for key in list(attributes):
        if key.startswith("_Xla") or key in ("_output_shapes", "_gradient_op_type"):
            del attributes[key]  # what would compile it, or says what is no longer so
        else:
            widen_value(attributes[key])


def widen_value(value):
    """Replace the types in one attribute, which may hold a constant or name a function."""
    kind = value.WhichOneof("value")
    if kind == "type":
        value.type = wider(value.type)
    elif kind == "tensor":
        widen_tensor(value.tensor)
    elif kind == "func":
        widen_attributes(value.func.attr)
    elif kind == "list":
        value.list.type[:] = [wider(number) for number in value.list.type]
        for function in value.list.func:
            widen_attributes(function.attr)


def widen_tensor(tensor):
    """Widen a TensorProto, number by number: float64 holds each of them exactly.

    Where it lists fewer numbers than it has elements the last is meant for the others: so it stays.
    """
    import numpy as np

    if not is_narrow(tensor.dtype):
        return
    number, tensor.dtype = tensor.dtype, wider(tensor.dtype)
    wide = np.dtype("<c16" if number == COMPLEX64 else "<f8")
    if tensor.tensor_content:
        stored = {FLOAT: "<f4", COMPLEX64: "<c8", BFLOAT16: "<u2", HALF: "<f2"}[number]
        array = np.frombuffer(tensor.tensor_content, stored)
        tensor.tensor_content = from_bits(number, array).astype(wide).tobytes()
    elif number == FLOAT:
        tensor.double_val.extend(tensor.float_val)
        del tensor.float_val[:]
    elif number == COMPLEX64:
        tensor.dcomplex_val.extend(tensor.scomplex_val)
        del tensor.scomplex_val[:]
    else:
        bits = np.array(list(tensor.half_val), np.uint16)
        array = from_bits(number, bits if number == BFLOAT16 else bits.view(np.float16))
        tensor.double_val.extend(array.astype(np.float64).tolist())
        del tensor.half_val[:]


def from_bits(number, array):
    """Return an array as a type that NumPy has: bfloat16 is the upper half of a float32."""
    import numpy as np

    if number != BFLOAT16:
        return array
    return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)


def with_casts(node, op, new):
    """Return what makes a node that stays narrow fit into a wide graph.

    Its narrow inputs are converted before it and its narrow outputs after it.
    """
    nodes, moved = [], {}
    for index, number in enumerate(types_of(op.input_arg, node)):
        if is_narrow(number):
            name = "%s/narrow_%d" % (node.name, index)
            nodes.append(cast(new, name, node.input[index], wider(number), number))
            node.input[index] = name
    for index, number in enumerate(types_of(op.output_arg, node)):
        if is_narrow(number):
            name = "%s/wide_%d" % (node.name, index)
            tensor = "%s:%d" % (node.name, index)
            nodes.append(cast(new, name, tensor, number, wider(number)))
            moved[tensor] = name
    return Wiring(nodes, moved)


def cast(new, name, tensor, source, target):
    """Return a node that converts a tensor."""
    node = new(name=name, op="Cast", input=[tensor])
    node.attr["SrcT"].type = source
    node.attr["DstT"].type = target
    return node


def types_of(arguments, node):
    """Return the numbers of the types of a node's inputs or outputs, one by one."""
    numbers = []
    for argument in arguments:
        if argument.type_list_attr:
            numbers += list(node.attr[argument.type_list_attr].list.type)
            continue
        number = argument.type or node.attr[argument.type_attr].type
        numbers += [number] * (node.attr[argument.number_attr].i if argument.number_attr else 1)
    return numbers
