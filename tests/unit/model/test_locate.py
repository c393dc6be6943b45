from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from harness.errors import ModelError
from harness.model.locate import Located, locate
from harness.model.model import Format
from harness.model.settings import Settings, load_settings
from tests.support.model_files import HDF5, write_keras, write_saved_model, write_zip

ALLOWED = "\n  allowed: a SavedModel directory, a .keras archive, a whole Keras model in HDF5"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
NODE = b"\n\x05x\x12\x0bPlaceholder"  # name, operation
GRAPH_DEF = b"\n" + bytes([2 + 1 + 2 + 11]) + b"\n\x01x\x12\x0bPlaceholder"
META_GRAPH = b"\n\x08*\x061.15.0"
INDEX = b"table" * 10 + bytes.fromhex("57fb808b247547db")


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
    assert found(tmp_path / "a.keras") == Located(tmp_path / "a.keras", Format.HDF5)
    assert found(tmp_path / "b.bin").format is Format.HDF5
    assert found(tmp_path / "c.h5").format is Format.KERAS


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
    assert found(tmp_path).path == tmp_path / "model.h5"
    (tmp_path / "model.h5").unlink()
    assert found(tmp_path).path == tmp_path / "weights.h5"  # reading it says what it is


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    write_saved_model(tmp_path / "m")
    (tmp_path / "m" / "frozen.pb").write_bytes(GRAPH_DEF)
    (tmp_path / "m" / "README").write_text("x")
    (tmp_path / "m" / ".git").mkdir()
    os.mkfifo(tmp_path / "m" / "pipe")
    assert found(tmp_path / "m").path == tmp_path / "m"


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
            b"\x1c\0\0\0TFL3" + bytes(20),
            "is a TensorFlow Lite model (.tflite), not one of the accepted formats" + ALLOWED,
        ),
        (GRAPH_DEF, "is a frozen graph (GraphDef), not one of the accepted formats" + ALLOWED),
        (
            META_GRAPH,
            "is the graph of a TensorFlow 1 checkpoint (.meta), not one of the accepted formats"
            + ALLOWED,
        ),
        (
            INDEX,
            "is the index of a TensorFlow checkpoint, not one of the accepted formats" + ALLOWED,
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
    (tmp_path / "model.tflite").write_bytes(b"\x1c\0\0\0TFL3")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    text = problems(tmp_path)
    assert "M/saved_model.pbtxt: is a SavedModel in text form (.pbtxt)" in text
    assert "M/model.tflite: is a TensorFlow Lite model" in text
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
