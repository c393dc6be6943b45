"""What a graph does that cannot be computed in float64, in words that name the operation."""

import re

from probing.normalising import NORMALISATIONS
from probing.type_numbers import is_narrow, wider
from probing.widening import EXACT, FLOWS, tensor_name, types_of

RANDOM = (
    r"^(Random|Multinomial|TruncatedNormal|ParameterizedTruncatedNormal|Stateful(Uniform|Standard)"
    r"|Stateless(Random|Multinomial|Truncated|Parameterized)|Rng|NonDeterministicInts"
    r"|SampleDistorted)|CandidateSampler$"
)
IS_RANDOM = "is random: a random model has no true outputs"

REMEMBERED = "changes what the model remembers"
CHANGES = r"^Assign|^ResourceApply|^Apply[A-Z]|^Scatter(Update|Add|Sub)$|^ResourceScatter"

NAMED = (
    (r"^Stateless(Random|Multinomial|Truncated|Parameterized)", IS_RANDOM),
    (r"[Qq]uanti[sz]|FakeQuant", "works on quantised numbers"),
    (
        r"^Decode(AndCrop)?(Jpeg|Image)",
        "decodes an image, which each library does a little differently",
    ),
    (r"^(Eager)?PyFunc", "runs Python code"),
    (r"^(Xla|_Xla|TPU|_TPU|TRT|CollectiveReduce)", "is compiled or computed apart"),
    (r"^_", "was put there by an optimiser"),
    (CHANGES, REMEMBERED),
    (r"^(VariableV?2?|VarHandleOp|AutoReloadVariable)$", "is a variable without a value"),
    (
        r"^(OneShot)?Iterator|Dataset(V\d)?$|Queue(V2)?$|Reader(V2)?$|^Queue",
        "reads its inputs by itself",
    ),
    (r"^Bitcast$", "takes numbers for their bits"),
)
"""(operations, what is said of them). Random operations that never give the same twice are not
among them: whether the outputs depend on them is seen when they are run."""

NO_KERNEL = "has no float64 kernel on the CPU"
FIXED = "computes in float32 whatever it is given"
IN_TRAINING = "is in training mode: it computes with what it is fed, and remembers"
RESERVED = "gives its reserved outputs to something"
IN_FUNCTION = "is within a function that cannot be put in its place"

SHOWN = 3


def refusal(graph_def, op_of, has_kernel):
    """Return why a frozen graph cannot be computed in float64; None where it can.

    `op_of` returns the OpDef of an operation's name, None where there is none; `has_kernel` takes
    that name and {attribute: number of a type} and tells whether the CPU can compute that.
    """
    reasons = {}
    taken = taken_from(graph_def)
    for node in graph_def.node:
        why = why_not(node, op_of, has_kernel)
        if why is None and node.op in NORMALISATIONS:
            why = why_not_arithmetic(node, taken)
        reasons.setdefault(node.op, why)
        reasons[node.op] = reasons[node.op] or why
    for function in graph_def.library.function:
        for node in function.node_def:
            why = why_not(node, op_of, has_kernel)
            if why is None and changed_as_a_whole(node, op_of):
                why = IN_FUNCTION
            reasons[node.op] = reasons.get(node.op) or why
    found = ["%s %s" % (op, why) for op, why in reasons.items() if why is not None]
    if not found:
        return None
    more = len(found) - SHOWN
    return "; ".join(found[:SHOWN]) + (" (and %d more operations)" % more if more > 0 else "")


def why_not(node, op_of, has_kernel):
    """Return why one operation cannot be computed in float64; None where it can."""
    for pattern, words in NAMED:
        if re.search(pattern, node.op) and (node.op != "Bitcast" or is_float(node)):
            return words
    if node.op in NORMALISATIONS or node.op in EXACT:
        return None
    op = op_of(node.op)
    if op is None:
        return None  # a function of the library, which is looked at by itself
    arguments = list(op.input_arg) + list(op.output_arg)
    if node.op not in FLOWS and any(is_narrow(argument.type) for argument in arguments):
        return FIXED
    types = {key: value.type for key, value in node.attr.items() if value.type}
    if not any(is_narrow(number) for number in types.values()):
        return None
    wide = {key: wider(number) for key, number in types.items()}
    allowed = {attribute.name: attribute.allowed_values.list.type for attribute in op.attr}
    if any(allowed.get(key) and wide[key] not in allowed[key] for key in wide):
        return NO_KERNEL
    return None if has_kernel(node.op, wide) else NO_KERNEL


def is_float(node):
    """Tell whether a node has to do with a type that is widened."""
    return any(is_narrow(value.type) for value in node.attr.values())


def changed_as_a_whole(node, op_of):
    """Tell whether a node is rewired, which is done in the graph itself only."""
    if node.op in NORMALISATIONS:
        return True
    if node.op not in EXACT and node.op not in FLOWS:
        return False
    op = op_of(node.op)
    return any(
        is_narrow(number)
        for arguments in (op.input_arg, op.output_arg)
        for number in types_of(arguments, node)
    )


def why_not_arithmetic(node, taken):
    """Return why a batch normalisation cannot be plain arithmetic; None where it can."""
    if node.attr["is_training"].b if "is_training" in node.attr else True:
        return IN_TRAINING
    if any("%s:%d" % (node.name, index) in taken for index in range(3, 6)):
        return RESERVED
    return None


def random_operation(graph_def):
    """Return the first random operation of a graph; None where it has none."""
    nodes = list(graph_def.node)
    for function in graph_def.library.function:
        nodes += function.node_def
    return next((node.op for node in nodes if re.search(RANDOM, node.op)), None)


def taken_from(graph_def):
    """Return the names of all tensors that something takes."""
    return {tensor_name(name) for node in graph_def.node for name in node.input}
