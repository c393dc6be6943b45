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
from harness.model.detect import ACCEPTED
from harness.model.loaders import loaders
from harness.model.model import Format, Model, Tolerance
from harness.model.protos import SavedModel
from harness.model.reading import read_model
from tests.support.checkpoint_files import Checkpoint
from tests.support.graph_files import write_graph, write_meta_graph
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
    assert model.notes == (
        "signature 's' not used: a model in the format keras has none",
        f"inputs.npz, expected.npz, labels.npz: taken from {digits}, the folder above the model's",
        f"model.yaml: taken from {digits}, the folder above the model's",
        f"name, path of {digits}/model.yaml not used: they are about its folder, not a path in it",
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
    allowed = f"\n  allowed: {ACCEPTED}"
    assert problems(tmp_path / "no") == "M: does not exist" + allowed
    (tmp_path / "link").symlink_to("no")
    assert problems(tmp_path / "link") == "M: is a link that leads nowhere" + allowed
    (tmp_path / "ckpt-1.index").write_bytes(b"")
    assert problems(tmp_path / "ckpt-1") == (
        "M.index: is damaged: it is cut off\n"
        "  hint: copy all files of the checkpoint: PREFIX.index and every PREFIX.data-..."
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


NO_BUILD = (
    "loading will fail: these are weights only, and there is no build.py whose `build_model()` "
    "makes the model they belong to"
)


@pytest.mark.parametrize("name", ["weights.h5", "weights_keras3.h5"])
def test_weights_and_the_code_that_makes_their_model(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "flowers"
    folder.mkdir()
    shutil.copy(HDF5 / name, folder)
    np.savez(folder / "inputs.npz", image=np.zeros((1, 4), np.float32))
    model = read_model(folder)
    assert (model.name, model.format, model.path) == (
        "flowers",
        Format.HDF5_WEIGHTS,
        folder / name,
    )
    assert (model.signatures, model.notes, model.code.build) == ((), (NO_BUILD,), None)
    (folder / "build.py").write_text("def build_model(): ...")
    built = read_model(folder)
    assert (built.notes, built.code.build) == ((), folder / "build.py")
    assert built.digest != model.digest


def test_a_checkpoint(tmp_path: Path) -> None:
    Checkpoint(objects=b"", shards=2).write(tmp_path / "m", "ckpt-7")
    model = read_model(tmp_path / "m" / "ckpt-7")
    assert (model.name, model.format) == ("m-ckpt-7", Format.CHECKPOINT)
    assert (model.path, model.prefix) == (tmp_path / "m", "ckpt-7")
    assert (model.name_based, model.notes) == (False, (NO_BUILD,))
    assert loaders(model, "2.15.1", ()) == ("train.Checkpoint", "load_weights")
    Checkpoint().write(tmp_path / "named")
    named = read_model(tmp_path / "named")
    assert named.name_based
    assert loaders(named, "1.15.5", ()) == ("train.Saver",)


def test_the_digest_of_a_checkpoint_is_of_its_own_files(tmp_path: Path) -> None:
    Checkpoint(shards=2).write(tmp_path, "m-1")
    seen = {digest(tmp_path / "m-1")}
    Checkpoint().write(tmp_path, "m-2")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "m-2"')
    (tmp_path / "m-1.data-00000-of-00001").write_bytes(b"x")
    seen.add(digest(tmp_path / "m-1"))  # a shard more: somebody's mistake, but a change
    assert len(seen) == 2
    (tmp_path / "m-1.data-00000-of-00001").unlink()
    write_meta_graph(tmp_path / "m-1.meta")
    seen.add(digest(tmp_path / "m-1"))
    assert len(seen) == 3


def test_a_checkpoint_with_its_graph(tmp_path: Path) -> None:
    Checkpoint().write(tmp_path / "m", "model")
    write_meta_graph(tmp_path / "m" / "model.meta")
    model = read_model(tmp_path / "m")
    assert (model.name, model.format, model.prefix) == ("m", Format.META_GRAPH, "model")
    assert (model.feeds, model.fetches) == ({"x": "x:0"}, {"pred": "pred:0"})
    assert (model.signature, model.writer.tensorflow) == (None, "1.15.0")
    (tmp_path / "m" / "model.yaml").write_text("format: checkpoint")
    assert read_model(tmp_path / "m").format is Format.CHECKPOINT


def test_a_checkpoint_with_signatures(tmp_path: Path) -> None:
    Checkpoint().write(tmp_path, "m")
    x, pred = {"x": (FLOAT, [-1, 4])}, {"pred": (FLOAT, [-1, 1])}
    write_meta_graph(tmp_path / "m.meta", signatures={"a": (x, pred), "b": (x, pred)})
    assert problems(tmp_path) == (
        "M/m: has 2 signatures and none is called serving_default\n"
        "  allowed: a, b\n"
        "  hint: name one in model.yaml (`signature:`)"
    )
    (tmp_path / "model.yaml").write_text("signature: b")
    model = read_model(tmp_path)
    assert (model.signature, model.feeds, model.fetches) == ("b", {"x": "x:0"}, {"pred": "pred:0"})


def test_a_frozen_graph(tmp_path: Path) -> None:
    write_graph(tmp_path / "flowers" / "frozen_graph.pb")
    (tmp_path / "flowers" / "model.yaml").write_text(
        "inputs: {image: {tensor: x, shape: [2, 4], range: [0, 1]}}\n"
        "outputs: {probability: {tensor: 'scores:0'}}\n"
        "tolerances: {probability: {atol: 1e-3}}\n"
    )
    np.savez(tmp_path / "flowers" / "inputs.npz", image=np.zeros((2, 4), np.float32))
    np.savez(tmp_path / "flowers" / "expected.npz", probability=np.zeros((2, 3), np.float32))
    model = read_model(tmp_path / "flowers")
    assert model.format is Format.GRAPH_DEF
    assert (model.feeds, model.fetches) == ({"image": "x:0"}, {"probability": "scores:0"})
    assert (model.dimensions, model.ranges) == ({"image": (2, 4)}, {"image": (0.0, 1.0)})
    assert model.notes == ()
    np.savez(tmp_path / "flowers" / "inputs.npz", image=np.zeros((2, 4)))
    assert problems(tmp_path / "flowers").startswith(
        "M/inputs.npz: input 'image' has another type: image float64 [2, 4]"
    )


def test_the_range_of_indices_is_known(tmp_path: Path) -> None:
    shutil.copy(HDF5 / "embedding.h5", tmp_path)
    assert read_model(tmp_path).ranges == {"ids": (0.0, 100.0)}
    (tmp_path / "model.yaml").write_text("inputs: {ids: {range: [1, 20]}}")
    assert read_model(tmp_path).ranges == {"ids": (1.0, 20.0)}


def test_everything_that_model_yaml_says_of_loading(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m", tags=("serve", "gpu"))
    (folder / "model.yaml").write_text(
        "tags: [serve, gpu]\nloaders: [session, TFSMLayer]\n"
        "inputs: {image: {tensor: 'x:0'}}\noutputs: {y: {tensor: 'y:0'}}\n"
    )
    model = read_model(folder)
    assert model.tags == ("serve", "gpu")
    assert model.loaders == ("session", "TFSMLayer")
    assert loaders(model, "2.15.1", ()) == ("session", "TFSMLayer")
    assert model.notes == (
        "inputs.image.tensor, outputs.y.tensor not used: a model in the format saved_model is not "
        "called by its tensors",
    )


def test_a_loader_that_does_not_read_the_format(tmp_path: Path) -> None:
    write_keras(tmp_path / "m.keras")
    (tmp_path / "model.yaml").write_text("tags: [serve]\nloaders: [keras.load_model, session]")
    assert problems(tmp_path) == (
        "M/model.yaml:2 loaders[1]: session does not read a model in the format keras\n"
        "  allowed: keras.load_model, keras.load_model.compiled, tf_keras.load_model, load_weights"
    )
    (tmp_path / "model.yaml").write_text("tags: [serve]")
    assert read_model(tmp_path).notes == (
        "tags serve not used: a model in the format keras has none",
    )


def test_a_saved_model_without_a_signature_that_keras_can_call(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m", {})
    message = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    objects = message.meta_graphs[0].object_graph_def
    objects.nodes.add().user_object.identifier = b"_tf_keras_model"
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    model = read_model(folder)
    assert (model.keras, model.signature) == (True, None)
    assert loaders(model, "2.15.1", ()) == ("keras.load_model",)
    assert model.notes == ("it has no signature: only Keras can call it, by keras.load_model",)
    (folder / "model.yaml").write_text("signature: serving_default")
    assert problems(folder).startswith("M: has no signature, so nothing to call")
    write_saved_model(folder, {})
    (folder / "model.yaml").write_text("loaders: [keras.load_model]")
    assert read_model(folder).loaders == ("keras.load_model",)


def preprocessed(folder: Path) -> Path:
    write_keras(folder / "model.keras", functional("image"))
    np.savez(folder / "raw.npz", photo=np.zeros((2, 9), np.uint8))
    (folder / "preprocess.py").write_text("def preprocess(raw): ...")
    return folder


def test_raw_inputs_and_what_prepares_them(tmp_path: Path) -> None:
    folder = preprocessed(tmp_path / "m")
    model = read_model(folder)
    assert (model.raw, model.inputs) == (folder / "raw.npz", None)
    assert model.code.preprocess == folder / "preprocess.py"
    assert model.preprocesses
    np.savez(folder / "inputs.npz", image=np.zeros((2, 4), np.float32))
    assert read_model(folder).inputs == folder / "inputs.npz"
    np.savez(folder / "raw.npz", photo=np.array([{}]))
    assert problems(folder).startswith("M/raw.npz: array 'photo' holds Python objects")


def test_raw_inputs_that_nothing_takes(tmp_path: Path) -> None:
    folder = preprocessed(tmp_path / "m")
    (folder / "preprocess.py").unlink()
    assert problems(folder) == (
        "M/raw.npz: is there, but no preprocess.py that takes it\n"
        "  allowed: a preprocess.py with `preprocess(raw)`, which returns the model's inputs\n"
        "  hint: without preprocessing, call what the model is fed inputs.npz"
    )


def test_preprocessing_without_raw_inputs_is_not_run(tmp_path: Path) -> None:
    folder = preprocessed(tmp_path / "m")
    (folder / "raw.npz").unlink()
    model = read_model(folder)
    assert (model.raw, model.preprocesses) == (None, False)
    assert model.notes == ("preprocess.py is not run: there is no raw.npz to give it",)


def test_code_and_what_was_captured_beside_the_arrays(digits: Path) -> None:
    for name in ("build.py", "custom_objects.py", "captured.json"):
        (digits / name).write_text("{}")
    model = read_model(digits / "keras")
    assert model.code.build == digits / "build.py"
    assert model.code.custom_objects == digits / "custom_objects.py"
    assert model.captured == digits / "captured.json"
    before = model.digest
    (digits / "captured.json").write_text("[]")
    assert read_model(digits / "keras").digest == before
    (digits / "keras" / "captured.json").write_text("{}")
    assert read_model(digits / "keras").captured == digits / "keras" / "captured.json"


def seed_bytes() -> dict[str, bytes]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_saved_model(folder, {"s": ({"x": (FLOAT, [-1, 3])}, {"y": (FLOAT, [2])})})
        write_keras(folder / "m.keras")
        write_graph(folder / "m.pb")
        return {
            "saved_model.pb": (folder / "saved_model.pb").read_bytes(),
            "m.keras": (folder / "m.keras").read_bytes(),
            "m.h5": (HDF5 / "whole.h5").read_bytes(),
            "weights.h5": (HDF5 / "weights.h5").read_bytes(),
            "m.pb": (folder / "m.pb").read_bytes(),
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
