"""Records a model where it was made: what it returns there, and what that environment is.

    python capture.py [MODEL_DIR] [--device cpu|cuda] [--force]

Run it with the very Python that made the model. It needs nothing but CPython 3.6 or newer, NumPy
and TensorFlow, and no network. Without MODEL_DIR, the model's folder is the one it lies in. The
model is loaded and called exactly as in every environment it is later compared in: by the same
code, which is in this file as plain text, further down.

What it writes beside the model
    inputs.npz     the inputs, where there are none yet: generated with a fixed seed, or what
                   preprocess.py made of raw.npz. Inputs that are there are used and kept.
    expected.npz   the outputs, by name.
    captured.lock  every package that is installed here, with its version.
    captured.json  this environment: Python, TensorFlow, Keras, NumPy, processor, CUDA, the model's
                   digest, and the few environment variables that change numbers (SETTINGS names
                   them).

Nothing that is there is replaced without --force. Exit status: 0 captured, 1 the model could not
be loaded or run here, 2 the arguments or the files are not right.
"""

import faulthandler
import importlib.abc
import importlib.util
import json
import os
import sys

# What is known of the model, as JSON; `harness capture` fills it in.
SETTINGS = ""

# The text of every module that is used, by its name; filled in too.
SOURCES = {}

HERE = os.path.dirname(os.path.abspath(__file__))


class Embedded(importlib.abc.InspectLoader):
    """Imports the modules in `SOURCES` as if they were files."""

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002
        """Return how to import a module, None for those of others."""
        if name not in SOURCES:
            return None
        return importlib.util.spec_from_loader(name, self, is_package=self.is_package(name))

    def is_package(self, name):
        """Tell whether a module has others below it."""
        return any(other.startswith(name + ".") for other in SOURCES)

    def get_source(self, name):
        """Return a module's text; tracebacks show it too."""
        return SOURCES[name]

    def get_code(self, name):
        """Return a module's text, compiled."""
        place = "%s:%s" % (os.path.basename(__file__), name)
        return compile(SOURCES[name], place, "exec", dont_inherit=True)


def main():
    """Capture, and return the exit status."""
    if sys.path and os.path.abspath(sys.path[0]) == HERE:
        del sys.path[0]  # a model's files must not be taken for modules that TensorFlow imports
    sys.meta_path.insert(0, Embedded())
    from capturing.main import run

    return run(json.loads(SETTINGS), os.path.abspath(__file__), sys.argv[1:])


if __name__ == "__main__":
    faulthandler.enable()
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all is written: a library that hangs or crashes at exit does not matter
