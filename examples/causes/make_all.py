"""Make the models of every cause again, each with the TensorFlow that shows it.

    python examples/causes/make_all.py [CAUSE ...]

Needs Python >= 3.11, `uv` on the PATH, a package index, and Linux on x86-64. uv finds or
fetches the Pythons and keeps the packages, about 5 GB, in its cache. The files here are
replaced only after every step has succeeded; code beside the models stays as it is.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Environment:
    """A TensorFlow release with its dependencies as they stood a month after it."""

    python: str
    until: str
    """Packages published later than this day are not seen by the resolver."""
    packages: tuple[str, ...]


TF_1_15 = Environment("3.7", "2021-02-05", ("tensorflow==1.15.5",))
TF_2_4 = Environment("3.8", "2021-12-01", ("tensorflow-cpu==2.4.4",))
TF_2_4_PILLOW_6 = Environment("3.8", "2021-12-01", ("tensorflow-cpu==2.4.4", "pillow==6.2.2"))
TF_2_15 = Environment("3.11", "2024-04-07", ("tensorflow-cpu==2.15.1",))
TF_2_18_NUMPY_1 = Environment("3.11", "2025-04-11", ("tensorflow-cpu==2.18.1", "numpy==1.26.4"))
TF_2_21 = Environment("3.13", "2026-04-05", ("tensorflow-cpu==2.21.0",))

CAUSES = {
    "batch-norm-training": TF_2_4,
    "corrupt": TF_2_4,
    "cpu-kernels": TF_2_4,
    "cuda": TF_2_4,
    "custom-layer": TF_2_4,
    "custom-loss": TF_2_4,
    "legacy-graph": TF_1_15,
    "normalisation": TF_2_4,
    "numpy-abi": TF_2_4,
    "numpy-promotion": TF_2_18_NUMPY_1,
    "optimizer-state": TF_2_4,
    "preprocess-library": TF_2_4_PILLOW_6,
    "preprocess-statistics": TF_2_4,
    "python-version": TF_2_4,
    "random-ops": TF_2_4,
    "tensorflow-version": TF_2_15,
    "weights-only": TF_2_4,
    "weights-only-keras3": TF_2_21,
    "wrong-input": TF_2_4,
}

# One thread and fixed seeds: the same wheels on the same kind of processor train the same
# weights again.
SETTINGS = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}


def make(cause: str, out: Path) -> None:
    """Make one cause below `out`; end the program if that fails."""
    environment = CAUSES[cause]
    command = ["uv", "run", "--no-config", "--no-project", "--isolated"]
    command += ["--python", environment.python, "--exclude-newer", environment.until]
    command += [word for package in environment.packages for word in ("--with", package)]
    command += ["python", "make.py", cause, str(out)]
    if subprocess.run(command, check=False, cwd=HERE, env=os.environ | SETTINGS).returncode:
        sys.exit(
            f"make_all.py: this failed (see above), nothing was changed: {shlex.join(command)}"
        )


def replace(made: Path) -> None:
    """Put what was made into this folder; folders of models and arrays give way entirely."""
    for folder in made.rglob("savedmodel"):
        shutil.rmtree(HERE / folder.relative_to(made), ignore_errors=True)
    shutil.copytree(made, HERE, dirs_exist_ok=True)


def main() -> None:
    """Make the causes that the command line names, or all."""
    if shutil.which("uv") is None:
        sys.exit("make_all.py: uv is not on the PATH; `python -m pip install uv` puts it there.")
    wanted = sys.argv[1:] or list(CAUSES)
    if unknown := [cause for cause in wanted if cause not in CAUSES]:
        sys.exit(f"make_all.py: {', '.join(unknown)}: causes are {', '.join(CAUSES)}")
    with tempfile.TemporaryDirectory() as folder:
        for cause in wanted:
            make(cause, Path(folder))
        replace(Path(folder))


if __name__ == "__main__":
    main()
