from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ModelError
from harness.model import hdf5_tree
from harness.model.hdf5_tree import Hdf5Array, list_arrays
from harness.model.keras_details import hdf5_details, keras_zip_details
from harness.untrusted import UntrustedFileError
from tests.support.model_files import HDF5, functional, write_zip

KERNEL = Hdf5Array("model_weights/kernel", (4, 2), 4)


def arrays(data: bytes, start: int = 0, base: int = 0) -> tuple[Hdf5Array, ...]:
    return list_arrays(io.BytesIO(data), start, len(data) - start, base)


@pytest.mark.parametrize("name", ["whole.h5", "whole_latest.h5", "weights.h5"])
def test_names_shapes_and_sizes(name: str) -> None:
    assert arrays((HDF5 / name).read_bytes()) == (KERNEL,)
    assert KERNEL.elements == 8


def test_links_by_name_are_not_followed() -> None:
    found = arrays((HDF5 / "weights_keras3.h5").read_bytes())
    assert found == (Hdf5Array("layers/dense/vars/0", (4, 2), 4),)


def test_a_file_within_a_file() -> None:
    data = (HDF5 / "whole.h5").read_bytes()
    found = list_arrays(io.BytesIO(b"before" + data + b"after"), 6, len(data))
    assert found == (KERNEL,)


def test_a_superblock_that_is_elsewhere() -> None:
    with pytest.raises(NotImplementedError):
        arrays((HDF5 / "whole.h5").read_bytes(), base=512)


@pytest.mark.parametrize("size", [10, 100, 600])
def test_a_file_that_is_cut_off(size: int) -> None:
    with pytest.raises(UntrustedFileError, match="is damaged"):
        arrays((HDF5 / "whole.h5").read_bytes()[:size])


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("_MAX_OBJECTS", "holds more groups than any model"),
        ("_MAX_DEPTH", "holds more groups than any model"),
        ("_HEADER_READS", "reading its groups does not end"),
        ("_OBJECT_READS", "reading its groups does not end"),
        ("_ALL_READS", "reading its groups does not end"),
        ("_ALL_BYTES", "reading its groups does not end"),
    ],
)
def test_every_limit_holds(monkeypatch: pytest.MonkeyPatch, limit: str, message: str) -> None:
    monkeypatch.setattr(hdf5_tree, limit, 1)
    with pytest.raises(UntrustedFileError, match=message):
        arrays((HDF5 / "weights_keras3.h5").read_bytes())


def test_a_group_that_holds_itself() -> None:
    data = bytearray((HDF5 / "weights_keras3.h5").read_bytes())
    # The address of the innermost group, wherever a link leads to it, becomes the root's.
    root = struct.unpack_from("<Q", data, 64)[0]
    assert arrays(bytes(data))
    for place in range(0, len(data) - 8, 8):
        if struct.unpack_from("<Q", data, place)[0] == _address(data, b"vars"):
            struct.pack_into("<Q", data, place, root)
    assert arrays(bytes(data)) == ()


def _address(data: bytearray, name: bytes) -> int:
    """Return where the group `name` is: the entry after its name's offset in the local heap."""
    heap = data.rindex(b"HEAP", 0, data.index(name + b"\0"))
    content = struct.unpack_from("<Q", data, heap + 24)[0]
    offset = data.index(name + b"\0") - content
    table = data.index(b"SNOD", heap)
    while struct.unpack_from("<Q", data, table + 8)[0] != offset:
        table = data.index(b"SNOD", table + 1)
    return int(struct.unpack_from("<Q", data, table + 16)[0])


def test_what_there_is_to_show_of_a_whole_model() -> None:
    found = hdf5_details(HDF5 / "whole.h5")
    assert [(fact.key, fact.value) for fact in found.written] == [
        ("Keras", "2.11.0"),
        ("backend", "tensorflow"),
    ]
    assert found.model_class == "Functional"
    assert [(layer.name, layer.count) for layer in found.layers] == [
        ("InputLayer", 1),
        ("Dense", 1),
    ]
    assert found.variables is not None
    assert (found.variables.count, found.variables.parameters, found.variables.bytes) == (1, 8, 32)
    assert found.training is None
    assert found.notes == ()


def test_what_there_is_to_show_after_a_users_block() -> None:
    found = hdf5_details(HDF5 / "userblock.h5")
    assert found.model_class == "Functional"
    assert found.variables is not None
    assert found.variables.parameters == 8


def test_what_there_is_to_show_of_weights() -> None:
    found = hdf5_details(HDF5 / "weights_keras3.h5")
    assert found.model_class is None
    assert found.written == ()
    assert found.variables is not None
    assert found.variables.count == 1


@pytest.mark.parametrize("compression", [0, 8])
def test_the_weights_of_an_archive(tmp_path: Path, compression: int) -> None:
    members = {
        "metadata.json": b'{"keras_version": "3.8.0", "date_saved": "2025-01-30@16:49:02"}',
        "config.json": json.dumps(
            functional("x")
            | {"compile_config": {"optimizer": {"class_name": "Adam"}, "loss": "mse"}}
        ).encode(),
        "model.weights.h5": (HDF5 / "weights_keras3.h5").read_bytes(),
    }
    found = keras_zip_details(write_zip(tmp_path / "m.keras", members, compression))
    assert [fact.value for fact in found.written] == ["3.8.0", "2025-01-30@16:49:02"]
    assert found.variables is not None
    assert found.variables.parameters == 8
    assert found.training is not None
    assert (found.training.optimizer, found.training.loss) == ("Adam", ("mse",))
    assert found.training.variables == 0


def test_an_archive_without_weights_and_one_with_damaged_ones(tmp_path: Path) -> None:
    members = {"metadata.json": b"{}", "config.json": b"{}"}
    found = keras_zip_details(write_zip(tmp_path / "m.keras", members))
    assert found.variables is None
    assert found.notes == ("it holds no model.weights.h5",)
    path = write_zip(tmp_path / "d.keras", {**members, "model.weights.h5": b"weights"})
    with pytest.raises(ModelError, match=r"has a model\.weights\.h5 that is damaged"):
        keras_zip_details(path)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damage_is_an_error_or_nothing(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["whole.h5", "whole_latest.h5", "weights_keras3.h5"]))
    content = bytearray((HDF5 / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(content) - 8))
        number = data.draw(
            st.one_of(st.integers(0, 2**64 - 1), st.integers(0, len(content)), st.just(0))
        )
        struct.pack_into("<Q", content, place, number)
    try:
        arrays(bytes(content))
    except (UntrustedFileError, NotImplementedError):
        return
