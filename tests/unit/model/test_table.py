from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.snappy import unpack
from harness.model.table import TableError, crc32c, read_table
from harness.model.wire import WireError
from tests.support.checkpoint_files import table

ENTRIES = [(f"layer/{number:03}/kernel".encode(), bytes([number]) * 9) for number in range(20)]


def read(data: bytes) -> list[tuple[bytes, bytes]]:
    return list(read_table(io.BytesIO(data), len(data)))


def as_literals(data: bytes) -> bytes:
    """Return `data` as Snappy that repeats nothing."""
    parts = [data[start : start + 60] for start in range(0, len(data), 60)]
    size = len(data)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return length + b"".join(bytes([len(part) - 1 << 2]) + part for part in parts)


@pytest.mark.parametrize("compress", [None, as_literals])
def test_keys_and_values_over_several_blocks(compress: Callable[[bytes], bytes] | None) -> None:
    assert read(table(ENTRIES, 3, compress)) == ENTRIES


def test_the_checksum_of_the_standard() -> None:
    # RFC 3720, B.4: 32 bytes of zeros, and of ones.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("length", [0, 10, 47, 200])
def test_a_table_that_is_cut_off(length: int) -> None:
    data = table(ENTRIES)
    with pytest.raises(TableError):
        read(data[:length])


def test_a_changed_byte_is_seen() -> None:
    data = bytearray(table(ENTRIES))
    data[20] ^= 1
    with pytest.raises(TableError, match="a block of it does not have its checksum"):
        read(bytes(data))


def test_keys_that_are_out_of_order() -> None:
    with pytest.raises(TableError, match="its keys are not in order at b'layer/003/kernel'"):
        read(table([*ENTRIES, ENTRIES[3]]))


def test_a_block_that_is_read_again_and_again() -> None:
    # Handles that all lead to one block would make a small file a long one.
    with pytest.raises(TableError, match="its blocks are not in a row"):
        read(table(ENTRIES, 20, listed=2))


@given(data=st.binary(max_size=300))
def test_any_bytes_are_an_error(data: bytes) -> None:
    with pytest.raises(TableError):
        read(data + bytes.fromhex("57fb808b247547db") if len(data) % 2 else data)


@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_table_with_one_byte_changed(place: int, value: int) -> None:
    data = bytearray(table(ENTRIES))
    data[place % len(data)] = value
    try:
        found = read(bytes(data))
    except TableError:
        return
    assert found == ENTRIES  # a byte that nothing depends on


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        (b"\x00", b""),
        (b"\x03\x08abc", b"abc"),
        (b"\x0a\x00a\x15\x01", b"a" * 10),  # 4 + 5 bytes from one back
        (b"\x08\x0cabcd\x0e\x04\x00", b"abcdabcd"),
        (b"\x08\x0cabcd\x0f\x04\x00\x00\x00", b"abcdabcd"),
        (b"\x03\xf0\x02abc", b"abc"),  # a length in a byte of its own
    ],
)
def test_snappy(packed: bytes, plain: bytes) -> None:
    assert unpack(packed, 100) == plain


@pytest.mark.parametrize(
    "packed",
    [
        b"\x03\x08ab",  # cut off
        b"\x02\x08abc",  # more than it says
        b"\x04\x08abc",  # less
        b"\x04\x00a\x0d\x02",  # from before the beginning
        b"\x04\x00a\x0d\x00",
        b"\xff\xff\xff\xff\x0f\x00a",  # far more than is allowed
        b"\x80",
        b"\x0a\x00a\xfe",
    ],
)
def test_snappy_that_is_none(packed: bytes) -> None:
    with pytest.raises(WireError):
        unpack(packed, 100)


@given(data=st.binary(max_size=60))
def test_snappy_of_any_bytes(data: bytes) -> None:
    with suppress(WireError):
        assert len(unpack(data, 1000)) <= 1000
