from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.model.loaders import LOADERS, loaders
from harness.model.model import Format
from tests.support.fakes import model

RELEASES = ("1.15.5", "2.0.0rc1", "2.4.4", "2.15.1", "2.16.0rc0", "2.21.0")


def of(form: Format, tensorflow: str, *packages: str, **fields: Any) -> tuple[str, ...]:
    return loaders(model(Path("m"), format=form, **fields), tensorflow, packages)


@pytest.mark.parametrize(
    ("tensorflow", "first"),
    [
        ("1.15.5", "session"),
        ("2.0.0", "saved_model.load"),
        ("2.0.0rc1", "saved_model.load"),
        ("2.21.0", "saved_model.load"),
    ],
)
def test_a_saved_model_is_read_in_a_session_before_tensorflow_2(
    tensorflow: str, first: str
) -> None:
    assert of(Format.SAVED_MODEL, tensorflow)[0] == first


def test_keras_reads_the_saved_models_it_wrote_until_keras_3() -> None:
    assert "keras.load_model" in of(Format.SAVED_MODEL, "2.15.1", keras=True)
    assert "keras.load_model" not in of(Format.SAVED_MODEL, "2.15.1", keras=False)
    assert "keras.load_model" not in of(Format.SAVED_MODEL, "2.16.1", keras=True)
    assert "TFSMLayer" in of(Format.SAVED_MODEL, "2.16.1", keras=False)
    assert "TFSMLayer" not in of(Format.SAVED_MODEL, "2.15.1", keras=True)


def test_keras_2_beside_keras_3_is_used_where_it_is_installed() -> None:
    assert "tf_keras.load_model" in of(Format.HDF5, "2.21.0", "tf-keras")
    assert "tf_keras.load_model" not in of(Format.HDF5, "2.21.0", "keras")


def test_a_checkpoint_by_name_is_no_graph_of_objects() -> None:
    assert of(Format.CHECKPOINT, "2.15.1", name_based=True) == ("train.Saver",)
    assert of(Format.CHECKPOINT, "2.15.1")[0] == "train.Checkpoint"


def test_what_the_user_says_goes_before_all() -> None:
    assert of(Format.HDF5, "2.15.1", loaders=("load_weights",)) == ("load_weights",)


@pytest.mark.parametrize("tensorflow", RELEASES)
@pytest.mark.parametrize("form", Format)
def test_every_format_has_loaders_that_exist_and_none_twice(form: Format, tensorflow: str) -> None:
    names = of(form, tensorflow, "tf-keras", keras=True)
    assert names
    assert len(set(names)) == len(names)
    assert set(names) <= set(LOADERS)
