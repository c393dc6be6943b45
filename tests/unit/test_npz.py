from __future__ import annotations

import io
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.npz import NpzError, open_npz, read_npz
from tests.support.model_files import npy, npy_header, write_zip

LIMIT = 1024**2


def read(path: Path, max_bytes: int = LIMIT) -> dict[str, np.ndarray]:
    return read_npz(path, max_bytes=max_bytes, what="outputs.npz")


def message(path: Path, max_bytes: int = LIMIT) -> str:
    with pytest.raises(NpzError) as caught:
        read(path, max_bytes)
    return str(caught.value)


PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    array=hnp.arrays(
        dtype=st.sampled_from(
            ["<f2", "<f4", ">f8", "|i1", ">i4", "<u8", "|b1", "<c8", "|S5", "<U3", ">U2"]
        ),
        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    fortran=st.booleans(),
    compressed=st.booleans(),
)
def test_what_numpy_writes_is_read_back(
    tmp_path: Path, array: np.ndarray, fortran: bool, compressed: bool
) -> None:
    stored = np.asfortranarray(array) if fortran and array.ndim else array
    path = tmp_path / "x.npz"
    (np.savez_compressed if compressed else np.savez)(path, a=stored, b=np.int64(3))
    found = read(path)
    assert list(found) == ["a", "b"]
    assert found["a"].dtype == array.dtype.newbyteorder("=")
    assert found["a"].dtype.isnative
    np.testing.assert_array_equal(found["a"], array)


def test_arrays_can_be_read_one_at_a_time(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros((2, 3), np.float32), b=np.arange(4))
    with open_npz(tmp_path / "x.npz", max_bytes=LIMIT, what="x.npz") as reader:
        assert reader.names == ("a", "b")
        assert reader.header("a").shape == (2, 3)
        assert reader.header("a").dtype == np.float32
        assert reader.read("b").tolist() == [0, 1, 2, 3]


def test_version_2_headers_are_read(tmp_path: Path) -> None:
    data = np.ones(2, np.float32).tobytes()
    path = write_zip(tmp_path / "x.npz", {"a.npy": npy_header(PLAIN, data, version=2)})
    assert read(path)["a"].tolist() == [1, 1]


def test_a_missing_file(tmp_path: Path) -> None:
    assert message(tmp_path / "no.npz") == "outputs.npz does not exist"


def test_not_a_zip(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"hello")
    assert message(tmp_path / "x.npz") == (
        "outputs.npz is not a whole zip archive (File is not a zip file)"
    )


def test_a_single_array_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    assert message(tmp_path / "x.npy") == (
        "outputs.npz is one .npy array; save it with numpy.savez, by name"
    )


def test_a_truncated_zip(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(100))
    data = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(data[:-30])
    assert message(tmp_path / "x.npz").startswith("outputs.npz is not a whole zip archive")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", a=np.zeros(1))
    (tmp_path / "x.npz").symlink_to(tmp_path / "real.npz")
    assert message(tmp_path / "x.npz") == "outputs.npz is a symbolic link, not a file"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npz")
    assert message(tmp_path / "x.npz") == "outputs.npz is not a regular file"


def test_a_folder(tmp_path: Path) -> None:
    assert message(tmp_path) == "outputs.npz is not a regular file"


def test_pickles_are_never_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("a pickle was loaded",))

    array = np.empty(1, object)
    array[0] = Trap()
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    path = write_zip(tmp_path / "x.npz", {"a.npy": stream.getvalue()})
    assert message(path) == (
        "outputs.npz: array 'a' holds Python objects, stored as a pickle; pickles can run code "
        "and are never read"
    )


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "holds Python objects"),
        ("{'descr': 'f4,O', 'fortran_order': False, 'shape': (1,)}", "plain numbers and text"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "plain numbers"),
        ("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}", "plain numbers"),
        ("{'descr': '|S0', 'fortran_order': False, 'shape': (9,)}", "plain numbers"),
        ("{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}", "does not exist"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "impossible shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}", "impossible shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", "impossible shape"),
        ("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}", "impossible shape or order"),
        (f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(1,) * 33}}}", "impossible shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99,)}", "says it has 396 bytes"),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
            "says it has 73786976294838206464 bytes but has 8",
        ),
        ("{'descr': '<f4', 'shape': (1,)}", "unreadable header"),
        ("[1]", "unreadable header"),
        ("(" * 3000, "unreadable header"),
        ("__import__('os').system('true')", "unreadable header"),
        ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "unreadable header"),
    ],
)
def test_forged_headers(tmp_path: Path, header: str, said: str) -> None:
    path = write_zip(tmp_path / "x.npz", {"a.npy": npy_header(header, bytes(8))})
    assert said in message(path)


def test_a_header_longer_than_any_array_needs(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "x.npz", {"a.npy": npy_header(PLAIN + " " * 100_000, bytes(8), version=2)}
    )
    assert message(path) == (
        "outputs.npz: array 'a' has a header that is cut off or longer than any array needs"
    )


@pytest.mark.parametrize("member", [b"", b"\x93NUMPY", b"not an array at all", b"\x93NUMPY\x03"])
def test_members_that_are_no_arrays(tmp_path: Path, member: bytes) -> None:
    path = write_zip(tmp_path / "x.npz", {"a.npy": member})
    assert message(path) == "outputs.npz: array 'a' does not begin like a .npy array"


def test_version_3_is_not_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.npz", {"a.npy": npy_header(PLAIN, bytes(8), version=3)})
    assert message(path) == "outputs.npz: array 'a' is a .npy of version 3; 1 and 2 are read"


def test_bytes_beyond_the_array(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.npz", {"a.npy": npy(np.zeros(2)) + b"more"})
    assert message(path) == "outputs.npz: array 'a' says it has 16 bytes but has 20"


@pytest.mark.parametrize("name", ["a.txt", ".npy", "a.npy/", "a"])
def test_names_that_are_not_arrays(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "x.npz", {name: b""})
    assert message(path) == f"outputs.npz holds {name!r}, which is not NAME.npy"


def test_two_arrays_of_one_name(tmp_path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("a.npy", npy(np.zeros(1)))
        archive.writestr("a.npy", npy(np.ones(1)))
    assert message(tmp_path / "x.npz") == "outputs.npz has two members named 'a.npy'"


def test_a_name_that_would_forge_a_terminal(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.npz", {"\x1b[2Ja.npy": npy(np.zeros(1))})
    assert message(path) == "outputs.npz has a member with an unusable name"


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.npz", {"a.npy": npy(np.zeros(1))})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert message(path) == "outputs.npz has an encrypted member, 'a.npy'"


def test_unusual_compression(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.npz", {"a.npy": npy(np.zeros(9))}, zipfile.ZIP_LZMA)
    assert message(path) == "outputs.npz has a member compressed in an unusual way, 'a.npy'"


def test_more_bytes_than_agreed(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(100_000), b=np.zeros(100_000))
    assert message(tmp_path / "x.npz", 1_000_000) == (
        "outputs.npz holds 1600256 bytes of arrays; at most 1000000 are read"
    )


def test_a_member_that_unpacks_to_more_than_it_declares(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.npz", {"a.npy": npy(np.zeros(10_000))}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (128 + 9_000).to_bytes(4, "little")
    path.write_bytes(data)
    assert message(path) == "outputs.npz: array 'a' says it has 80000 bytes but has 9000"


def test_a_wrong_checksum(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(100))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[300] ^= 0xFF
    (tmp_path / "x.npz").write_bytes(data)
    assert message(tmp_path / "x.npz") == (
        "outputs.npz: array 'a' is damaged (Bad CRC-32 for file 'a.npy')"
    )


def test_characters_that_do_not_exist(tmp_path: Path) -> None:
    header = "{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }"
    path = write_zip(tmp_path / "x.npz", {"a.npy": npy_header(header, b"\xff\xff\xff\x7f")})
    assert message(path) == "outputs.npz: array 'a' holds characters that do not exist"


def test_too_many_arrays(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.npz", {f"{number}.npy": b"" for number in range(10_001)})
    assert message(path) == "outputs.npz holds 10001 arrays; at most 10000 are read"


def test_a_central_directory_bomb_is_not_loaded(tmp_path: Path) -> None:
    # One small member and 9 MB that say they are the list of members.
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff\xff\xff" + (9 * 1024**2).to_bytes(4, "little")
    (tmp_path / "x.npz").write_bytes(b"PK\x01\x02" * (9 * 1024**2 // 4) + end + bytes(6))
    assert message(tmp_path / "x.npz") == (
        "outputs.npz has a part of 9437184 bytes where few are expected"
    )


def test_an_empty_archive_has_no_arrays(tmp_path: Path) -> None:
    assert read(write_zip(tmp_path / "x.npz", {})) == {}


def small() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.arange(6, dtype=np.float32), s=np.array([b"x", b"yz"]))
    return stream.getvalue()


SMALL = small()


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4
    ),
    end=st.integers(0, len(SMALL)),
    cut=st.booleans(),
)
def test_damaged_files_raise_nothing_else(
    tmp_path: Path, changes: list[tuple[int, int]], end: int, cut: bool
) -> None:
    data = bytearray(SMALL)
    for position, value in changes:
        data[position] = value
    path = tmp_path / "x.npz"
    path.write_bytes(data[:end] if cut else data)
    try:
        found = read(path)
    except NpzError:
        return
    assert sum(array.nbytes for array in found.values()) <= LIMIT
