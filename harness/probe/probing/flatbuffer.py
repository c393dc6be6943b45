"""What a TensorFlow Lite file says of its inputs, outputs and signatures.

Older releases know neither signatures nor unknown dimensions, and newer ones have a method for
each: read here, names and shapes are the same whichever release runs the model. The layout is
tensorflow/lite/schema/schema.fbs; numbers of fields are in the order of the schema.
"""

import collections
import struct

from probing.keras_config import unique

Signature = collections.namedtuple("Signature", "key subgraph inputs outputs")
"""What can be called: its key, the index of its graph, and {name: `LiteTensor`}."""

LiteTensor = collections.namedtuple("LiteTensor", "index name dtype shape")
"""A tensor: `index` in its graph; `shape` None for an unknown rank, in it for a dimension."""

# fmt: off
TYPES = (
    "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64",
    "int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4",
    "bfloat16", "int2", "uint4",
)
# fmt: on

MODEL_SUBGRAPHS, MODEL_SIGNATURES = 2, 7
GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS = 0, 1, 2
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_NAME, TENSOR_SHAPE_SIGNATURE, TENSOR_HAS_RANK = 0, 1, 3, 7, 8
SIGNATURE_INPUTS, SIGNATURE_OUTPUTS, SIGNATURE_KEY, SIGNATURE_GRAPH = 0, 1, 2, 4
MAP_NAME, MAP_INDEX = 0, 1


class Table:
    """A table of a FlatBuffer; a field that is not there has a default."""

    def __init__(self, data, position):
        self.data = data
        self.position = position

    def at(self, field):
        """Return where the value of a field is, or None."""
        table = self.position - self.number("<i", self.position)
        entry = 4 + 2 * field
        if entry >= self.number("<H", table):
            return None
        offset = self.number("<H", table + entry)
        return self.position + offset if offset else None

    def number(self, form, position):
        """Return the number at a position."""
        return struct.unpack_from(form, self.data, position)[0]

    def scalar(self, field, form):
        """Return a number; 0 where it is not there."""
        position = self.at(field)
        return 0 if position is None else self.number(form, position)

    def vector(self, field):
        """Return where the items of a vector begin, and how many there are."""
        position = self.at(field)
        if position is None:
            return 0, 0
        position += self.number("<I", position)
        return position + 4, self.number("<I", position)

    def numbers(self, field):
        """Return a vector of 32-bit integers."""
        position, count = self.vector(field)
        return list(struct.unpack_from("<%di" % count, self.data, position))

    def text(self, field):
        """Return a string."""
        position, count = self.vector(field)
        return bytes(self.data[position : position + count]).decode("utf-8", "replace")

    def tables(self, field):
        """Return a vector of tables."""
        position, count = self.vector(field)
        places = range(position, position + 4 * count, 4)
        return [Table(self.data, place + self.number("<I", place)) for place in places]


def signatures_of(data):
    """Return the signatures of a model; where it has none, one for its main graph, without key."""
    model = Table(data, struct.unpack_from("<I", data)[0])
    graphs = model.tables(MODEL_SUBGRAPHS)
    signatures = [signature_of(table, graphs) for table in model.tables(MODEL_SIGNATURES)]
    return signatures or [main_graph(graphs[0])]


def signature_of(table, graphs):
    """Return one signature of the file."""
    subgraph = table.scalar(SIGNATURE_GRAPH, "<I")
    tensors = graphs[subgraph].tables(GRAPH_TENSORS)
    inputs, outputs = (
        {
            one.text(MAP_NAME): tensor_at(tensors, one.scalar(MAP_INDEX, "<I"))
            for one in table.tables(field)
        }
        for field in (SIGNATURE_INPUTS, SIGNATURE_OUTPUTS)
    )
    return Signature(table.text(SIGNATURE_KEY), subgraph, inputs, outputs)


def main_graph(graph):
    """Return the main graph's inputs and outputs by the names of their tensors."""
    tensors = graph.tables(GRAPH_TENSORS)
    named = []
    for field in (GRAPH_INPUTS, GRAPH_OUTPUTS):
        found = [tensor_at(tensors, index) for index in graph.numbers(field)]
        names = [tensor.name or "tensor_%d" % tensor.index for tensor in found]
        named.append(dict(zip(unique(names), found)))
    return Signature(None, 0, *named)


def tensor_at(tensors, index):
    """Return what the file says of a tensor."""
    table = tensors[index]
    code = table.scalar(TENSOR_TYPE, "<b")
    shape = table.numbers(TENSOR_SHAPE)  # 1 where the signature of the shape says -1
    declared = table.numbers(TENSOR_SHAPE_SIGNATURE)
    if len(declared) == len(shape):
        shape = declared
    known = shape or table.scalar(TENSOR_HAS_RANK, "<b")
    return LiteTensor(
        index,
        table.text(TENSOR_NAME),
        TYPES[code] if 0 <= code < len(TYPES) else None,
        [None if length < 0 else length for length in shape] if known else None,
    )
