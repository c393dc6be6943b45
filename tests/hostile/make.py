"""Makes what hostile models need TensorFlow for: `make.py DIR SPEC.json`, run by TensorFlow 2.15.

DIR/model.h5, DIR/weights.h5    the sound network, whole and as weights
DIR/lambda/NAME/model.h5        the network with a Lambda layer of hostile bytecode
DIR/graph/NAME/                 a SavedModel whose ops attack
DIR/inputs.npz, expected.npz    what it is fed and what the sound network makes of it
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

LAYERS = tf.keras.layers


def network(attack=None):
    """The sound network: `image` to `probabilities`; with a layer that runs `attack`."""
    image = tf.keras.Input(shape=(8, 8, 1), dtype="float32", name="image")
    x = LAYERS.Flatten(name="flatten")(image)
    if attack is not None:
        x = LAYERS.Lambda(attack, name="attack")(x)
    x = LAYERS.Dense(16, activation="relu", name="hidden")(x)
    return tf.keras.Model(image, LAYERS.Dense(10, activation="softmax", name="probabilities")(x))


class Graph(tf.Module):
    """The sound network as a signature, with what `effects` gives beside it."""

    def __init__(self, model, effects):
        super().__init__()
        self.model = model
        self.effects = effects

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32, name="image")])
    def serve(self, image):
        """Return the network's outputs and what was looked at."""
        more = self.effects()
        with tf.control_dependencies(list(more.values())):
            return {"probabilities": self.model(image), **more}


def writes():
    """Write where nothing may be written."""
    for path in ("/written", "/etc/passwd", "/probe/x", "/models/x"):
        tf.io.write_file(path, "written")
    return {}


def looks_around():
    """Read what is there to be read."""
    return {
        "passwd": tf.io.read_file("/etc/passwd"),
        "environ": tf.io.read_file("/proc/self/environ"),
        "root": tf.raw_ops.MatchingFiles(pattern="/*"),
        "models": tf.raw_ops.MatchingFiles(pattern="/models/*/*"),
    }


def main(folder, spec):
    """Make everything below `folder`."""
    model = network()
    numbers = np.random.RandomState(1)
    model.set_weights([numbers.normal(0, 0.5, w.shape).astype("float32") for w in model.weights])
    inputs = numbers.uniform(0, 1, (32, 8, 8, 1)).astype("float32")
    np.savez(folder / "inputs.npz", image=inputs)
    np.savez(folder / "raw.npz", image=inputs)
    np.savez(folder / "expected.npz", probabilities=model(inputs).numpy())
    model.save(folder / "model.h5", include_optimizer=False)
    model.save_weights(folder / "weights.h5")
    for name, code in spec["lambda"].items():
        place = folder / "lambda" / name
        place.mkdir(parents=True)
        # Harmless while it is made: what is saved are the bytecode and its constants.
        made = network(lambda x: x)
        made.set_weights(model.get_weights())
        known = {}
        exec(code, known)  # our own
        made.get_layer("attack").function = known["attack"]
        made.save(place / "model.h5", include_optimizer=False)
    graphs = {
        "graph-writes": writes,
        "graph-reads-the-host": lambda: {"host": tf.io.read_file(spec["marker"])},
        "graph-looks-around": looks_around,
        "graph-names-escapes": lambda: {spec["nasty"]: tf.constant([1.0])},
    }
    for name, effects in graphs.items():
        module = Graph(model, effects)
        tf.saved_model.save(module, str(folder / "graph" / name), signatures=module.serve)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
