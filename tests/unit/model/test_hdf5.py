from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ModelError
from harness.model.hdf5 import hdf5_format, inspect_hdf5, inspect_hdf5_weights
from harness.model.model import Format, TensorSpec
from tests.support.model_files import HDF5

X = TensorSpec(name="x", dtype="float32", shape=(None, 4))


def problem(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        inspect_hdf5(path)
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize(
    ("name", "keras"), [("whole.h5", "2.11.0"), ("userblock.h5", "2.11.0"), ("hostile.h5", None)]
)
def test_whole_models(name: str, keras: str | None) -> None:
    found = inspect_hdf5(HDF5 / name)
    assert found.writer.keras == keras
    assert found.signatures[0].inputs == (X,)
    assert found.notes == ()


def test_the_newest_layout_and_another_backend() -> None:
    found = inspect_hdf5(HDF5 / "whole_latest.h5")
    assert found.writer.keras == "3.8.0"
    assert found.signatures[0].inputs == (X,)
    assert found.notes == (
        "whole_latest.h5 was written with the Keras backend jax, not tensorflow",
    )


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("whole.h5", Format.HDF5),
        ("whole_latest.h5", Format.HDF5),
        ("hostile.h5", Format.HDF5),
        ("weights.h5", Format.HDF5_WEIGHTS),
        ("weights_keras3.h5", Format.HDF5_WEIGHTS),
        ("other.h5", None),
    ],
)
def test_what_a_file_is(name: str, format_: Format | None) -> None:
    assert hdf5_format(HDF5 / name) is format_


def test_a_damaged_file_counts_as_a_model(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes((HDF5 / "weights.h5").read_bytes()[:-100])
    assert hdf5_format(tmp_path / "m.h5") is Format.HDF5  # reading it says what is wrong


def test_who_wrote_weights() -> None:
    assert inspect_hdf5_weights(HDF5 / "weights.h5").writer.keras == "2.11.0"
    found = inspect_hdf5_weights(HDF5 / "weights_keras3.h5")
    assert (found.writer.keras, found.signatures, found.notes) == (None, (), ())


def test_what_an_embedding_looks_up() -> None:
    assert inspect_hdf5(HDF5 / "embedding.h5").ranges == {"ids": (0.0, 100.0)}
    assert inspect_hdf5(HDF5 / "whole.h5").ranges == {}


def test_a_model_without_a_config() -> None:
    assert problem(HDF5 / "weights.h5") == (
        ": the attribute `model_config` is not JSON\n  hint: copy or save the model again"
    )


@pytest.mark.parametrize("name", ["whole.h5", "whole_latest.h5", "userblock.h5"])
def test_a_file_that_is_cut_off(tmp_path: Path, name: str) -> None:
    data = (HDF5 / name).read_bytes()
    path = tmp_path / "m.h5"
    path.write_bytes(data[:-100])
    assert problem(path) == (
        f": is cut off: {len(data) - 100} of {len(data)} bytes are there\n"
        "  hint: copy or save the model again"
    )


def test_a_superblock_nobody_knows(tmp_path: Path) -> None:
    data = bytearray((HDF5 / "whole.h5").read_bytes())
    data[8] = 9
    (tmp_path / "m.h5").write_bytes(data)
    assert problem(tmp_path / "m.h5") == (
        ": is damaged: it has no HDF5 superblock that is known\n"
        "  hint: copy or save the model again"
    )


def test_a_damaged_header(tmp_path: Path) -> None:
    data = bytearray((HDF5 / "whole.h5").read_bytes())
    data[96] = 7  # the version of the root group's object header
    (tmp_path / "m.h5").write_bytes(data)
    assert problem(tmp_path / "m.h5").startswith(": is damaged: its attributes cannot be read (")


def test_a_layout_that_only_h5py_reads_is_let_pass(tmp_path: Path) -> None:
    data = bytearray((HDF5 / "whole.h5").read_bytes())
    data[13] = 4  # offsets of four bytes
    (tmp_path / "m.h5").write_bytes(data)
    found = inspect_hdf5(tmp_path / "m.h5")
    assert found.signatures == ()
    assert found.notes == (
        "m.h5 uses a part of HDF5 that cannot be read without h5py: not inspected",
    )


def test_a_config_that_is_no_json(tmp_path: Path) -> None:
    data = (HDF5 / "whole.h5").read_bytes()
    assert data.count(b'{"class_name": "Functional"') == 1
    (tmp_path / "m.h5").write_bytes(data.replace(b'{"class_name"', b'["class_name"'))
    assert problem(tmp_path / "m.h5") == (
        ": the attribute `model_config` is not JSON\n  hint: copy or save the model again"
    )


@pytest.mark.parametrize(
    "name", ["whole.h5", "whole_latest.h5", "hostile.h5", "weights.h5", "weights_keras3.h5"]
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=12)
)
def test_damaged_files_raise_nothing_else(
    tmp_path: Path, name: str, changes: list[tuple[int, int]]
) -> None:
    path = tmp_path / name
    shutil.copy(HDF5 / name, path)
    data = bytearray(path.read_bytes())
    for position, value in changes:
        data[position % len(data)] = value
    path.write_bytes(data)
    assert hdf5_format(path) in (Format.HDF5, Format.HDF5_WEIGHTS, None)
    for inspect in (inspect_hdf5, inspect_hdf5_weights):
        with suppress(ModelError):
            assert inspect(path).writer.tensorflow is None
