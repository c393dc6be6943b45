from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.observation import TensorFacts
from harness.tensor import NumericTensor, StringTensor, decode_outputs, from_arrays


def fact(name: str, dtype: str, shape: list[int | None] | None) -> TensorFacts:
    return TensorFacts(name=name, dtype=dtype, shape=shape)


def strings(data: bytes, offsets: list[int]) -> dict[str, NDArray[Any]]:
    return {
        "output_0.data": np.frombuffer(data, np.uint8),
        "output_0.offsets": np.array(offsets, np.int64),
    }


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float64", "complex64"])
def test_types_numpy_has(dtype: str) -> None:
    array = np.ones((2, 3), dtype)
    found = decode_outputs([fact("y", dtype, [2, 3])], {"output_0": array})["y"]
    assert isinstance(found, NumericTensor)
    assert (found.dtype, found.shape) == (dtype, (2, 3))
    assert found.array is array


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("bfloat16", np.uint16), ("float8_e4m3fn", np.uint8), ("int4", np.uint8)],
)
def test_types_numpy_lacks_are_bits(dtype: str, stored: type[np.generic]) -> None:
    found = decode_outputs([fact("y", dtype, [2])], {"output_0": np.ones(2, stored)})["y"]
    assert (found.dtype, found.shape) == (dtype, (2,))


def test_strings() -> None:
    found = decode_outputs([fact("y", "string", [3, 1])], strings(b"ab\x00\xff", [0, 2, 2, 4]))
    assert found == {"y": StringTensor((3, 1), (b"ab", b"", b"\x00\xff"))}
    assert found["y"].dtype == "string"


def test_no_strings_and_a_scalar_string() -> None:
    assert decode_outputs([fact("y", "string", [0])], strings(b"", [0])) == {
        "y": StringTensor((0,), ())
    }
    assert decode_outputs([fact("y", "string", [])], strings(b"a", [0, 1])) == {
        "y": StringTensor((), (b"a",))
    }


def test_the_order_of_the_report_names_the_arrays() -> None:
    facts = [fact("z", "int32", []), fact("a", "int32", [])]
    arrays = {"output_1": np.array(2, np.int32), "output_0": np.array(1, np.int32)}
    found = decode_outputs(facts, arrays)
    assert list(found) == ["z", "a"]
    assert [int(one.array) for one in found.values() if isinstance(one, NumericTensor)] == [1, 2]


FLOAT = fact("y", "float32", [2])
ONES = np.ones(2, np.float32)


@pytest.mark.parametrize(
    ("facts", "arrays", "message"),
    [
        ([FLOAT], {}, "the outputs lack the array 'output_0'"),
        (
            [FLOAT],
            {"output_0": ONES, "more": ONES},
            "the outputs hold the array 'more', which no output describes",
        ),
        (
            [FLOAT],
            {"output_0": np.ones(2)},
            "output 'y' is stored as float64; float32 must be stored as float32",
        ),
        (
            [FLOAT],
            {"output_0": ONES.astype(">f4")},
            "output 'y' is stored as >f4; float32 must be stored as float32",
        ),
        (
            [FLOAT],
            {"output_0": np.ones((2, 1), np.float32)},
            "output 'y' has the shape (2, 1), the report says (2,)",
        ),
        (
            [FLOAT],
            {"output_0": np.array([None, None])},
            "output 'y' is stored as object; float32 must be stored as float32",
        ),
        (
            [FLOAT, FLOAT],
            {"output_0": ONES, "output_1": ONES},
            "output 'y' is described twice",
        ),
        (
            [fact("y", "float32", None)],
            {"output_0": ONES},
            "output 'y' has no definite shape in the report",
        ),
        (
            [fact("y", "float32", [None])],
            {"output_0": ONES},
            "output 'y' has no definite shape in the report",
        ),
        (
            [fact("y", "float32", [-2])],
            {"output_0": ONES},
            "output 'y' has no definite shape in the report",
        ),
        (
            [fact("y", "variant\x1b[2J", [2])],
            {"output_0": ONES},
            "output 'y' has the type 'variant', which is unknown",
        ),
        (
            [fact("y", "string", [2])],
            strings(b"ab", [0, 1]),
            "the offsets of output 'y' are not 3 int64 as its shape (2,) asks for",
        ),
        (
            [fact("y", "string", [2**40, 2**40])],
            strings(b"", [0]),
            f"the offsets of output 'y' are not {2**80 + 1} int64 as its shape "
            f"({2**40}, {2**40}) asks for",
        ),
        (
            [fact("y", "string", [2])],
            strings(b"ab", [0, 3, 2]),
            "the offsets of output 'y' do not rise from 0 to 2",
        ),
        (
            [fact("y", "string", [2])],
            strings(b"ab", [-1, 1, 2]),
            "the offsets of output 'y' do not rise from 0 to 2",
        ),
        (
            [fact("y", "string", [2])],
            strings(b"ab", [0, 1, 1]),
            "the offsets of output 'y' do not rise from 0 to 2",
        ),
        (
            [fact("y", "string", [0])],
            {"output_0.data": np.zeros(0), "output_0.offsets": np.zeros(1, np.int64)},
            "the bytes of output 'y' are not a row of uint8",
        ),
    ],
)
def test_arrays_that_are_not_what_the_report_says(
    facts: list[TensorFacts], arrays: dict[str, NDArray[Any]], message: str
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        decode_outputs(facts, arrays)
    assert str(caught.value) == message


def test_from_arrays() -> None:
    found = from_arrays(
        {
            "x": np.array([1.5], ">f4"),
            "s": np.array([[b"a", b"bc"]]),
            "u": np.array(["größe"]),
        }
    )
    assert isinstance(found["x"], NumericTensor)
    assert found["x"].array.dtype == np.float32
    assert found["x"].array.dtype.isnative
    assert found["x"].array.tolist() == [1.5]
    assert found["s"] == StringTensor((1, 2), (b"a", b"bc"))
    assert found["u"] == StringTensor((1,), ("größe".encode(),))


@pytest.mark.parametrize(
    "array", [np.array([None]), np.zeros(1, "datetime64[s]"), np.zeros(1, "V2"), np.zeros(1, "g")]
)
def test_arrays_that_no_output_can_be(array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"array 'x' has the type .* which cannot be compared"):
        from_arrays({"x": array})
