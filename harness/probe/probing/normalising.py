"""Batch normalisation in inference as plain arithmetic in float64."""

from probing.type_numbers import DOUBLE, INT32, Wiring

NORMALISATIONS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
"""Those that compute in float32 at most; in inference they are plain arithmetic."""


def arithmetic(node, new):
    """Turn a batch normalisation in inference into arithmetic, as its documentation defines it.

    y = (x - mean) * (scale / sqrt(variance + epsilon)) + offset, by channel. The last operation has
    the node's name, so that what takes its first output need not know. Its second and third output
    are the mean and the variance it was given.
    """
    x, scale, offset, mean, variance = list(node.input)[:5]
    controls = [name for name in node.input if name.startswith("^")]
    epsilon = node.attr["epsilon"].f if "epsilon" in node.attr else 1e-4
    layout = node.attr["data_format"].s if "data_format" in node.attr else b"NHWC"
    made = Made(new, node.name + "/float64")
    moved = {"%s:1" % node.name: mean, "%s:2" % node.name: variance}
    if layout.startswith(b"NC"):
        shape = made.constant("shape", INT32, [-1] + [1] * (len(layout) - 2))
        scale, offset, mean, variance = [
            made.reshaped(name, tensor, shape)
            for name, tensor in zip(
                ("scale", "offset", "mean", "variance"), (scale, offset, mean, variance)
            )
        ]
    floor = made.constant("epsilon", DOUBLE, epsilon)
    share = made.node("Rsqrt", "rsqrt", made.node("Add", "variance_above", variance, floor))
    factor = made.node("Mul", "factor", scale, share)
    scaled = made.node("Mul", "scaled", made.node("Sub", "centred", x, mean), factor)
    node.op = "Add"
    node.input[:] = [scaled, offset] + controls
    for key in list(node.attr):
        del node.attr[key]
    node.attr["T"].type = DOUBLE
    return Wiring(made.nodes, moved)


class Made:
    """Nodes that are made, all below one name."""

    def __init__(self, new, prefix):
        self.new = new
        self.prefix = prefix
        self.nodes = []

    def node(self, op, name, *inputs):
        """Make an operation on float64 and return its name."""
        node = self.new(name="%s/%s" % (self.prefix, name), op=op, input=inputs)
        node.attr["T"].type = DOUBLE
        self.nodes.append(node)
        return node.name

    def constant(self, name, number, value):
        """Make a number, or a row of whole numbers, and return its name."""
        node = self.new(name="%s/%s" % (self.prefix, name), op="Const")
        node.attr["dtype"].type = number
        tensor = node.attr["value"].tensor
        tensor.dtype = number
        if isinstance(value, list):
            tensor.tensor_shape.dim.add(size=len(value))
            tensor.int_val.extend(value)
        else:
            tensor.tensor_shape.SetInParent()
            tensor.double_val.append(value)
        self.nodes.append(node)
        return node.name

    def reshaped(self, name, tensor, shape):
        """Make a tensor of another shape and return its name."""
        made = self.node("Reshape", name + "_by_channel", tensor, shape)
        self.nodes[-1].attr["Tshape"].type = INT32
        return made
