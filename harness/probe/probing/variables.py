"""The variables of a model, whatever kind of object it is."""

import collections

from probing.keras_config import unique

Named = collections.namedtuple("Named", "name variable")
"""A variable of a model, by the name a user knows it by."""

RANDOM_STATE = ("StateVar", "seed_generator_state")
"""What the state of random generators is named; it is not part of what a model learnt."""


def is_keras_model(model):
    """Tell whether this is a model of any Keras."""
    return hasattr(model, "predict_on_batch") and hasattr(model, "layers")


def is_optimizer(thing):
    """Tell whether this is an optimizer of any Keras, or one like it."""
    return hasattr(thing, "iterations") and hasattr(thing, "apply_gradients")


def is_variable(tf, thing):
    """Tell whether this is a variable of TensorFlow or of Keras 3."""
    return isinstance(thing, tf.Variable) or (hasattr(thing, "assign") and hasattr(thing, "path"))


def variables_of(tf, model):
    """Return the variables that have to take a value from a file, each with its name.

    Those of a Keras model have Keras's names; those of another object the path of attributes that
    leads to them. Optimizers, step counters and random generators are left out.
    """
    if is_keras_model(model):
        found = [(name_of(variable), variable) for variable in model.weights]
    else:
        found = walked(tf, model, "", set())
        known = {id(variable) for _, variable in found}
        loose = getattr(model, "variables", ()) if isinstance(model, tf.Module) else ()
        found += [(name_of(other), other) for other in loose if id(other) not in known]
    found = [(name, variable) for name, variable in found if not is_random_state(name, variable)]
    names = unique([name for name, _ in found])
    return [Named(name, variable) for name, (_, variable) in zip(names, found)]


def walked(tf, thing, path, seen):
    """Return (path, variable) of the variables below `thing`; each object is visited once."""
    if id(thing) in seen or is_optimizer(thing) or hasattr(thing, "make_seeds"):
        return []
    seen.add(id(thing))
    if is_variable(tf, thing):
        return [(path, thing)]
    if is_keras_model(thing):
        return [(path + "/" + name_of(variable), variable) for variable in thing.weights]
    found = []
    for name, child in sorted(children_of(thing).items()):
        if name != "save_counter":
            found += walked(tf, child, path + "/" + name if path else name, seen)
    return found


def children_of(thing):
    """Return the objects that a checkpoint of `thing` follows, by name; {} where it is a leaf."""
    if hasattr(thing, "_maybe_initialize_trackable"):  # else the others may fail
        thing._maybe_initialize_trackable()
    if hasattr(thing, "_trackable_children"):  # 2.9 and newer
        found = dict(thing._trackable_children())
    else:
        found = dict(getattr(thing, "_checkpoint_dependencies", ()))
    if "root" in found and getattr(thing, "_root", None) is not None:
        # In `tf.train.Checkpoint(root, ...)` names go on from the root itself.
        found = dict(children_of(found.pop("root")), **found)
    return found


def name_of(variable):
    """Return the name of a variable: Keras 3 has it as a path, TensorFlow with `:0`."""
    name = getattr(variable, "path", None) or variable.name
    return name[:-2] if name.endswith(":0") else name


def is_random_state(name, variable):
    """Tell whether a variable is the state of a random generator."""
    return any(part in text for part in RANDOM_STATE for text in (name, name_of(variable)))


def plain_variable(variable):
    """Return TensorFlow's own variable: Keras 3 wraps it."""
    return variable.value if hasattr(variable, "path") else variable
