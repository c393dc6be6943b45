"""What an operation of a graph gives: how many outputs, of which type, where that is known.

tensorflow/core/ops/*.cc. Only the operations that end graphs for inference are here: of others,
nothing is claimed.
"""

from __future__ import annotations

from typing import Final

from harness.model.graph import Node, Shape
from harness.model.protos import dtype_name

__all__ = ["output_count", "output_dtype", "output_shape"]

_UNKNOWN: Final = "unknown"

_COUNTS = {
    "TopK": 2,
    "TopKV2": 2,
    "CTCGreedyDecoder": 4,
    "CombinedNonMaxSuppression": 4,
    "NonMaxSuppressionV4": 2,
    "NonMaxSuppressionV5": 3,
    "Unique": 2,
    "Switch": 2,
    "Merge": 2,
}
_COUNTED_BY = {"Split": "num_split", "SplitV": "num_split", "Unpack": "num"}
_LISTED = {
    **dict.fromkeys(("IdentityN", "While", "StatelessWhile"), "T"),
    **dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf"), "Tout"),
    "IteratorGetNext": "output_types",
}

_AS_THEIR_INPUTS = """
Abs Add AddN AddV2 AvgPool AvgPool3D BatchMatMul BatchMatMulV2 BiasAdd BiasAddV1 BroadcastTo
Ceil ClipByValue Concat ConcatV2 Conv2D Conv2DBackpropInput Conv3D Cumsum DepthToSpace
DepthwiseConv2dNative Div Einsum Elu Exit Exp ExpandDims Fill Floor FloorDiv FloorMod
FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Identity L2Loss LeakyRelu Log Log1p LogSoftmax
MatMul Max MaxPool MaxPool3D MaxPoolV2 Maximum Mean Merge Min Minimum Mul Neg OneHot Pack Pad
PadV2 Pow Prod RealDiv Reciprocal Relu Relu6 Reshape ResizeNearestNeighbor ReverseV2 Round
Rsqrt Select SelectV2 Selu Sigmoid Sign Slice Snapshot Softmax Softplus Softsign SpaceToDepth
Split SplitV Sqrt Square SquaredDifference Squeeze StopGradient StridedSlice Sub Sum Switch Tan
Tanh Tile TopK TopKV2 Transpose TruncateDiv Unique Unpack
"""
_TRUTHS = """
All Any Equal Greater GreaterEqual InTopK InTopKV2 IsFinite IsInf IsNan Less LessEqual
LogicalAnd LogicalNot LogicalOr NotEqual
"""

# Types that stand in an attribute, by operation.
_TYPE_OF = {
    **dict.fromkeys(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "Const"), "dtype"),
    **dict.fromkeys(("ReadVariableOp", "ResourceGather", "Variable", "VariableV2"), "dtype"),
    **dict.fromkeys(("Gather", "GatherV2", "GatherNd"), "Tparams"),
    **dict.fromkeys(("LookupTableFind", "LookupTableFindV2", "BatchMatMulV3"), "Tout"),
    "ParseTensor": "out_type",
    "StringToNumber": "out_type",
    "DecodeRaw": "out_type",
    "Cast": "DstT",
    **dict.fromkeys(_AS_THEIR_INPUTS.split(), "T"),
}
_TYPES = {
    **dict.fromkeys(_TRUTHS.split(), "bool"),
    **dict.fromkeys(("ResizeArea", "ResizeBicubic", "ResizeBilinear", "CropAndResize"), "float32"),
    **dict.fromkeys(("AsString", "DecodeBase64", "EncodeBase64", "EncodeJpeg"), "string"),
    **dict.fromkeys(("EncodePng", "ReduceJoin", "StringJoin", "StringLower"), "string"),
    **dict.fromkeys(("NonMaxSuppression", "NonMaxSuppressionV2"), "int32"),
    **dict.fromkeys(("NonMaxSuppressionV3", "Bucketize", "Rank"), "int32"),
    "Where": "int64",
}
# Types with a default, which a graph without that attribute has.
_DEFAULTED = {
    **dict.fromkeys(("ArgMax", "ArgMin"), ("output_type", "int64")),
    **dict.fromkeys(("Shape", "Size"), ("out_type", "int32")),
}
_SECOND = {("TopK", 1): "int32", ("TopKV2", 1): "int32", ("Merge", 1): "int32"}
_FIRST_ONLY = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Unique")


def output_count(node: Node) -> int | None:
    """Return how many outputs a node has; None where that is not known."""
    if node.op in _COUNTED_BY:
        return node.numbers.get(_COUNTED_BY[node.op])
    if node.op in _LISTED:
        return len(node.type_lists.get(_LISTED[node.op], ())) or None
    if node.op in _COUNTS:
        return _COUNTS[node.op]
    known = node.op in _TYPE_OF or node.op in _TYPES or node.op in _DEFAULTED
    return 1 if known and node.op not in _FIRST_ONLY else None


def output_dtype(node: Node, index: int) -> str:
    """Return the type of an output; `unknown` where it is not known."""
    if node.op in _LISTED:
        listed = node.type_lists.get(_LISTED[node.op], ())
        return dtype_name(listed[index]) if index < len(listed) else _UNKNOWN
    if (node.op, index) in _SECOND:
        return _SECOND[node.op, index]
    if index and node.op in _FIRST_ONLY:
        return _UNKNOWN
    if node.op in _DEFAULTED:
        attribute, default = _DEFAULTED[node.op]
        return dtype_name(node.types[attribute]) if attribute in node.types else default
    if node.op in _TYPES:
        return _TYPES[node.op]
    return dtype_name(node.types.get(_TYPE_OF.get(node.op, ""), 0))


def output_shape(node: Node, index: int) -> Shape:
    """Return the shape of an output, where the graph was saved with shapes; else None."""
    return node.output_shapes[index] if index < len(node.output_shapes) else None
