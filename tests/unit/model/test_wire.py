from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.protos import MetaGraphDef
from harness.model.wire import Budget, Part, WireError, load, slim, varint, walk, whole


def fields(data: bytes) -> list[tuple[int, bytes | None]]:
    stream = io.BytesIO(data)
    return [
        (field.number, load(stream, field.content, 1000) if field.content else None)
        for field in walk(stream, whole(stream))
    ]


def test_the_fields_of_a_message() -> None:
    data = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x19" + bytes(8) + b"\x25" + bytes(4) + b"\x12\x00"
    assert fields(data) == [(1, None), (2, b"abc"), (3, None), (4, None), (2, b"")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x12\x04abc", "a field of it is longer than what it is in"),
        (b"\x08\x80\x80", "a number in it is cut off"),
        (b"\x08" + b"\x80" * 20, "a number in it is cut off"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "a field of it is longer than what it is in"),
        (b"\x00\x00", "it has a field of the impossible number 0"),
        (b"\x0b\x0c", "it has a field of a kind that no message of today has"),
        (b"\x19\x00", "a field of it is longer than what it is in"),
    ],
)
def test_what_is_no_message(data: bytes, said: str) -> None:
    with pytest.raises(WireError) as caught:
        fields(data)
    assert str(caught.value) == said


def test_varints() -> None:
    assert varint(b"\x00", 0) == (0, 1)
    assert varint(b"x\xac\x02y", 1) == (300, 3)
    assert varint(b"\xff" * 9 + b"\x01", 0) == (2**64 - 1, 10)


def test_a_message_without_its_large_fields() -> None:
    message = MetaGraphDef()
    message.graph_def.node.add(name=b"x" * 1000)
    message.meta_info_def.tensorflow_version = b"1.15"
    data = message.SerializeToString()
    stream = io.BytesIO(data)
    slimmed = slim(
        stream, whole(stream), wanted=lambda field: field.number == 1, whole_up_to=0, limit=100
    )
    found = MetaGraphDef.FromString(slimmed)
    assert found.meta_info_def.tensorflow_version == b"1.15"
    assert not found.HasField("graph_def")
    everything = slim(stream, whole(stream), wanted=lambda _: False, whole_up_to=9999, limit=0)
    assert everything == data
    with pytest.raises(WireError):
        slim(stream, whole(stream), wanted=lambda _: True, whole_up_to=0, limit=100)


def test_a_file_that_has_become_shorter() -> None:
    with pytest.raises(WireError, match="it is cut off"):
        load(io.BytesIO(b"abc"), Part(0, 4), 10)


def test_a_file_of_nothing_but_fields_ends() -> None:
    stream = io.BytesIO(b"\n\x00" * 50)
    budget = Budget(80)
    assert len(list(walk(stream, whole(stream), budget))) == 50
    with pytest.raises(WireError, match="it has more fields than any model"):
        list(walk(stream, whole(stream), budget))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_fields_or_an_error(data: bytes) -> None:
    try:
        found = fields(data)
    except WireError:
        return
    assert all(number > 0 for number, _ in found)
