"""What a user can get wrong in `matrix.yaml` and the model: said whole, at once, before any run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.model_files import HDF5, write_keras, write_saved_model
from tests.support.shell import Shell

IMAGE = np.zeros((2, 8, 8, 1), np.float32)
FITS = "  allowed: image float32 [?, 8, 8, 1]\n"
FORMATS = (
    "  allowed: a SavedModel directory, a .keras archive, a Keras model or its weights in HDF5,"
    " a TensorFlow checkpoint, a frozen graph (.pb), a TensorFlow Lite model\n"
)
KEYS = (
    "  allowed: schema, tensorflow, python, device, resolution, pins, flags, exclude, include,"
    " reference, limits\n"
)


def write(name: str, content: bytes) -> Callable[[Path], object]:
    def prepare(folder: Path) -> object:
        (folder / name).parent.mkdir(exist_ok=True)
        return (folder / name).write_bytes(content)

    return prepare


def inputs(**arrays: np.ndarray) -> Callable[[Path], object]:
    def prepare(folder: Path) -> object:
        return np.savez(folder / "tiny/inputs.npz", allow_pickle=True, **arrays)  # type: ignore[arg-type]

    return prepare


def two_models(folder: Path) -> None:
    write_keras(folder / "two/a.keras")
    write_saved_model(folder / "two/b")


MODELS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("tniy", lambda folder: None, "tniy: does not exist\n" + FORMATS),
    "empty": (
        "none",
        lambda folder: (folder / "none").mkdir(),
        "none: is an empty folder\n" + FORMATS,
    ),
    "no model": ("none", write("none/notes.txt", b"x"), "none: holds no model\n" + FORMATS),
    "no model file": (
        "m.txt",
        write("m.txt", b"x"),
        "m.txt: is no model that is known\n" + FORMATS,
    ),
    "two models": (
        "two",
        two_models,
        "two: holds 2 models: two/a.keras (keras), two/b (saved_model)\n"
        "  allowed: one model\n"
        "  hint: give the path of one of them, or name it in model.yaml (`path:`)\n",
    ),
    "truncated": (
        "m.h5",
        write("m.h5", (HDF5 / "whole.h5").read_bytes()[:2000]),
        "m.h5: is cut off: 2000 of 8224 bytes are there\n  hint: copy or save the model again\n",
    ),
    "no variables": (
        "tiny",
        lambda folder: shutil.rmtree(folder / "tiny/variables"),
        "tiny: the model has variables, but there is no folder `variables`\n"
        "  hint: copy the whole directory of the model, with `variables` and `assets`\n",
    ),
    "input's name": (
        "tiny",
        inputs(imge=IMAGE),
        "tiny/inputs.npz: 'imge' is not an input of the model\n"
        f"{FITS}  hint: did you mean 'image'?\n"
        f"tiny/inputs.npz: input 'image' is missing\n{FITS}",
    ),
    "input's shape and dtype": (
        "tiny",
        inputs(image=IMAGE[:, :4].astype("float64")),
        "tiny/inputs.npz: input 'image' has another type: image float64 [2, 4, 8, 1]\n"
        f"{FITS}"
        "tiny/inputs.npz: input 'image' has another shape: image float64 [2, 4, 8, 1]\n"
        f"{FITS}",
    ),
    "pickled": (
        "tiny",
        inputs(image=np.array([object()])),
        "tiny/inputs.npz: array 'image' holds Python objects, stored as a pickle; pickles can run"
        " code and are never read\n"
        "  allowed: arrays of numbers or strings, by name\n"
        "  hint: write it with `numpy.savez(FILE, name=array, ...)`\n",
    ),
}


@pytest.mark.parametrize(("path", "prepare", "said"), MODELS.values(), ids=MODELS)
def test_a_model_that_cannot_be_run(
    shell: Shell, path: str, prepare: Callable[[Path], object], said: str
) -> None:
    prepare(shell.folder)
    assert shell("matrix", path) == 2
    assert shell.err == f"error: {said}"
    assert shell.engine.built == []
    assert not (shell.folder / "results").exists()


def test_a_single_model_file_is_a_model(shell: Shell) -> None:
    shutil.copy(HDF5 / "whole.h5", shell.folder / "digits.h5")
    assert shell("matrix", "digits.h5") == 0
    assert (shell.folder / "results/digits.h5/latest/table.json").is_file()


MATRICES = {
    "not YAML": (
        "tensorflow: [\n",
        "matrix.yaml:2 column 1: is not YAML: while parsing a flow node, expected the node content,"
        " but found '<stream end>'\n",
    ),
    "empty": ("", f"matrix.yaml: is empty\n{KEYS}"),
    "keys": (
        "schema: 1\ntensorflw: [2.15.1]\nlimit: {}\n",
        f"matrix.yaml:2 tensorflw: unknown key\n{KEYS}  hint: did you mean 'tensorflow'?\n"
        f"matrix.yaml:3 limit: unknown key\n{KEYS}  hint: did you mean 'limits'?\n",
    ),
    "versions": (
        "schema: 1\ntensorflow: ['2.99.0', '2.15.0']\n",
        "matrix.yaml:2 tensorflow[0]: TensorFlow 2.99.0 is not in the package index\n"
        "  allowed: the newest are 2.16.2, 2.15.1\n"
        "matrix.yaml:2 tensorflow[1]: TensorFlow 2.15.0 is not in the package index\n"
        "  allowed: the newest are 2.16.2, 2.15.1\n"
        "  hint: did you mean '2.15.1'?\n",
    ),
    "combination": (
        "schema: 1\ntensorflow: ['>=2.15']\ninclude: [{tensorflow: 2.15.1, python: '3.13'}]\n",
        "matrix.yaml:3 include[0]: TensorFlow 2.15.1 has no wheel for CPython 3.13 (device cpu)\n"
        "  allowed: 3.10, 3.11\n",
    ),
    "duplicate": (
        "schema: 1\ntensorflow: ['2.15.1', '2.15.1']\n",
        "matrix.yaml:2 tensorflow[1]: '2.15.1' is there already: matrix.yaml:2 tensorflow[0]\n"
        "  hint: keep one of them\n",
    ),
    "included twice": (
        "schema: 1\ntensorflow: ['2.15.*']\ninclude: [{tensorflow: 2.15.1, python: '3.11'}]\n",
        "matrix.yaml:3 include[0]: tf2.15.1-py3.11-cpu is there already:"
        " matrix.yaml:2 tensorflow[0]\n"
        "  hint: remove one of them\n",
    ),
}


@pytest.mark.parametrize(("text", "said"), MATRICES.values(), ids=MATRICES)
def test_a_matrix_that_cannot_be_planned(shell: Shell, text: str, said: str) -> None:
    (shell.folder / "matrix.yaml").write_text(text)
    assert shell("matrix", "tiny") == 2
    assert shell.err.removeprefix("docker engine: a fake one\n") == f"error: {said}"
    assert shell.engine.built == []
    assert not (shell.folder / "results").exists()


def test_no_matrix(shell: Shell) -> None:
    (shell.folder / "matrix.yaml").unlink()
    assert shell("matrix", "tiny") == 2
    assert shell.err == (
        "error: matrix.yaml: there is no such file\n  hint: name another with --matrix\n"
    )


def test_a_matrix_that_excludes_everything_is_exit_3(shell: Shell) -> None:
    exclude = "exclude: [{tensorflow: '<2.16', reason: old}, {python: '3.12', reason: new}]\n"
    (shell.folder / "matrix.yaml").write_text(f"schema: 1\ntensorflow: ['>=2.15']\n{exclude}")
    assert shell("matrix", "tiny") == 3
    assert shell.err == (
        "docker engine: a fake one\n"
        "error: matrix.yaml: nothing is left to run, exclude takes out all 2 cells\n"
        "  matrix.yaml:3 exclude[0] takes out 1: old\n"
        "  matrix.yaml:3 exclude[1] takes out 1: new\n"
    )


def test_a_place_for_results_that_cannot_be_is_exit_5(shell: Shell) -> None:
    name = "x" * 300
    assert shell("matrix", "tiny", "--results", name) == 5
    assert shell.err == (
        "docker engine: a fake one\n"
        f"error: {name}/tiny: results cannot be written (File name too long)\n"
        "  Name a folder that can be written with --results DIR.\n"
    )
