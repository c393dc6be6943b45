"""Errors against float64 numbers: by definition, block by block, at the ends of the range."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.errors import errors, is_measured, samples, scale_of, ulp_of
from harness.tensor import NumericTensor, StringTensor

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
PAIRS = st.lists(st.tuples(FINITE, st.floats(-1e30, 1e30)), min_size=1, max_size=30)


def single(values: object) -> NumericTensor:
    return NumericTensor("float32", np.asarray(values, np.float32))


def double(values: object) -> NumericTensor:
    return NumericTensor("float64", np.asarray(values, np.float64))


@given(PAIRS, st.integers(1, 7))
def test_they_are_what_fractions_say(pairs: list[tuple[float, float]], block: int) -> None:
    apart = [abs(Fraction(a) - Fraction(b)) for a, b in pairs]
    found = errors(single([a for a, _ in pairs]), double([b for _, b in pairs]), block=block)
    largest = max(apart)
    shares = sum((one / largest) ** 2 for one in apart) / len(apart) if largest else Fraction(0)
    assert found.max_abs == pytest.approx(float(largest), rel=1e-15)
    assert found.rms == pytest.approx(float(largest) * math.sqrt(shares), rel=1e-12)
    assert (found.elements, found.nonfinite) == (len(pairs), 0)


def test_a_third_as_a_float32_is_a_third_of_a_ulp_away() -> None:
    # The float32 nearest to 1/3 is 11184811 / 2**25, which is 1 / (3 * 2**25) more than it.
    found = errors(single([1 / 3]), double([1 / 3]))
    ulp = ulp_of(1 / 3)
    assert ulp == 2.0**-25
    assert found.max_abs / ulp == pytest.approx(1 / 3, rel=1e-8)
    assert found.rms == found.max_abs


@given(st.floats(width=32, min_value=2.0**-149, max_value=2.0**127))
def test_a_ulp_is_the_step_to_the_next_float32(value: float) -> None:
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    (after,) = struct.unpack("<f", struct.pack("<I", bits + 1))
    assert ulp_of(value) == after - value


def test_a_ulp_beyond_the_range_of_float32() -> None:
    assert ulp_of(0.0) is None
    assert ulp_of(1e-60) == 2.0**-149
    assert ulp_of(2.0**200) == 2.0**177


def test_nan_and_infinity_count_where_they_differ() -> None:
    nan, inf = math.nan, math.inf
    truth = double([nan, inf, inf, -inf, 1.0, 2.0, 1e300])
    found = errors(single([nan, inf, -inf, 0.0, nan, 2.5, inf]), truth)
    assert (found.nonfinite, found.elements, found.max_abs) == (4, 1, 0.5)
    assert scale_of(truth) == 1e300
    assert scale_of(double([nan, inf])) == 0.0
    assert scale_of(double([])) == 0.0


def test_differences_beyond_float64_are_given_as_its_largest_number() -> None:
    biggest = np.finfo(np.float64).max
    found = errors(double([biggest, 1.0, 3.0]), double([-biggest, 0.0, 0.0]), block=1)
    assert found.max_abs == found.rms == biggest


def test_no_elements_have_no_error() -> None:
    found = errors(single(np.zeros((0, 3))), double(np.zeros((0, 3))))
    assert (found.max_abs, found.rms, found.elements) == (0.0, 0.0, 0)


def test_small_types_and_complex_numbers() -> None:
    half = NumericTensor("float16", np.array([1.5], np.float16))
    assert errors(half, double([1.0])).max_abs == 0.5
    brain = NumericTensor("bfloat16", np.array([0x3FC0], np.uint16))  # 1.5
    assert errors(brain, double([1.0])).max_abs == 0.5
    pair = NumericTensor("complex64", np.array([3 + 4j], np.complex64))
    true = NumericTensor("complex128", np.array([3 + 2j]))
    found = errors(pair, true)
    assert (found.max_abs, found.elements) == (2.0, 2)
    assert found.rms == pytest.approx(math.sqrt(2))


def test_what_is_measured() -> None:
    assert is_measured(single([1.0]))
    assert not is_measured(NumericTensor("int64", np.zeros(1, np.int64)))
    assert not is_measured(StringTensor((0,), ()))
    assert [samples(shape) for shape in ((), (5,), (5, 7))] == [1, 5, 5]
