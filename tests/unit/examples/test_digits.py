from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from harness.model.model import Format, TensorSpec, Writer
from harness.model.reading import read_model
from harness.npz import read_npz

DIGITS = Path(__file__).parents[3] / "examples" / "digits"
README = (DIGITS / "README.md").read_text(encoding="utf-8")
IMAGES = 256


def array(file: str, name: str) -> np.ndarray:
    # read_npz refuses pickled objects.
    arrays = read_npz(DIGITS / file, max_bytes=1024**2, what=file)
    assert list(arrays) == [name]
    return arrays[name]


def contents() -> dict[str, bytes]:
    """Every file of the three models, those inside the archive too."""
    folders = [DIGITS / name for name in ("savedmodel", "h5", "keras")]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    found = {str(file.relative_to(DIGITS)): file.read_bytes() for file in files}
    with zipfile.ZipFile(DIGITS / "keras/model.keras") as archive:
        return found | {name: archive.read(name) for name in archive.namelist()}


def test_everything_is_under_two_megabytes() -> None:
    sizes = [file.stat().st_size for file in DIGITS.rglob("*") if file.is_file()]
    assert 0 < sum(sizes) < 2_000_000


def test_inputs_are_images_of_zero_to_one() -> None:
    image = array("inputs.npz", "image")
    assert (image.dtype, image.shape) == (np.dtype("<f4"), (IMAGES, 8, 8, 1))
    # The data set's pixels are counts from 0 to 16.
    assert set(np.unique(image * 16)) == set(range(17))


def test_labels_are_all_ten_digits() -> None:
    labels = array("labels.npz", "labels")
    assert (labels.dtype, labels.shape) == (np.dtype("<i8"), (IMAGES,))
    assert set(labels) == set(range(10))


def test_expected_are_probabilities() -> None:
    probabilities = array("expected.npz", "probabilities")
    assert (probabilities.dtype, probabilities.shape) == (np.dtype("<f4"), (IMAGES, 10))
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_the_readme_tells_the_accuracy() -> None:
    guesses = array("expected.npz", "probabilities").argmax(axis=1)
    right = int((guesses == array("labels.npz", "labels")).sum())
    assert right / IMAGES >= 0.95
    assert f"{right} of the {IMAGES} images are read right ({right / IMAGES:.1%})" in README


@pytest.mark.parametrize(
    ("path", "kind", "writer"),
    [
        ("savedmodel", Format.SAVED_MODEL, Writer(tensorflow="2.8.4")),
        ("h5/model.h5", Format.HDF5, Writer(keras="2.4.0")),
        ("keras/model.keras", Format.KERAS, Writer(keras="2.15.0")),
    ],
)
def test_models_are_what_the_readme_says(path: str, kind: Format, writer: Writer) -> None:
    model = read_model(DIGITS / path)
    assert (model.format, model.writer) == (kind, writer)
    (row,) = [line for line in README.splitlines() if line.startswith(f"| `{path}")]
    said = dict(re.findall(r"(TensorFlow|Keras) (\d[\d.]*\d)", row))
    assert writer.tensorflow in (None, said["TensorFlow"])
    assert writer.keras in (None, said["Keras"])


@pytest.mark.parametrize("path", ["savedmodel", "h5/model.h5", "keras/model.keras"])
def test_models_find_their_arrays_and_agree_on_the_input(path: str) -> None:
    model = read_model(DIGITS / path)
    assert model.inputs == DIGITS / "inputs.npz"
    assert model.expected == DIGITS / "expected.npz"
    assert model.labels == DIGITS / "labels.npz"
    (signature,) = model.signatures
    assert signature.inputs == (TensorSpec(name="image", dtype="float32", shape=(None, 8, 8, 1)),)


def test_models_agree_on_the_output() -> None:
    (signature,) = read_model(DIGITS / "savedmodel").signatures
    output = TensorSpec(name="probabilities", dtype="float32", shape=(None, 10))
    assert signature.outputs == (output,)
    files = contents()
    for name in ("h5/model.h5", "config.json"):
        assert b'"output_layers": [["probabilities", 0, 0]]' in files[name], name


def test_files_begin_as_their_formats_do() -> None:
    files = contents()
    assert files["h5/model.h5"].startswith(b"\x89HDF\r\n\x1a\n")
    assert files["model.weights.h5"].startswith(b"\x89HDF\r\n\x1a\n")
    assert files["keras/model.keras"].startswith(b"PK\x03\x04")
    assert {name for name in files if name.startswith("savedmodel/")} >= {
        "savedmodel/saved_model.pb",
        "savedmodel/variables/variables.index",
        "savedmodel/variables/variables.data-00000-of-00001",
    }


def test_models_hold_no_path_of_the_machine_that_made_them() -> None:
    path = re.compile(rb"/(?:home|root|tmp|opt|usr|Users)/|site-packages|\.py\b")
    assert {name for name, data in contents().items() if path.search(data)} == set()
