"""Make the models of one cause with the TensorFlow that runs this.

    python examples/causes/make.py CAUSE OUT

Writes the files below OUT/CAUSE. Which release makes which cause, and all at once, is in
`make_all.py`.
"""

import importlib
import os
import sys
from pathlib import Path

CAUSES = {
    "batch-norm-training": "computing",
    "cpu-kernels": "computing",
    "corrupt": "corrupting",
    "cuda": "versions",
    "custom-layer": "custom",
    "custom-loss": "custom",
    "legacy-graph": "legacy",
    "normalisation": "preprocessing",
    "numpy-abi": "versions",
    "numpy-promotion": "preprocessing",
    "optimizer-state": "weights",
    "preprocess-library": "preprocessing",
    "preprocess-statistics": "preprocessing",
    "python-version": "versions",
    "random-ops": "computing",
    "tensorflow-version": "versions",
    "weights-only": "weights",
    "weights-only-keras3": "weights",
    "wrong-input": "preprocessing",
}
"""A cause and the module of `making` that has the function of its name."""


def main():
    """Make what the command line says."""
    try:
        _, cause, out = sys.argv
        module = CAUSES[cause]
    except (KeyError, ValueError):
        sys.exit("make.py CAUSE OUT, with CAUSE one of: " + ", ".join(sorted(CAUSES)))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    functions = vars(importlib.import_module("making." + module))
    functions[cause.replace("-", "_")](Path(out) / cause)
    tensorflow, numpy = sys.modules["tensorflow"], sys.modules["numpy"]
    python = sys.version.split()[0]
    versions = f"TensorFlow {tensorflow.__version__}, NumPy {numpy.__version__}"
    print(f"{cause}: Python {python}, {versions}")


if __name__ == "__main__":
    main()
