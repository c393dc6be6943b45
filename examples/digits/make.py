"""Make everything in this folder again, from the data set to the saved models.

    python examples/digits/make.py

Needs Python >= 3.11, `uv` on the PATH, a package index, and Linux on x86-64. uv finds or
fetches the three Pythons and keeps the packages, about 3 GB, in its cache. The files here
are replaced only after every step has succeeded.
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
MADE = ("inputs.npz", "labels.npz", "expected.npz", "savedmodel", "h5", "keras")


@dataclass(frozen=True)
class Environment:
    """A TensorFlow release with its dependencies as they stood a month after it."""

    tensorflow: str
    python: str
    until: str
    """Packages published later than this day are not seen by the resolver."""


TF_2_4 = Environment("2.4.4", "3.8", "2021-12-01")
TF_2_8 = Environment("2.8.4", "3.9", "2022-12-16")
TF_2_15 = Environment("2.15.1", "3.11", "2024-04-07")

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


def run(environment: Environment, *arguments: str, extra: tuple[str, ...] = ()) -> None:
    """Run a script of this folder inside an environment; end the program if it fails."""
    packages = (f"tensorflow-cpu=={environment.tensorflow}", *extra)
    command = ["uv", "run", "--no-config", "--no-project", "--isolated"]
    command += ["--python", environment.python, "--exclude-newer", environment.until]
    command += [word for package in packages for word in ("--with", package)]
    command += ["python", *arguments]
    if subprocess.run(command, check=False, cwd=HERE, env=os.environ | SETTINGS).returncode:
        sys.exit(f"make.py: this failed (see above), nothing was changed: {shlex.join(command)}")


def replace(made: Path) -> None:
    """Put what was made into this folder, in place of what is there."""
    for name in MADE:
        old, new = HERE / name, made / name
        if new.is_dir():
            shutil.rmtree(old, ignore_errors=True)
            shutil.copytree(new, old)
        else:
            shutil.copyfile(new, old)


def main() -> None:
    """Train once, save three times, then replace the files here."""
    if shutil.which("uv") is None:
        sys.exit("make.py: uv is not on the PATH; `python -m pip install uv` puts it there.")
    with tempfile.TemporaryDirectory() as folder:
        run(TF_2_4, "train.py", folder, extra=("scikit-learn==1.0.1",))
        run(TF_2_8, "save.py", "savedmodel", folder)
        run(TF_2_4, "save.py", "h5", folder)
        run(TF_2_15, "save.py", "keras", folder)
        replace(Path(folder))


if __name__ == "__main__":
    main()
