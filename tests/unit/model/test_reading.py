from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ModelError
from harness.model.model import Format, Model, Tolerance
from harness.model.reading import read_model
from tests.support.model_files import (
    FLOAT,
    HDF5,
    IMAGE,
    PROBABILITIES,
    functional,
    write_keras,
    write_saved_model,
)


def problems(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_model(path)
    return str(caught.value).replace(str(path), "M")


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Three models of one task that share their arrays."""
    folder = tmp_path / "digits"
    write_saved_model(folder / "savedmodel")
    write_keras(folder / "keras" / "model.keras", functional("image", shape=(None, 8, 8, 1)))
    (folder / "h5").mkdir()
    shutil.copy(HDF5 / "whole.h5", folder / "h5" / "model.h5")
    np.savez(folder / "inputs.npz", image=np.zeros((5, 8, 8, 1), np.float32))
    np.savez(folder / "expected.npz", probabilities=np.zeros((5, 10), np.float32))
    np.savez(folder / "labels.npz", labels=np.arange(5))
    return folder


def test_a_whole_saved_model(digits: Path) -> None:
    model = read_model(digits / "savedmodel")
    assert model.name == "digits-savedmodel"
    assert model.path == digits / "savedmodel"
    assert model.root == digits
    assert model.format is Format.SAVED_MODEL
    assert model.writer.tensorflow == "2.10.1"
    assert model.signature == "serving_default"
    assert [spec.name for spec in model.signatures[0].inputs] == ["image"]
    assert (model.inputs, model.expected, model.labels) == (
        digits / "inputs.npz",
        digits / "expected.npz",
        digits / "labels.npz",
    )
    assert model.notes == (
        f"inputs.npz, expected.npz, labels.npz: taken from {digits}, the folder above the model's",
    )
    assert model.seed == 0
    assert model.batch_size == 8
    assert Model.model_validate_json(model.model_dump_json()) == model


@pytest.mark.parametrize(
    ("given", "name", "format_"),
    [
        ("keras", "digits-keras", Format.KERAS),
        ("keras/model.keras", "digits-keras-model.keras", Format.KERAS),
        ("savedmodel/saved_model.pb", "digits-savedmodel", Format.SAVED_MODEL),
    ],
)
def test_models_beside_it_share_its_arrays(
    digits: Path, given: str, name: str, format_: Format
) -> None:
    model = read_model(digits / given)
    assert (model.name, model.format, model.inputs) == (name, format_, digits / "inputs.npz")


def test_the_arrays_have_to_fit_each_of_them(digits: Path) -> None:
    assert problems(digits / "h5").splitlines()[0] == (
        f"{digits}/inputs.npz: input 'x' has another shape: x float32 [5, 8, 8, 1]"
    )


def test_a_folder_of_several_models_is_no_model(digits: Path) -> None:
    assert problems(digits).startswith(
        "M: holds 3 models: M/h5/model.h5 (hdf5), M/keras/model.keras (keras), "
        "M/savedmodel (saved_model)\n"
    )


def test_arrays_of_the_models_own_folder_come_first(digits: Path) -> None:
    np.savez(digits / "savedmodel" / "inputs.npz", image=np.zeros((1, 8, 8, 1), np.float32))
    model = read_model(digits / "savedmodel")
    assert model.root == digits / "savedmodel"
    assert model.inputs == digits / "savedmodel" / "inputs.npz"
    assert model.expected is None  # it belongs to other inputs
    assert model.notes == ()


def test_relative_paths(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(digits / "savedmodel")
    model = read_model(Path())
    assert model.name == "digits-savedmodel"
    assert model.path == digits / "savedmodel"
    assert model.inputs is not None
    assert model.inputs.resolve() == digits / "inputs.npz"
    monkeypatch.chdir(digits)
    assert read_model(Path("keras/model.keras")).path == digits / "keras" / "model.keras"


def test_model_yaml_overrides(digits: Path) -> None:
    (digits / "savedmodel" / "model.yaml").write_text(
        "name: best\nseed: 3\nbatch_size: 2\n"
        "inputs: {image: {shape: [4, 8, 8, 1], range: [0, 1]}}\n"
        "tolerances: {probabilities: {atol: 1e-4}, '*': {rtol: 0}}\n"
        "requirements: [scipy]\n"
    )
    model = read_model(digits / "savedmodel")
    assert (model.name, model.seed, model.batch_size) == ("best", 3, 2)
    assert model.dimensions == {"image": (4, 8, 8, 1)}
    assert model.ranges == {"image": (0.0, 1.0)}
    assert model.tolerances == {"probabilities": Tolerance(atol=1e-4), "*": Tolerance(rtol=0.0)}
    assert model.requirements == ("scipy",)


def test_model_yaml_has_to_fit_the_signature(digits: Path) -> None:
    (digits / "savedmodel" / "model.yaml").write_text(
        "inputs:\n  imag: {shape: [1]}\n  image: {shape: [4, 8, 8, 2]}\n"
        "tolerances: {probability: {atol: 1}}\n"
    )
    assert problems(digits / "savedmodel") == (
        "M/model.yaml:2 inputs.imag: 'imag' is not an input of the model\n"
        "  allowed: image\n"
        "  hint: did you mean 'image'?\n"
        "M/model.yaml:3 inputs.image.shape: [4, 8, 8, 2] is not a shape of this input\n"
        "  allowed: image float32 [?, 8, 8, 1]\n"
        "M/model.yaml:4 tolerances.probability: 'probability' is not an output of the model\n"
        "  allowed: probabilities\n"
        "  hint: did you mean 'probabilities'?"
    )


def test_a_folders_model_yaml_serves_the_models_in_it(digits: Path) -> None:
    (digits / "model.yaml").write_text("path: savedmodel\nname: best\nseed: 9\nsignature: s\n")
    model = read_model(digits / "keras")
    assert (model.name, model.seed) == ("digits-keras", 9)
    assert model.notes[1:] == (
        f"model.yaml: taken from {digits}, the folder above the model's",
        f"name, path of {digits}/model.yaml not used: they are about its folder, not a path in it",
        "signature 's' not used: a Keras model has none",
    )
    (digits / "model.yaml").write_text("path: savedmodel\nname: best\n")
    model = read_model(digits)
    assert (model.name, model.path) == ("best", digits / "savedmodel")


def test_a_broken_model_yaml(digits: Path) -> None:
    (digits / "savedmodel" / "model.yaml").write_text("sed: 1")
    assert problems(digits / "savedmodel").startswith("M/model.yaml:1 sed: unknown key\n")


SEVERAL = {"a": (IMAGE, PROBABILITIES), "b": (IMAGE, PROBABILITIES)}


def test_several_signatures_and_no_default(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m", SEVERAL)
    assert problems(folder) == (
        "M: has 2 signatures and none is called serving_default\n"
        "  allowed: a, b\n"
        "  hint: name one in model.yaml (`signature:`)"
    )
    (folder / "model.yaml").write_text("signature: b")
    assert read_model(folder).signature == "b"
    (folder / "model.yaml").write_text("seed: 1\nsignature: serving_defaul")
    assert problems(folder) == (
        "M/model.yaml:2 signature: the model has no signature 'serving_defaul'\n  allowed: a, b"
    )


def test_an_only_signature_and_none(tmp_path: Path) -> None:
    only = write_saved_model(tmp_path / "only", {"b": (IMAGE, PROBABILITIES)})
    assert read_model(only).signature == "b"
    assert problems(write_saved_model(tmp_path / "none", {})) == (
        "M: has no signature, so nothing to call\n"
        "  hint: save it with `signatures=`, as `tf.saved_model.save` takes it"
    )


def test_problems_of_all_files_come_together(digits: Path) -> None:
    (digits / "labels.npz").write_bytes(b"")
    np.savez(digits / "inputs.npz", imag=np.zeros(3))
    np.savez(digits / "expected.npz", other=np.zeros(3))
    text = problems(digits / "savedmodel").replace(str(digits), "D")
    assert [line for line in text.splitlines() if line.startswith("D/")] == [
        "D/inputs.npz: 'imag' is not an input of the model",
        "D/inputs.npz: input 'image' is missing",
        "D/expected.npz: 'other' is not an output of the model",
        "D/labels.npz: is not a whole zip archive (File is not a zip file)",
    ]


def test_a_damaged_model_and_its_arrays_come_together(digits: Path) -> None:
    (digits / "savedmodel" / "saved_model.pb").write_bytes(b"\xff")
    (digits / "labels.npz").write_bytes(b"")
    text = problems(digits / "savedmodel")
    assert "M/saved_model.pb: is damaged: it cannot be read as a SavedModel\n" in text
    assert f"{digits}/labels.npz: is not a whole zip archive" in text


def test_a_missing_path(tmp_path: Path) -> None:
    allowed = "\n  allowed: a SavedModel directory, a .keras archive, a whole Keras model in HDF5"
    assert problems(tmp_path / "no") == "M: does not exist" + allowed
    (tmp_path / "link").symlink_to("no")
    assert problems(tmp_path / "link") == "M: is a link that leads nowhere" + allowed
    (tmp_path / "ckpt-1.index").write_bytes(b"")
    assert problems(tmp_path / "ckpt-1") == (
        "M: is the prefix of a TensorFlow checkpoint, not one of the accepted formats" + allowed
    )


def test_a_path_no_system_has(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)
    assert problems(path) == "M: cannot be read: file name too long"


def digest(path: Path) -> str:
    return read_model(path).digest


def test_the_digest_is_what_sha256sum_gives(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    names = sorted(
        ["saved_model.pb", "variables/variables.data-00000-of-00001", "variables/variables.index"]
    )
    lines = b"".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\0".encode()
        for name in names
    )
    assert digest(folder) == hashlib.sha256(lines).hexdigest()


def test_what_the_digest_depends_on(digits: Path) -> None:
    folder = digits / "savedmodel"
    seen = {digest(folder)}
    for name in (
        "assets/vocabulary.txt",
        "assets.extra/tf_serving_warmup_requests",
        "fingerprint.pb",
        "keras_metadata.pb",
        "variables/more",
        "custom_objects.py",
        "build.py",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
        assert digest(folder) not in seen
        seen.add(digest(folder))
    (folder / "model.yaml").write_text("seed: 1")
    assert digest(folder) not in seen
    seen.add(digest(folder))
    (folder / "assets" / "vocabulary.txt").rename(folder / "assets" / "words.txt")
    assert digest(folder) not in seen
    last = digest(folder)
    (folder / "README.md").write_text("notes")
    np.savez(digits / "inputs.npz", image=np.ones((5, 8, 8, 1), np.float32))
    assert digest(folder) == last


def test_links_inside_a_saved_model(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    before = digest(folder)
    shard = folder / "variables" / "variables.data-00000-of-00001"
    shard.rename(folder / "blob")
    shard.symlink_to("../blob")
    assert digest(folder) == before
    (folder / "blob").rename(tmp_path / "blob")
    shard.unlink()
    shard.symlink_to("../../blob")
    assert problems(folder) == (
        "M/variables/variables.data-00000-of-00001: is a symbolic link that leaves M\n"
        "  hint: put the file itself in its place"
    )


def test_linked_folders_inside_a_saved_model_are_not_entered(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    (folder / "assets").symlink_to(folder)
    (folder / "variables" / "more").symlink_to("/etc")
    assert problems(folder) == (
        "M/assets: is not a regular file\n"
        "  hint: put the file itself in its place\n"
        "M/variables/more: is a symbolic link that leaves M\n"
        "  hint: put the file itself in its place"
    )


def test_a_shard_that_is_only_a_pointer(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    )
    assert problems(folder) == (
        "M/variables/variables.data-00000-of-00001: is a git-lfs pointer, not the file it stands "
        "for\n  hint: run `git lfs pull` where the model was checked out"
    )


def seed_bytes() -> dict[str, bytes]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_saved_model(folder, {"s": ({"x": (FLOAT, [-1, 3])}, {"y": (FLOAT, [2])})})
        write_keras(folder / "m.keras")
        return {
            "saved_model.pb": (folder / "saved_model.pb").read_bytes(),
            "m.keras": (folder / "m.keras").read_bytes(),
            "m.h5": (HDF5 / "whole.h5").read_bytes(),
        }


SEEDS = seed_bytes()


@pytest.mark.parametrize("name", SEEDS)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=5),
    cut=st.integers(0, 2**20),
    truncate=st.booleans(),
)
def test_damaged_models_raise_nothing_else(
    tmp_path: Path, name: str, changes: list[tuple[int, int]], cut: int, truncate: bool
) -> None:
    data = bytearray(SEEDS[name])
    for position, value in changes:
        data[position % len(data)] = value
    (tmp_path / name).write_bytes(data[: cut % len(data)] if truncate else data)
    try:
        model = read_model(tmp_path / name)
    except ModelError as error:
        said = str(error)
    else:
        said = model.model_dump_json()
    assert said
