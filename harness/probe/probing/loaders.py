"""Every loader: how it reads a model, and how it finds what to call."""

from probing.built import entry_of_built, load_checkpoint, load_saver, load_weights
from probing.graphs import (
    entry_of_graph,
    entry_of_wrapped,
    load_graph_def,
    load_meta_graph,
    load_wrapped,
)
from probing.keras_model import (
    entry_of_compiled,
    entry_of_keras,
    load_compiled,
    load_keras,
    load_tf_keras,
)
from probing.lite import entry_of_lite, load_lite, load_reference
from probing.saved_model import (
    entry_of_layer,
    entry_of_saved_model,
    entry_of_session,
    load_layer,
    load_saved_model,
    load_session,
)

LOADERS = {
    "saved_model.load": (load_saved_model, entry_of_saved_model),
    "session": (load_session, entry_of_session),
    "keras.load_model": (load_keras, entry_of_keras),
    "keras.load_model.compiled": (load_compiled, entry_of_compiled),
    "tf_keras.load_model": (load_tf_keras, entry_of_keras),
    "TFSMLayer": (load_layer, entry_of_layer),
    "load_weights": (load_weights, entry_of_built),
    "train.Checkpoint": (load_checkpoint, entry_of_built),
    "train.Saver": (load_saver, entry_of_built),
    "import_meta_graph": (load_meta_graph, entry_of_graph),
    "import_graph_def": (load_graph_def, entry_of_graph),
    "wrap_function": (load_wrapped, entry_of_wrapped),
    "lite.Interpreter": (load_lite, entry_of_lite),
    "lite.Interpreter.reference": (load_reference, entry_of_lite),
}
"""Name to (load, find_entry): `load(tf, request, report)` returns what was loaded,
`find_entry(tf, request, loaded)` an `Entry` of it."""

TRAINED = ("keras.load_model.compiled", "load_weights", "train.Checkpoint")
"""Those whose models may bring a training state with them."""
