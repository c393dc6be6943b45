from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.naming import model_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/digits", "digits"),
        ("/a/digits/savedmodel", "digits-savedmodel"),
        ("/a/digits/saved_model", "digits-saved_model"),
        ("/a/half_plus_two/00000123", "half_plus_two-00000123"),
        ("/a/digits/h5/1", "digits-h5-1"),
        ("/a/digits/1/1/1/1", "1-1-1-1"),
        ("/model", "model"),
        ("/", "model"),
        ("/a/naïve model (2)", "na-ve-model-2"),
        ("/a/..hidden", "hidden"),
        ("/a/" + "x" * 300, "x" * 100),
        ("/a/$$$", "model"),
        ("/a/flowers/model.ckpt-1000", "flowers-model.ckpt-1000"),
        ("/a/flowers/ckpt-3", "flowers-ckpt-3"),
    ],
)
def test_folders(path: str, name: str) -> None:
    assert model_name(Path(path)) == name


def test_files_keep_their_suffix(tmp_path: Path) -> None:
    folder = tmp_path / "task" / "h5"
    folder.mkdir(parents=True)
    (folder / "model.h5").touch()
    (folder / "resnet.h5").touch()
    (folder / "frozen_inference_graph.pb").touch()
    assert model_name(folder / "model.h5") == "task-h5-model.h5"
    assert model_name(folder / "resnet.h5") == "resnet.h5"
    named = "task-h5-frozen_inference_graph.pb"
    assert model_name(folder / "frozen_inference_graph.pb") == named
