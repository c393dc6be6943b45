"""A run of the same graph in float64: what the outputs are without float32's rounding.

It decides nothing by itself: it is an arbiter of which of two float32 runs is closer to the truth.
Weights, constants and inputs are the same numbers; every operation on them is done in float64, in
the order of the graph and with no optimiser of TensorFlow's at work. What the graph rounds on
purpose (a cast to float32 or bfloat16) is not rounded.
"""

from probing.branches import without_dead_branches
from probing.frozen import NotFrozenError, frozen_graph
from probing.refusals import IS_RANDOM, random_operation, refusal
from probing.start import session_config
from probing.tensors import Tensor, array_of, digest
from probing.training import problem_of
from probing.widening import taken_instead, tensor_name, widen

WIDE = {
    "float32": "float64",
    "bfloat16": "float64",
    "float16": "float64",
    "complex64": "complex128",
}
"""What the types of inputs and outputs become."""

GRAPH_LIMIT_BYTES = 2**31 - 2**20
"""A GraphDef can be no larger; most of it are constants, twice as large as they were."""


class NoFloat64Error(Exception):
    """The model cannot be computed in float64; the text says why, for people."""


def in_float64(tf, request, entry, inputs, facts):
    """Return the outputs of `entry` in float64 as `Tensor`s, in the order of `facts`.

    `inputs` are the `Tensor`s that were fed, `facts` what the report says of the outputs. Names and
    shapes are those of `facts`, types are as `WIDE` says, or the same.

    Raises:
        NoFloat64Error: it cannot be done, or gives something else.
    """
    if request["loader"].startswith("lite."):
        raise NoFloat64Error("TensorFlow Lite has kernels only for the types in the file")
    try:
        frozen = frozen_graph(tf, request, entry, inputs)
    except NotFrozenError as error:
        raise NoFloat64Error(str(error)) from error
    except Exception as error:
        raise NoFloat64Error("its graph cannot be frozen: " + first_line(error)) from error
    graph_def, moved = in_wide_types(frozen)
    try:
        found = computed(tf, request, frozen._replace(graph_def=graph_def), moved, inputs)
    except NoFloat64Error:
        raise
    except Exception as error:
        raise NoFloat64Error("the graph cannot be run in float64: " + first_line(error)) from error
    return as_told(found, facts)


def in_wide_types(frozen):
    """Return the graph in float64, and what takes the place of its tensors."""
    graph_def = without_dead_branches(frozen.graph_def)
    if 2 * graph_def.ByteSize() > GRAPH_LIMIT_BYTES:
        raise NoFloat64Error(
            "its weights have %d MB: in float64 they are more than the 2 GB a graph can hold"
            % (graph_def.ByteSize() // 10**6)
        )
    why = refusal(graph_def, op_of, has_kernel)
    if why is not None:
        raise NoFloat64Error(why)
    return graph_def, widen(graph_def, op_of)


def op_of(name):
    """Return the OpDef of an operation; None where TensorFlow knows none."""
    from tensorflow.python.framework import op_def_registry

    if hasattr(op_def_registry, "get"):
        return op_def_registry.get(name)
    return op_def_registry.get_registered_ops().get(name)  # TensorFlow 1


def has_kernel(name, types):
    """Tell whether the CPU can compute an operation with {attribute: number of a type}."""
    from tensorflow.python.framework import kernels

    for kernel in kernels.get_registered_kernels_for_op(name).kernel:
        allowed = {one.name: one.allowed_values.list.type for one in kernel.constraint}
        fits = all(types.get(key, None) in (None,) + tuple(allowed[key]) for key in allowed)
        if kernel.device_type in ("CPU", "DEFAULT") and not kernel.label and fits:
            return True
    return False


def computed(tf, request, wide, moved, inputs):
    """Return {name: Tensor} of the outputs of a graph in float64."""
    config = session_config(tf, request)
    config.device_count["GPU"] = 0
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    config.graph_options.optimizer_options.global_jit_level = -1

    def placed(tensor):
        return tensor_name(taken_instead(moved, tensor))

    fetches = {name: placed(tensor) for name, tensor in wide.fetches.items()}
    feeds = {
        placed(wide.feeds[tensor.name]): widened(tensor)
        for tensor in inputs
        if tensor.name in wide.feeds
    }
    with tf.Graph().as_default() as graph:
        for node in wide.graph_def.node:
            node.device = ""
        tf.import_graph_def(wide.graph_def, name="")
        with tf.compat.v1.Session(graph=graph, config=config) as session:
            session.run([graph.get_operation_by_name(name) for name in wide.initializers])

            def run():
                found = session.run(fetches, feeds)
                return {name: array_of(tf, name, value) for name, value in found.items()}

            found, random = run(), random_operation(wide.graph_def)
            if random is not None and digest(found.values()) != digest(run().values()):
                raise NoFloat64Error("%s %s" % (random, IS_RANDOM))
            return found


def widened(tensor):
    """Return the array of an input, in float64 where it is narrower."""
    import numpy as np

    if tensor.dtype == "bfloat16":
        return (tensor.array.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    if tensor.dtype in WIDE:
        return tensor.array.astype(WIDE[tensor.dtype])
    return tensor.array


def as_told(found, facts):
    """Return the outputs in the order of `facts`, if they are those outputs."""
    told = [(fact["name"], WIDE.get(fact["dtype"], fact["dtype"]), fact["shape"]) for fact in facts]
    have = {name: (name, one.dtype, list(one.array.shape)) for name, one in found.items()}
    for one in told:
        if have.get(one[0]) != one:
            raise NoFloat64Error("it gives other outputs: %r, and not %r" % (have.get(one[0]), one))
    if len(have) != len(told):
        raise NoFloat64Error("it gives more outputs: %s" % ", ".join(sorted(have)))
    return [Tensor(*found[name]) for name, _, _ in told]


def first_line(error):
    """Return the beginning of what an error says."""
    lines = [line.strip() for line in problem_of(error).splitlines()]
    told = [line for line in lines if line and not line.endswith("Graph execution error:")]
    return (told or lines or [type(error).__name__])[0][:300]
