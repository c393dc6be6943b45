from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from harness.errors import ModelError
from harness.model.candidates import Located
from harness.model.locate import locate
from harness.model.model import Format
from harness.model.settings import Settings, load_settings
from harness.model.table import TABLE_END
from tests.support.checkpoint_files import Checkpoint, table
from tests.support.graph_files import write_graph, write_meta_graph
from tests.support.model_files import HDF5, write_keras, write_saved_model, write_zip

ALLOWED = (
    "\n  allowed: a SavedModel directory, a .keras archive, a Keras model or its weights in HDF5, "
    "a TensorFlow checkpoint, a frozen graph (.pb), a TensorFlow Lite model"
)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
TFLITE = b"\x1c\0\0\0TFL3" + bytes(20)


def found(path: Path, settings: Settings | None = None) -> Located:
    return locate(path, settings or Settings())


def problems(path: Path, settings: Settings | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        found(path, settings)
    return str(caught.value).replace(str(path), "M")


def settings_file(folder: Path, text: str) -> Settings:
    (folder / "model.yaml").write_text(text)
    return load_settings(folder / "model.yaml")


def test_files_are_told_by_content(tmp_path: Path) -> None:
    shutil.copy(HDF5 / "whole.h5", tmp_path / "a.keras")
    shutil.copy(HDF5 / "userblock.h5", tmp_path / "b.bin")
    write_keras(tmp_path / "c.h5")
    write_graph(tmp_path / "d.h5")
    (tmp_path / "e.pb").write_bytes(TFLITE)
    shutil.copy(HDF5 / "weights_keras3.h5", tmp_path / "f.keras")
    assert found(tmp_path / "a.keras") == Located(tmp_path / "a.keras", Format.HDF5)
    assert found(tmp_path / "b.bin").format is Format.HDF5
    assert found(tmp_path / "c.h5").format is Format.KERAS
    assert found(tmp_path / "d.h5").format is Format.GRAPH_DEF
    assert found(tmp_path / "e.pb").format is Format.TFLITE
    assert found(tmp_path / "f.keras").format is Format.HDF5_WEIGHTS


def test_a_saved_model_and_the_folder_that_holds_it(tmp_path: Path) -> None:
    write_saved_model(tmp_path / "m" / "export")
    expected = Located(tmp_path / "m" / "export", Format.SAVED_MODEL)
    assert found(tmp_path / "m" / "export") == expected
    assert found(tmp_path / "m") == expected


def test_the_graph_of_a_saved_model_means_its_folder(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    assert found(folder / "saved_model.pb") == Located(
        folder,
        Format.SAVED_MODEL,
        (f"{folder}/saved_model.pb is part of the SavedModel {folder}, which is what is run",),
    )


def test_the_highest_version_is_served(tmp_path: Path) -> None:
    for version in ("9", "10", "00000002"):
        write_saved_model(tmp_path / version)
    (tmp_path / "11").mkdir()  # TensorFlow Serving passes over it, too
    assert found(tmp_path) == Located(
        tmp_path / "10",
        Format.SAVED_MODEL,
        ("version 10 is run, the highest; there are also: 00000002, 9",),
    )


def test_an_only_version_is_said(tmp_path: Path) -> None:
    write_saved_model(tmp_path / "3")
    assert found(tmp_path).notes == ("version 3 is the only one",)


def test_two_models_in_one_folder(tmp_path: Path) -> None:
    write_keras(tmp_path / "a.keras")
    shutil.copy(HDF5 / "whole.h5", tmp_path / "b.h5")
    assert problems(tmp_path) == (
        "M: holds 2 models: M/a.keras (keras), M/b.h5 (hdf5)\n"
        "  allowed: one model\n"
        "  hint: give the path of one of them, or name it in model.yaml (`path:`)"
    )


def test_two_models_in_folders_of_their_own(tmp_path: Path) -> None:
    write_keras(tmp_path / "keras" / "model.keras")
    write_saved_model(tmp_path / "savedmodel")
    assert problems(tmp_path).startswith(
        "M: holds 2 models: M/keras/model.keras (keras), M/savedmodel (saved_model)\n"
    )


def test_a_saved_model_beside_another_model(tmp_path: Path) -> None:
    write_saved_model(tmp_path)
    write_keras(tmp_path / "a.keras")
    assert problems(tmp_path).startswith("M: holds 2 models: M (saved_model), M/a.keras (keras)")


def test_model_yaml_names_one_of_several(tmp_path: Path) -> None:
    write_keras(tmp_path / "a.keras")
    shutil.copy(HDF5 / "whole.h5", tmp_path / "b.h5")
    assert found(tmp_path, settings_file(tmp_path, "path: b.h5")).path == tmp_path / "b.h5"
    assert found(tmp_path, settings_file(tmp_path, "format: keras")).path == tmp_path / "a.keras"
    assert problems(tmp_path, settings_file(tmp_path, "path: c.h5")) == (
        "M/model.yaml:1 path: 'c.h5' does not exist in M"
    )


def test_model_yaml_names_another_format(tmp_path: Path) -> None:
    write_keras(tmp_path / "a.keras")
    assert problems(tmp_path, settings_file(tmp_path, "seed: 1\nformat: hdf5")) == (
        "M/model.yaml:2 format: hdf5 is not the format of M/a.keras, which is keras\n"
        "  hint: leave `format` out: formats are told by content"
    )


def test_weights_beside_a_model_are_passed_over(tmp_path: Path) -> None:
    shutil.copy(HDF5 / "whole.h5", tmp_path / "model.h5")
    shutil.copy(HDF5 / "weights.h5", tmp_path / "weights.h5")
    Checkpoint().write(tmp_path)
    assert found(tmp_path) == Located(tmp_path / "model.h5", Format.HDF5)
    wanted = settings_file(tmp_path, "format: hdf5_weights")
    assert found(tmp_path, wanted) == Located(tmp_path / "weights.h5", Format.HDF5_WEIGHTS)
    (tmp_path / "model.h5").unlink()
    assert problems(tmp_path).startswith(
        "M: holds 2 models: M/weights.h5 (hdf5_weights), M/model.ckpt (checkpoint)"
    )


def test_what_was_made_of_a_saved_model_is_passed_over(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    write_graph(folder / "frozen.pb")
    (folder / "model.tflite").write_bytes(TFLITE)
    (folder / "fingerprint.pb").write_bytes(TFLITE)
    assert found(folder) == Located(
        folder,
        Format.SAVED_MODEL,
        (
            "passed over, as it lies in the SavedModel: frozen.pb, model.tflite; "
            "give its own path to run it",
        ),
    )
    assert found(folder, settings_file(folder, "format: tflite")).format is Format.TFLITE
    assert found(folder / "frozen.pb").format is Format.GRAPH_DEF
    (folder / "frozen.pb").rename(tmp_path / "frozen.pb")
    assert problems(tmp_path).startswith(
        "M: holds 3 models: M/frozen.pb (graph_def), M/m (saved_model), M/m/model.tflite (tflite)"
    )


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    write_saved_model(tmp_path / "m")
    (tmp_path / "m" / "README").write_text("x")
    (tmp_path / "m" / "saved_model.pbtxt").write_text("x")
    (tmp_path / "m" / ".git").mkdir()
    os.mkfifo(tmp_path / "m" / "pipe")
    assert found(tmp_path / "m") == Located(tmp_path / "m", Format.SAVED_MODEL)


@pytest.mark.parametrize("name", ["ckpt-7", "ckpt-7.index", "ckpt-7.data-00001-of-00002"])
def test_a_checkpoint_and_its_files(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "m"
    Checkpoint(shards=2).write(folder, "ckpt-7")
    assert found(folder / name) == Located(folder, Format.CHECKPOINT, prefix="ckpt-7")
    assert found(folder) == found(folder / name)
    assert found(tmp_path) == found(folder)


@pytest.mark.parametrize("name", ["m-7", "m-7.index", "m-7.meta", "m-7.data-00000-of-00001"])
def test_a_checkpoint_with_its_graph(tmp_path: Path, name: str) -> None:
    Checkpoint().write(tmp_path, "m-7")
    write_meta_graph(tmp_path / "m-7.meta")
    (tmp_path / "graph.pbtxt").write_text("node {")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "m-7"')
    expected = Located(tmp_path, Format.META_GRAPH, prefix="m-7")
    assert found(tmp_path / name) == expected
    assert found(tmp_path) == expected
    assert found(tmp_path, settings_file(tmp_path, "path: m-7")) == expected
    wanted = settings_file(tmp_path, "format: checkpoint")
    assert found(tmp_path / name, wanted) == Located(tmp_path, Format.CHECKPOINT, prefix="m-7")


def test_the_bytes_of_a_checkpoint_are_not_told_by_content(tmp_path: Path) -> None:
    Checkpoint().write(tmp_path, "m")
    write_graph(tmp_path / "m.data-00000-of-00001")
    assert found(tmp_path).format is Format.CHECKPOINT
    assert found(tmp_path / "m.data-00000-of-00001").format is Format.CHECKPOINT


def test_the_latest_of_several_checkpoints(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        Checkpoint().write(tmp_path / "training", f"m-{number}")
    note = "m-10 is run, the highest number; there are also: m-2, m-1"
    folder = tmp_path / "training"
    assert found(tmp_path) == Located(folder, Format.CHECKPOINT, (note,), prefix="m-10")
    assert found(folder / "m-2") == Located(folder, Format.CHECKPOINT, prefix="m-2")


def test_checkpoints_of_several_models(tmp_path: Path) -> None:
    Checkpoint().write(tmp_path, "encoder-1")
    Checkpoint().write(tmp_path, "decoder-1")
    assert problems(tmp_path).startswith(
        "M: holds 2 models: M/decoder-1 (checkpoint), M/encoder-1 (checkpoint)"
    )


def test_a_graph_without_its_checkpoint(tmp_path: Path) -> None:
    write_meta_graph(tmp_path / "m.meta")
    assert found(tmp_path) == Located(tmp_path, Format.META_GRAPH, prefix="m")


def test_the_old_format_with_its_graph(tmp_path: Path) -> None:
    write_meta_graph(tmp_path / "m.meta")
    (tmp_path / "m").write_bytes(table([(b"", b"\x0a\x00")]))
    assert found(tmp_path / "m") == Located(tmp_path, Format.META_GRAPH, prefix="m")
    assert found(tmp_path).prefix == "m"


def test_files_of_checkpoints_that_tensorflow_would_not_find(tmp_path: Path) -> None:
    index = Checkpoint().write(tmp_path, "m")
    index.rename(tmp_path / "m.idx")
    assert problems(tmp_path / "m.idx") == (
        "M: is the index of a TensorFlow checkpoint, but is not called PREFIX.index, as TensorFlow "
        "wants it" + ALLOWED + "\n  hint: call it as its data: PREFIX.index beside PREFIX.data-..."
    )
    write_meta_graph(tmp_path / "graph.pb")
    assert problems(tmp_path / "graph.pb") == (
        "M: is the graph of a TensorFlow 1 checkpoint, but is not called PREFIX.meta, as "
        "TensorFlow wants it"
        + ALLOWED
        + "\n  hint: call it as its data: PREFIX.meta beside PREFIX.data-..."
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty" + ALLOWED + "\n  hint: copy or save the model again"),
        (b"hello", "is no model that is known" + ALLOWED),
        (b"\n\nhello", "is no model that is known" + ALLOWED),
        (
            LFS,
            "is a git-lfs pointer, not the file it stands for"
            + ALLOWED
            + "\n  hint: run `git lfs pull` where the model was checked out",
        ),
        (
            table([(b"", b"\x0a\x00")]),
            "is a checkpoint in TensorFlow's old format, V1, without its graph"
            + ALLOWED
            + "\n  hint: put its .meta file beside it, or save it again with a "
            "`tf.compat.v1.train.Saver`, whose format has been V2 since TensorFlow 1.0",
        ),
        (
            b"table" * 10 + TABLE_END,
            "is damaged: it points outside itself"
            + ALLOWED
            + "\n  hint: copy all files of the checkpoint: PREFIX.index and every PREFIX.data-...",
        ),
        (
            (HDF5 / "other.h5").read_bytes(),
            "is HDF5 that holds neither a Keras model nor the weights of one" + ALLOWED,
        ),
        (
            b'node {\n  name: "x"\n',
            "is a graph in text form (.pbtxt)" + ALLOWED + "\n  hint: save it in binary form (.pb)",
        ),
        (
            b"\x08\x01\x12\x00",
            "is the graph of a SavedModel without its directory"
            + ALLOWED
            + "\n  hint: call it saved_model.pb and put `variables` and `assets` beside it",
        ),
        (
            b"saved_model_schema_version: 1\n",
            "is a SavedModel in text form (.pbtxt)"
            + ALLOWED
            + "\n  hint: save it in binary form (.pb)",
        ),
    ],
)
def test_files_that_are_no_model(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert problems(path) == f"M: {said}"


def test_a_truncated_archive(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras")
    path.write_bytes(path.read_bytes()[:-40])
    assert problems(path) == (
        "M: is a zip archive that is not a whole zip archive (File is not a zip file)"
        + ALLOWED
        + "\n  hint: copy or save the model again"
    )


def test_an_archive_that_is_no_model(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.zip", {"config.json": b"{}"})
    assert problems(path) == "M: is no model that is known" + ALLOWED


def test_an_empty_folder_and_one_without_a_model(tmp_path: Path) -> None:
    assert problems(tmp_path) == "M: is an empty folder" + ALLOWED
    (tmp_path / "notes.txt").write_text("nothing")
    assert problems(tmp_path) == "M: holds no model" + ALLOWED


def test_a_folder_says_what_it_holds_instead(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pbtxt").write_text("saved_model_schema_version: 1")
    (tmp_path / "model.tflite").write_bytes(LFS)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    text = problems(tmp_path)
    assert "M/saved_model.pbtxt: is a SavedModel in text form (.pbtxt)" in text
    assert "M/model.tflite: is a git-lfs pointer" in text
    assert "M/nowhere: is a link that leads nowhere" in text


def test_links_that_stay_and_links_that_leave(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    write_keras(tmp_path / "real.keras")
    (folder / "model.keras").symlink_to(tmp_path / "real.keras")
    assert problems(folder) == (
        "M/model.keras: is a symbolic link that leaves M\n"
        "  hint: put the file itself in its place, or give its own path"
    )
    assert found(folder / "model.keras").format is Format.KERAS  # the user gave the link itself
    (folder / "model.keras").unlink()
    write_keras(folder / "blobs" / "deep" / "1")
    (folder / "model.keras").symlink_to(folder / "blobs" / "deep" / "1")
    assert found(folder).path == folder / "model.keras"


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert "M/a: is a symbolic link in a circle" in problems(tmp_path)
