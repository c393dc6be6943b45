"""Mapped arrays: the same numbers as read ones, checked before they are believed, and let go."""

from __future__ import annotations

import io
import mmap
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import npz
from harness.judge.compare import compare
from harness.mapped import release
from harness.npz import NpzError, NpzReader, open_npz
from harness.tensor import NumericTensor
from tests.support.model_files import npy, npy_header, write_zip

LIMIT = 2**26
LARGE = np.arange(2**18, dtype=np.float32).reshape(512, 512)
"""Just large enough to be mapped."""


def is_mapped(array: np.ndarray) -> bool:
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(getattr(base, "obj", None), mmap.mmap)


def mapped(path: Path, name: str = "a") -> np.ndarray:
    with open_npz(path, max_bytes=LIMIT, what="outputs.npz") as reader:
        return reader.mapped(name)


def check(path: Path, name: str = "a") -> None:
    with open_npz(path, max_bytes=LIMIT, what="outputs.npz") as reader:
        reader.check(name)


def test_a_large_array_is_mapped_and_outlives_its_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", first=np.zeros(3), a=LARGE)
    array = mapped(tmp_path / "x.npz")
    (tmp_path / "x.npz").unlink()
    assert is_mapped(array)
    assert not array.flags.writeable
    assert (array.dtype, array.shape) == (LARGE.dtype, LARGE.shape)
    np.testing.assert_array_equal(array, LARGE)


def test_a_zip_behind_other_bytes_is_mapped_where_it_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=LARGE)
    (tmp_path / "y.npz").write_bytes(b"before it" + (tmp_path / "x.npz").read_bytes())
    array = mapped(tmp_path / "y.npz")
    assert is_mapped(array)
    np.testing.assert_array_equal(array, LARGE)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(8),
        np.asfortranarray(LARGE),
        LARGE.astype(">f4"),
        np.full(2**19, b"ab"),
        np.full(2**18, "a"),
    ],
    ids=["small", "fortran", "big-endian", "bytes", "text"],
)
def test_what_is_not_mapped_is_read(tmp_path: Path, array: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", a=array)
    found = mapped(tmp_path / "x.npz")
    assert not is_mapped(found)
    np.testing.assert_array_equal(found, array)


def test_compressed_arrays_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=LARGE)
    assert not is_mapped(mapped(tmp_path / "x.npz"))


def test_where_the_system_cannot_map_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    np.savez(tmp_path / "x.npz", a=LARGE)
    monkeypatch.setattr("harness.mapped.mmap.mmap", refuse)
    np.testing.assert_array_equal(mapped(tmp_path / "x.npz"), LARGE)


def test_what_is_let_go_is_there_again(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=LARGE)
    array = mapped(tmp_path / "x.npz")
    release(array[100:200].reshape(-1))
    release(array)
    release(array[:0])
    release(np.zeros(3)[1:])
    np.testing.assert_array_equal(array, LARGE)


def forged(path: Path, position: int, value: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[position : position + len(value)] = value
    path.write_bytes(data)
    return path


def test_headers_are_checked_before_anything_is_mapped(tmp_path: Path) -> None:
    said = "{'descr': '<f4', 'fortran_order': False, 'shape': (999999999,)}"
    path = write_zip(tmp_path / "x.npz", {"a.npy": npy_header(said, LARGE.tobytes())})
    with pytest.raises(NpzError, match="says it has 3999999996 bytes but has 1048576"):
        mapped(path)


def test_a_member_that_is_said_to_be_longer_than_the_file(tmp_path: Path) -> None:
    """Beyond the end of a mapped file there is a signal instead of an error."""
    said = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d,)}"
    size = 2**22
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy_header(said % size, bytes(2**21)))
    data = path.read_bytes()
    entry = data.index(b"PK\x01\x02")
    whole = len(npy_header(said % size, b"")) + 4 * size
    forged(path, entry + 20, 2 * whole.to_bytes(4, "little"))
    with pytest.raises(NpzError, match="is damaged"):
        mapped(path)
    with pytest.raises(NpzError, match=r"is damaged|ends early"):
        check(path)


def test_a_stored_member_of_two_sizes_is_not_mapped(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=LARGE)
    data = (tmp_path / "x.npz").read_bytes()
    entry = data.index(b"PK\x01\x02")
    path = forged(tmp_path / "x.npz", entry + 20, (100).to_bytes(4, "little"))
    with pytest.raises(NpzError):
        mapped(path)


def test_the_checksum_is_checked_when_a_file_is_taken_in(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=LARGE)
    path = forged(tmp_path / "x.npz", 500_000, b"\xff\xff\xff\xff")
    assert mapped(path).shape == LARGE.shape
    for look in (check, read):
        with pytest.raises(NpzError, match=r"is damaged \(Bad CRC-32"):
            look(path)


def read(path: Path) -> np.ndarray:
    with open_npz(path, max_bytes=LIMIT, what="outputs.npz") as reader:
        return reader.read("a")


def test_check_refuses_what_read_refuses(tmp_path: Path) -> None:
    check(write_zip(tmp_path / "x.npz", {"a.npy": npy(LARGE)}))
    for bad in (npy(LARGE) + b"x", npy(LARGE)[:-1], b"", npy(np.array([None]))):
        path = write_zip(tmp_path / "y.npz", {"a.npy": bad})
        with pytest.raises(NpzError):
            check(path)
        with pytest.raises(NpzError):
            mapped(path)


SMALL = np.arange(12, dtype=np.float64)


@pytest.fixture
def everything_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "_MAPPED_FROM", 1)


def three() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=SMALL, b=SMALL.astype(np.float32), c=np.int64(3))
    return stream.getvalue()


THREE = three()


@pytest.mark.usefixtures("everything_is_mapped")
@pytest.mark.parametrize("end", range(0, len(THREE), 7))
def test_a_file_that_ends_anywhere_is_refused_whole(tmp_path: Path, end: int) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(THREE[:end])
    with pytest.raises(NpzError):
        mapped(path)


def looked_at(reader: NpzReader) -> None:
    for name in reader.names:
        array = reader.mapped(name)
        assert array.nbytes <= len(THREE)
        float(np.nansum(array.astype(np.float64)))  # touches every page


@pytest.mark.usefixtures("everything_is_mapped")
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(THREE) - 1), st.integers(0, 255)), min_size=1, max_size=4
    )
)
def test_damaged_files_raise_nothing_else_and_never_a_signal(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(THREE)
    for position, value in changes:
        data[position] = value
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    try:
        with open_npz(path, max_bytes=LIMIT, what="x") as reader, np.errstate(all="ignore"):
            looked_at(reader)
    except NpzError:
        return


def resident(path: Path) -> int:
    """Bytes of a mapped file that are in this process's memory."""
    entries = Path("/proc/self/smaps").read_text().split(str(path))[1:]
    return sum(1024 * int(entry.split("Rss:")[1].split()[0]) for entry in entries)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_judging_lets_go_of_what_it_looked_at(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tensors = []
    for name in ("one.npz", "other.npz"):
        np.savez(tmp_path / name, a=rng.standard_normal((2**15, 2**7), dtype=np.float32))
        tensors.append(NumericTensor("float32", mapped(tmp_path / name)))
    one, other = tensors
    assert np.abs(one.array - other.array).max() > 0
    assert resident(tmp_path / "one.npz") > 2**23  # half of it at least; so this can be seen
    found = compare({"y": one}, {"y": other}, {}).outputs["y"]
    assert (found.decisions, found.status) == (2**15, "diverged")
    for name in ("one.npz", "other.npz"):
        assert resident(tmp_path / name) < 2**20
