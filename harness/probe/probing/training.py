"""The training state a model brought with it: optimizer, steps, slot variables, one more step.

All of it is looked at after the outputs are written, so that nothing of it can change them.
"""

import collections
from contextlib import suppress

from probing.digests import digest_of
from probing.report import shorten


def look_at_training(tf, model, slots, make_step, tell):
    """Tell what there is to tell of a Keras model's training state, as soon as it is known.

    `slots` reads the digests of the slot variables in the files; `make_step` makes a step and
    returns the losses before and after it.
    """
    expected = slots()
    facts = {"slots_expected": None if expected is None else len(expected)}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        tell(dict(facts, problem="the model came without an optimizer"))
        return
    facts["optimizer"] = type(optimizer).__name__
    facts["iterations"] = int(value_of(tf, optimizer.iterations))
    facts["slots_found"] = slots_found(tf, optimizer, expected)
    tell(facts)
    try:
        facts["loss_before"], facts["loss_after"] = make_step()
    except Exception as error:
        facts["problem"] = problem_of(error)
    tell(facts)


def problem_of(error):
    """Return an error as one text, without the stack that TensorFlow puts into its messages."""
    text = "%s: %s" % (type(error).__name__, error)
    if "in user code:" in text:
        text = text.rstrip().splitlines()[-1].strip()
    return shorten(text)


def slots_found(tf, optimizer, expected):
    """Return how many slot variables hold what the files hold, or, untold, are there."""
    found = [digest_of(value) for value in slot_values(tf, optimizer)]
    if expected is None:
        return len(found)
    return sum((collections.Counter(found) & collections.Counter(expected)).values())


def slot_values(tf, optimizer):
    """Return the values of an optimizer's slot variables."""
    variables = getattr(optimizer, "variables", None)
    if callable(variables) and not isinstance(variables, list):
        variables = variables()
    values = [value_of(tf, variable) for variable in variables or ()]
    return [value for value in values if value.shape]


def value_of(tf, variable):
    """Return a variable's value as an array, in every mode."""
    import numpy as np

    if tf.executing_eagerly() and hasattr(variable, "numpy"):
        return np.asarray(variable.numpy())
    return np.asarray(tf.compat.v1.keras.backend.get_value(variable))


def make_slots(model, optimizer):
    """Make the slot variables that an optimizer would make in its first step, to be restored."""
    variables = getattr(model, "trainable_variables", None)
    if optimizer is None or not variables:
        return
    for name in ("build", "_create_all_weights", "_create_slots"):  # 2.11, 2.4 and 1.15 on
        make = getattr(optimizer, name, None)
        if make is not None:
            with suppress(Exception):  # without slots there is less to tell, and no more
                make(variables)
            return


def losses_of_step(model, batch, targets):
    """Make a training step, and a second one for the loss after the first; return both losses."""
    losses = []
    for _ in range(2):
        if hasattr(model, "reset_metrics"):  # Keras 3 returns a mean over all steps
            model.reset_metrics()
        losses.append(first_number(model.train_on_batch(batch, targets)))
    return losses


def first_number(found):
    """Return the loss of what `train_on_batch` returned: it comes first, before the metrics."""
    while isinstance(found, (list, tuple)):
        found = found[0]
    return float(found)


def targets_for(model, outputs, seed):
    """Return fixed targets in the structure of the outputs, as the model's losses want them."""
    import numpy as np

    state = np.random.RandomState(seed)
    loss = getattr(model, "loss", None)
    if isinstance(outputs, dict):
        return {
            key: target(loss_of(model, loss, index, key), outputs[key].shape, state)
            for index, key in enumerate(sorted(outputs))
        }
    if isinstance(outputs, (list, tuple)):
        return [
            target(loss_of(model, loss, index, None), output.shape, state)
            for index, output in enumerate(outputs)
        ]
    return target(loss_of(model, loss, 0, None), outputs.shape, state)


def loss_of(model, loss, index, key):
    """Return the loss of one output, where there may be one for each."""
    if isinstance(loss, (list, tuple)):
        return loss[index]
    if not isinstance(loss, dict):
        return loss
    names = getattr(model, "output_names", None) or []
    name = names[index] if index < len(names) else None
    return loss.get(key, loss.get(name))


def target(loss, shape, state):
    """Return a fixed target for an output of `shape`: classes where the loss is over classes."""
    import numpy as np

    shape = tuple(int(length) for length in shape)
    name = name_of_loss(loss)
    if "categorical" in name:
        classes = shape[-1]
        labels = np.arange(np.prod(shape[:-1], dtype=np.int64)).reshape(shape[:-1]) % classes
        return labels if "sparse" in name else np.eye(classes, dtype=np.float32)[labels]
    if "binary" in name or "hinge" in name:
        return state.randint(0, 2, size=shape).astype(np.float32)
    return state.random_sample(shape).astype(np.float32)


def name_of_loss(loss):
    """Return the name of a loss given as a name, a function or an object, in lower case."""
    if not isinstance(loss, str):
        loss = "%s %s %s" % (
            getattr(loss, "__name__", ""),
            getattr(loss, "name", ""),
            type(loss).__name__,
        )
    return loss.lower()
