"""TensorFlow Lite models: by signature where they have one, else by the names of tensors."""

import collections
import inspect

from probing.flatbuffer import signatures_of
from probing.saved_model import choose_signature
from probing.tensors import Entry, Spec

Lite = collections.namedtuple("Lite", "interpreter signatures")
"""An interpreter, and the signatures in the file by their keys."""


def load_lite(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return the interpreter as it comes: with the kernels and the delegate of the release."""
    return loaded(tf, request, {})


def load_reference(tf, request, report):  # noqa: ARG001 - the loaders are called alike
    """Return an interpreter with the reference kernels and no delegate."""
    resolvers = getattr(tf.lite.experimental, "OpResolverType", None)
    if resolvers is None:
        raise ValueError(
            "the reference kernels can be chosen from TensorFlow 2.5 on; this is %s"
            % tf.__version__
        )
    return loaded(tf, request, {"experimental_op_resolver_type": resolvers.BUILTIN_REF})


def loaded(tf, request, options):
    """Return the interpreter of the model, with memory for its tensors."""
    path = request["model"]
    parameters = inspect.signature(tf.lite.Interpreter.__init__).parameters
    if request["intra_op_threads"] is not None and "num_threads" in parameters:
        options["num_threads"] = request["intra_op_threads"]
    interpreter = tf.lite.Interpreter(model_path=path, **options)
    interpreter.allocate_tensors()
    with open(path, "rb") as stream:
        signatures = signatures_of(stream.read())
    return Lite(interpreter, {signature.key: signature for signature in signatures})


def entry_of_lite(tf, request, lite):  # noqa: ARG001 - the loaders are called alike
    """Return the interpreter as something to call."""
    signature = lite.signatures.get(None)
    if signature is None:
        signature = lite.signatures[choose_signature(request["signature"], lite.signatures)]
    elif request["signature"] is not None:
        choose_signature(request["signature"], {})  # says that there are none
    specs = [spec_of(request, name, tensor) for name, tensor in signature.inputs.items()]
    return Entry(signature.key, specs, call_of(lite.interpreter, signature), False)


def spec_of(request, name, tensor):
    """Return one input; without a rank it is generated as a scalar, as memory is made for it."""
    shape = tensor.shape
    if shape is None and request["inputs"] is None and name not in request["dimensions"]:
        shape = []
    return Spec(name, tensor.dtype, shape)


def call_of(interpreter, signature):
    """Return the function that runs a signature, as the release can."""
    if signature.key is not None and hasattr(interpreter, "get_signature_list"):  # 2.5 and newer
        runner = interpreter.get_signature_runner(signature.key)

        def call(arrays):
            interpreter.reset_all_variables()
            return dict(runner(**arrays))

        return call
    if signature.subgraph != 0:
        raise ValueError(
            "this TensorFlow cannot run the signature %r: it knows a model's main graph only"
            % signature.key
        )
    return lambda arrays: run(interpreter, signature, arrays)


def run(interpreter, signature, arrays):
    """Run the main graph once; shapes are adapted, and what it remembers is forgotten."""
    current = {one["index"]: tuple(one["shape"]) for one in interpreter.get_input_details()}
    for name, array in arrays.items():
        index = signature.inputs[name].index
        if current.get(index) != array.shape:
            interpreter.resize_tensor_input(index, array.shape)
    interpreter.allocate_tensors()
    interpreter.reset_all_variables()
    for name, array in arrays.items():
        interpreter.set_tensor(signature.inputs[name].index, array)
    interpreter.invoke()
    return {
        name: interpreter.get_tensor(tensor.index) for name, tensor in signature.outputs.items()
    }
