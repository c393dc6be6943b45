from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from harness.errors import ModelError
from harness.model.keras_zip import inspect_keras
from harness.model.model import TensorSpec
from tests.support.model_files import write_keras, write_zip


def problem(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        inspect_keras(path)
    return str(caught.value).removeprefix(str(path))


def test_who_wrote_it_and_what_it_takes(tmp_path: Path) -> None:
    found = inspect_keras(write_keras(tmp_path / "m.keras"))
    assert found.writer.keras == "3.8.0"
    assert found.writer.tensorflow is None
    assert found.signatures[0].inputs == (TensorSpec(name="x", dtype="float32", shape=(None, 4)),)


def members(**changed: bytes) -> dict[str, bytes]:
    return {
        "metadata.json": changed.pop("metadata", b"{}"),
        "config.json": changed.pop("config", b"{}"),
    }


def test_a_version_that_is_none(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m", members(metadata=b'{"keras_version": 3}'))
    assert inspect_keras(path).writer.keras is None


@pytest.mark.parametrize("which", ["config", "metadata"])
def test_json_that_is_none(tmp_path: Path, which: str) -> None:
    path = write_zip(tmp_path / "m", members(**{which: b"nothing"}))
    assert problem(path) == ": config.json or metadata.json is not JSON"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\\x"])
def test_members_that_leave_the_archive(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "m", {**members(), name: b""})
    assert problem(path) == f": has a member that leaves it, {name!r}"


def test_a_member_that_unpacks_to_absurd_sizes(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m", {**members(), "model.weights.h5": b"w"}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    assert problem(path) == ": has a member that unpacks to 2147483648 bytes"


def test_a_damaged_member(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m")
    data = bytearray(path.read_bytes())
    data[data.index(b'"class_name"')] ^= 1
    path.write_bytes(data)
    assert problem(path) == ": is damaged: config.json cannot be read"
