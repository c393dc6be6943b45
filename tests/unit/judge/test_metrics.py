from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.judge.floats import FLOATS, bits, ulps, widen
from harness.judge.metrics import Distance, measure
from harness.tensor import NumericTensor, StringTensor

NATIVE_FLOATS = ["float16", "float32", "float64"]
ALL_FLOATS = sorted(FLOATS)


def tensor(values: Any, dtype: str = "float32") -> NumericTensor:
    if dtype == "bfloat16":
        return NumericTensor(dtype, bfloat16(values))
    return NumericTensor(dtype, np.asarray(values, dtype))


def bfloat16(values: Any) -> NDArray[np.uint16]:
    # Truncation, which is exact for the values the tests use.
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def raw(dtype: str, values: Sequence[int]) -> NumericTensor:
    array = np.array(values, FLOATS[dtype])
    return NumericTensor(dtype, array if dtype == "bfloat16" else array.view(dtype))


def distance(
    actual: NumericTensor, reference: NumericTensor, *, atol: float = 0, rtol: float = 0
) -> Distance:
    return measure(actual, reference, atol=atol, rtol=rtol)


def counted(found: Distance) -> tuple[object, ...]:
    """Whether they are identical, the largest differences, and the counts."""
    return dataclasses.astuple(found)[:7]


def same(one: Distance, other: Distance) -> None:
    """Assert that two are equal; what is added up in another order, to within rounding."""
    summed = {"mean_abs", "cosine", "snr_db"}
    for name, value in dataclasses.asdict(one).items():
        wanted = getattr(other, name)
        if name == "pair" and wanted is not None:
            assert list(map(repr, value)) == list(map(repr, wanted))  # NaN among them
        elif name in summed and wanted is not None:
            assert value == pytest.approx(wanted, rel=1e-12, abs=1e-9)
        else:
            assert value == wanted, name


@st.composite
def bit_patterns(draw: st.DrawFn) -> tuple[NumericTensor, NumericTensor]:
    """Two tensors of one float type and shape, every bit pattern possible."""
    dtype = draw(st.sampled_from(ALL_FLOATS))
    largest = int(np.iinfo(FLOATS[dtype]).max)
    size = draw(st.integers(0, 6))
    one = st.lists(st.integers(0, largest), min_size=size, max_size=size)
    return raw(dtype, draw(one)), raw(dtype, draw(one))


@given(bit_patterns())
def test_a_tensor_is_identical_to_itself(pair: tuple[NumericTensor, NumericTensor]) -> None:
    found = distance(pair[0], pair[0])
    assert found.identical
    assert (found.max_abs, found.max_rel, found.max_ulp) == (0, 0, 0)
    assert (found.mismatched, found.nonfinite) == (0, 0)


@given(bit_patterns())
def test_numbers_are_always_ones_that_json_can_hold(
    pair: tuple[NumericTensor, NumericTensor],
) -> None:
    found = distance(*pair)
    assert found.max_abs is not None
    assert math.isfinite(found.max_abs)
    assert found.max_rel is None or math.isfinite(found.max_rel)
    assert isinstance(found.max_ulp, int)


@given(bit_patterns())
def test_absolute_and_ulp_distance_are_symmetric(
    pair: tuple[NumericTensor, NumericTensor],
) -> None:
    there, back = distance(*pair), distance(*reversed(pair))
    assert (there.max_abs, there.max_ulp) == (back.max_abs, back.max_ulp)
    assert there.nonfinite == back.nonfinite


@given(bit_patterns(), st.floats(0, 2), st.floats(0, 2))
def test_mismatches_are_those_of_numpy(
    pair: tuple[NumericTensor, NumericTensor], atol: float, rtol: float
) -> None:
    actual, reference = (widen(one.array, one.dtype) for one in pair)
    found = distance(*pair, atol=atol, rtol=rtol)
    with np.errstate(all="ignore"):
        close = np.isclose(actual, reference, atol=atol, rtol=rtol, equal_nan=True)
    # Where a difference is beyond float64, numpy's and ours are both infinite.
    assert found.mismatched == np.count_nonzero(~close)


@given(
    hnp.arrays(np.float64, 5, elements=st.floats(-1e3, 1e3)),
    hnp.arrays(np.float64, 5, elements=st.floats(-1e-3, 1e-3)),
    st.sampled_from([(0.0, 1e-7), (1e-6, 0.0), (1e-4, 1e-5)]),
)
def test_verdict_is_that_of_assert_allclose(
    reference: NDArray[Any], noise: NDArray[Any], allowed: tuple[float, float]
) -> None:
    atol, rtol = allowed
    actual = reference + noise
    found = distance(tensor(actual, "float64"), tensor(reference, "float64"), atol=atol, rtol=rtol)
    if found.mismatched:
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(actual, reference, atol=atol, rtol=rtol)
    else:
        np.testing.assert_allclose(actual, reference, atol=atol, rtol=rtol)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 40), st.booleans())
def test_ulps_are_the_steps_of_math_nextafter(start: float, steps: int, up: bool) -> None:
    end = start
    for _ in range(steps):
        end = math.nextafter(end, math.inf if up else -math.inf)
    if math.isfinite(end):
        found = distance(tensor([end], "float64"), tensor([start], "float64"))
        # -0.0 and 0.0 are one number: nextafter steps over the pair at once.
        assert found.max_ulp == steps


@pytest.mark.parametrize("dtype", NATIVE_FLOATS)
@given(data=st.data(), steps=st.integers(0, 20))
def test_ulps_are_the_steps_of_np_nextafter(dtype: str, data: st.DataObject, steps: int) -> None:
    width = np.finfo(dtype).bits
    start = data.draw(st.floats(allow_nan=False, allow_infinity=False, width=width))  # type: ignore[arg-type]
    scalar = np.dtype(dtype).type
    end = scalar(start)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            end = np.nextafter(end, scalar(-math.inf))
    if np.isfinite(end):
        assert distance(tensor([end], dtype), tensor([start], dtype)).max_ulp == steps


@pytest.mark.parametrize(
    ("dtype", "one", "other", "steps"),
    [
        ("bfloat16", 0x3F80, 0x3F81, 1),  # 1 and the next
        ("bfloat16", 0x0001, 0x8001, 2),  # the smallest denormals around zero
        ("float16", 0x7BFF, 0xFBFF, 2 * 0x7BFF),  # largest to its negative
        ("float32", 0x7F7FFFFF, 0xFF7FFFFF, 2 * 0x7F7FFFFF),
        ("float64", 0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF, 2 * 0x7FEFFFFFFFFFFFFF),
        ("float32", 0x00000000, 0x80000000, 0),  # +0 and -0
    ],
)
def test_ulps_of_known_patterns(dtype: str, one: int, other: int, steps: int) -> None:
    assert distance(raw(dtype, [one]), raw(dtype, [other])).max_ulp == steps


@given(st.lists(st.integers(0, 0x7F7F), min_size=3, max_size=3))
def test_ulps_fulfil_the_triangle_inequality(patterns: list[int]) -> None:
    a, b, c = (np.array([pattern], np.uint16) for pattern in patterns)
    assert int(ulps(a, c)[0]) <= int(ulps(a, b)[0]) + int(ulps(b, c)[0])


def test_signed_zeros_are_equal_but_not_identical() -> None:
    found = distance(tensor([0.0]), tensor([-0.0]))
    assert counted(found) == (False, 0.0, 0.0, 0, 0, 0, 1)


def test_nan_payloads_are_equal_but_not_identical() -> None:
    found = distance(raw("float32", [0x7FC00000]), raw("float32", [0xFFC00123]))
    assert counted(found) == (False, 0.0, 0.0, 0, 0, 0, 1)


@pytest.mark.parametrize("dtype", ALL_FLOATS)
def test_nan_and_inf_patterns(dtype: str) -> None:
    nan, inf = math.nan, math.inf
    reference = tensor([nan, inf, -inf, 1.0, 1.0, nan, inf, 2.0], dtype)
    actual = tensor([nan, inf, -inf, nan, inf, 1.0, -inf, 4.0], dtype)
    found = distance(actual, reference, atol=10)
    assert (found.nonfinite, found.mismatched) == (4, 4)
    assert (found.max_abs, found.max_rel) == (2.0, 1.0)


def test_infinite_tolerances_do_not_hide_a_nan() -> None:
    found = distance(tensor([math.nan]), tensor([1.0]), atol=math.inf)
    assert (found.nonfinite, found.mismatched) == (1, 1)


@pytest.mark.parametrize("dtype", ALL_FLOATS)
def test_empty(dtype: str) -> None:
    found = distance(tensor(np.zeros((0, 3)), dtype), tensor(np.zeros((0, 3)), dtype))
    assert counted(found) == (True, 0.0, 0.0, 0, 0, 0, 0)


def test_scalar() -> None:
    found = distance(tensor(3.0), tensor(2.0))
    assert (found.max_abs, found.max_rel, found.total) == (1.0, 0.5, 1)


def test_a_zero_reference_has_no_relative_difference() -> None:
    assert distance(tensor([1e-9]), tensor([0.0])).max_rel is None
    assert distance(tensor([0.0]), tensor([0.0])).max_rel == 0


def test_one_zero_does_not_blow_up_the_relative_difference() -> None:
    found = distance(tensor([1.0, 0.25], "float64"), tensor([1.0, 0.0], "float64"))
    assert found.max_rel == 0.25


def test_the_largest_numbers_do_not_overflow() -> None:
    largest = float(np.finfo(np.float32).max)
    found = distance(tensor([largest]), tensor([-largest]))
    assert (found.max_abs, found.max_rel) == (2 * largest, 2.0)
    found = distance(
        tensor([sys.float_info.max], "float64"), tensor([-sys.float_info.max], "float64")
    )
    assert (found.max_abs, found.max_rel, found.mismatched) == (sys.float_info.max, 1.0, 1)


def test_a_share_beyond_float64_is_its_largest_number() -> None:
    found = distance(tensor([1e300], "float64"), tensor([5e-324], "float64"))
    assert found.max_rel == sys.float_info.max


def test_half_precision_by_hand() -> None:
    # Between 1 and 2 float16 has steps of 2**-10, bfloat16 of 2**-7.
    found = distance(tensor([1 + 3 * 2**-10], "float16"), tensor([1.0], "float16"))
    assert (found.max_abs, found.max_ulp) == (3 * 2**-10, 3)
    found = distance(tensor([1 + 3 * 2**-7], "bfloat16"), tensor([1.0], "bfloat16"))
    assert (found.max_abs, found.max_ulp) == (3 * 2**-7, 3)


def test_complex_numbers_count_as_two() -> None:
    found = distance(tensor([1 + 2j], "complex64"), tensor([1 + 4j], "complex64"))
    assert (found.max_abs, found.max_rel, found.mismatched, found.total) == (2.0, 0.5, 1, 2)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_signed_extremes_are_exact(dtype: str) -> None:
    info = np.iinfo(dtype)
    found = distance(tensor([info.max, 0], dtype), tensor([info.min, 0], dtype), atol=1e30)
    assert counted(found) == (
        False,
        float(info.max - info.min),
        (info.max - info.min) / -info.min,
        None,
        1,
        0,
        2,
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_unsigned_extremes_are_exact(dtype: str) -> None:
    largest = np.iinfo(dtype).max
    found = distance(tensor([0, largest], dtype), tensor([largest, largest], dtype))
    assert (found.max_abs, found.max_rel, found.mismatched) == (float(largest), 1.0, 1)


@given(hnp.arrays(np.int64, 4), hnp.arrays(np.int64, 4))
def test_integers_are_those_of_python(a: NDArray[Any], b: NDArray[Any]) -> None:
    found = distance(tensor(a, "int64"), tensor(b, "int64"))
    apart = [abs(x - y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert found.max_abs == float(max(apart))
    assert found.mismatched == sum(map(bool, apart))
    assert found.identical == (max(apart) == 0)


def test_truth_values_have_no_distance() -> None:
    found = distance(tensor([True, False], "bool"), tensor([True, True], "bool"))
    assert counted(found) == (False, None, None, None, 1, 0, 2)


def test_types_numpy_lacks_are_compared_by_their_bits() -> None:
    one = NumericTensor("float8_e4m3fn", np.array([1, 2], np.uint8))
    other = NumericTensor("float8_e4m3fn", np.array([1, 3], np.uint8))
    assert counted(distance(one, other)) == (False, None, None, None, 1, 0, 2)


def test_strings_are_exact() -> None:
    one = StringTensor((2,), (b"a", b"\xff"))
    other = StringTensor((2,), (b"a", b"b"))
    assert counted(measure(one, one, atol=9, rtol=9)) == (True, None, None, None, 0, 0, 2)
    assert counted(measure(one, other, atol=9, rtol=9)) == (False, None, None, None, 1, 0, 2)


@given(bit_patterns(), st.integers(1, 7))
def test_blocks_change_nothing(pair: tuple[NumericTensor, NumericTensor], block: int) -> None:
    whole = measure(*pair, atol=1e-3, rtol=1e-3)
    same(measure(*pair, atol=1e-3, rtol=1e-3, block=block), whole)


@given(hnp.arrays(np.int32, (3, 2)), hnp.arrays(np.int32, (3, 2)))
def test_memory_order_changes_nothing(a: NDArray[Any], b: NDArray[Any]) -> None:
    plain = distance(tensor(a, "int32"), tensor(b, "int32"))
    turned = distance(
        NumericTensor("int32", np.asfortranarray(a)), NumericTensor("int32", b.T.copy().T)
    )
    assert turned == plain


@given(
    hnp.arrays(np.float32, 4, elements=st.floats(-100, 100, width=32)),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_larger_difference_never_gets_a_better_result(
    reference: NDArray[Any], one: float, other: float
) -> None:
    near, far = sorted((one, other))
    wide = reference.astype(np.float64)
    closer, farther = (
        distance(tensor(wide + shift, "float64"), tensor(wide, "float64"), atol=1e-3, rtol=1e-3)
        for shift in (near, far)
    )
    assert closer.mismatched <= farther.mismatched
    assert closer.identical >= farther.identical
    assert closer.max_abs is not None
    assert farther.max_abs is not None
    assert closer.max_abs <= farther.max_abs


@pytest.mark.parametrize("dtype", ALL_FLOATS)
def test_widening_keeps_every_value(dtype: str) -> None:
    values = [0.0, -0.0, 1.0, -1.5, 2.0**-14, math.inf, -math.inf]
    assert widen(tensor(values, dtype).array, dtype).tolist() == values


def test_bits_are_a_view() -> None:
    array = np.ones(3, np.float32)
    assert bits(array, "float32").base is array
