"""The inference varied as its outputs ought not to notice, in the process that made them.

How far they move all the same is the floor below which a difference between environments means
nothing: the inputs are moved by one unit in the last place, and fed in smaller batches.
"""

from functools import partial

from probing.batches import halves, outputs_of_parts, samples_in, singles
from probing.inference import set_seeds
from probing.steps import moved
from probing.tensors import fed, materialised
from probing.variations import NotDoneError

DRAWS = {"quick": 1, "full": 3}
"""How often the inputs are moved, each time in directions of their own."""


def vary(tf, request, entry, inputs, variations):
    """Do the variations of the request's level that need no other process."""
    call = partial(called, tf, request, entry)
    for draw in range(DRAWS[request["noise"]]):
        seed = request["seed"] + draw
        variations.do_here("ulp-%d" % (draw + 1), partial(outputs_of_moved, call, inputs, seed))

    def outputs_in(parts):
        samples = samples_in(entry, inputs, variations.first.facts)
        return outputs_of_parts(call, inputs, parts(samples), variations.budget.left)

    variations.do_here("batch-split", partial(outputs_in, halves))
    if request["noise"] == "full":
        variations.do_here("batch-one", partial(outputs_in, singles))


def called(tf, request, entry, inputs):
    """Return the outputs for inputs, with all seeds set as before the first inference."""
    set_seeds(tf, request)
    return materialised(tf, entry.call({tensor.name: fed(tf, tensor) for tensor in inputs}))


def outputs_of_moved(call, inputs, seed):
    """Return the outputs for inputs of which each float is moved by one step."""
    found, count = moved(inputs, seed)
    if not count:
        raise NotDoneError("the inputs hold no floats to move, or zeros only")
    return call(found)
