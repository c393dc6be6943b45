"""Mean, percentile, cosine, SNR, tolerance and place: against the mathematics, and properties."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.judge.distance import Distance
from harness.judge.floats import FLOATS, ulps
from harness.judge.metrics import measure
from harness.judge.quantile import EXACT, Quantile
from harness.tensor import NumericTensor, StringTensor

ROOT2 = math.sqrt(2.0)
LARGEST, LEAST = sys.float_info.max, 5e-324


def tensor(values: Any, dtype: str = "float64") -> NumericTensor:
    return NumericTensor(dtype, np.asarray(values, dtype))


def distance(actual: Any, reference: Any, dtype: str = "float64", **options: Any) -> Distance:
    chosen = {"atol": 0.0, "rtol": 0.0, **options}
    return measure(tensor(actual, dtype), tensor(reference, dtype), **chosen)


def test_by_hand() -> None:
    # Differences 3, 0, 1, 0; the reference's squares sum up to 1 + 4 + 9 + 0 = 14.
    found = distance([4.0, 2.0, -2.0, 0.0], [1.0, 2.0, -3.0, 0.0])
    assert found.mean_abs == 1.0
    assert found.p99_abs == 3.0
    assert found.snr_db == pytest.approx(10 * math.log10(14 / 10), rel=1e-14)
    assert found.cosine == pytest.approx((4 + 4 + 6) / math.sqrt(24 * 14), rel=1e-14)
    assert found.tolerance_needed == pytest.approx(3 / 2, rel=1e-14)  # not 1 / 4
    assert (found.worst, found.pair) == ((0,), (4.0, 1.0))


@pytest.mark.parametrize(
    ("actual", "reference", "cosine"),
    [
        ([1.0, 0.0], [0.0, 1.0], 0.0),
        ([1.0, 1.0], [1.0, 0.0], 1 / ROOT2),
        ([-2.0, -4.0], [1.0, 2.0], -1.0),
        ([3.0, 6.0], [1.0, 2.0], 1.0),
        ([0.0, 0.0], [1.0, 2.0], None),
        ([1.0, 2.0], [0.0, 0.0], None),
        # Squares of these are beyond float64, or nothing in it.
        ([LARGEST, LARGEST], [LARGEST, 0.0], 1 / ROOT2),
        ([1e-300, 1e-300], [0.0, 1e-300], 1 / ROOT2),
        ([LEAST, LEAST], [LEAST, 0.0], 1 / ROOT2),
        ([1e300, 1e300], [1e-300, 0.0], 1 / ROOT2),
    ],
)
def test_cosine(actual: list[float], reference: list[float], cosine: float | None) -> None:
    found = distance(actual, reference).cosine
    assert found == (None if cosine is None else pytest.approx(cosine, rel=1e-14, abs=1e-14))


@pytest.mark.parametrize(
    ("actual", "reference", "decibels"),
    [
        ([11.0], [10.0], 20.0),
        ([1.0 + 2**-10], [1.0], 200 * math.log10(2)),
        ([2e200], [1e200], 0.0),
        ([1e-200 + 1e-202], [1e-200], 40.0),
        ([1.0 + 1e-200, 1e-200], [1.0, 0.0], 4000.0),  # the noise's square is nothing in float64
        ([1.0], [1.0], None),
        ([1.0], [0.0], None),
    ],
)
def test_signal_to_noise(
    actual: list[float], reference: list[float], decibels: float | None
) -> None:
    found = distance(actual, reference).snr_db
    assert found == (None if decibels is None else pytest.approx(decibels, rel=1e-12, abs=1e-12))


def test_numbers_that_json_cannot_hold_become_the_largest_one() -> None:
    found = distance([LARGEST, LARGEST], [-LARGEST, -LARGEST])
    assert (found.max_abs, found.mean_abs, found.p99_abs) == (LARGEST, LARGEST, LARGEST)
    # Each component is 2 LARGEST away, which is cut to LARGEST: |r| / |d| is 1.
    assert found.snr_db == pytest.approx(0.0, abs=1e-9)
    assert found.cosine == -1.0
    assert found.tolerance_needed == pytest.approx(1.0)
    mean = distance([LARGEST] * 3, [0.0, 0.0, LARGEST]).mean_abs
    assert mean == pytest.approx(LARGEST / 3 * 2, rel=1e-14)  # the sum is beyond float64


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(hnp.arrays(np.float64, 6, elements=FINITE), hnp.arrays(np.float64, 6, elements=FINITE))
def test_the_tolerance_needed_passes_and_none_that_is_smaller(
    actual: NDArray[Any], reference: NDArray[Any]
) -> None:
    needed = distance(actual, reference).tolerance_needed
    assert needed is not None
    passing = distance(actual, reference, atol=needed, rtol=needed)
    assert needed == LARGEST or passing.mismatched == 0
    if needed > 1e-300:  # below, one step is more than the share
        less = needed * (1 - 1e-12)
        assert distance(actual, reference, atol=less, rtol=less).mismatched > 0
    apart = [abs(Fraction(a) - Fraction(b)) for a, b in zip(actual, reference, strict=True)]
    exact = max(d / (1 + abs(Fraction(b))) for d, b in zip(apart, reference, strict=True))
    if exact < Fraction(LARGEST) and max(apart) < Fraction(LARGEST):
        assert float(exact) <= needed <= float(exact) * (1 + 2**-49) + 2 * LEAST


@given(
    hnp.arrays(np.float64, 6, elements=st.floats()),
    hnp.arrays(np.float64, 6, elements=st.floats()),
    st.floats(0, 1e3),
    st.floats(0, 1e3),
)
def test_within_tolerance_is_what_assert_allclose_says(
    actual: NDArray[Any], reference: NDArray[Any], atol: float, rtol: float
) -> None:
    with np.errstate(all="ignore"):
        # Where the difference is beyond float64 numpy takes it for infinite, and so close to
        # what its own rule makes infinite; ours does as it does.
        found = distance(actual, reference, atol=atol, rtol=rtol)
        try:
            np.testing.assert_allclose(actual, reference, atol=atol, rtol=rtol, equal_nan=True)
        except AssertionError:
            assert found.mismatched > 0
        else:
            assert found.mismatched == 0


@given(st.data(), st.sampled_from(["float16", "float32", "float64"]))
def test_the_order_of_samples_changes_nothing_but_the_place(
    data: st.DataObject, dtype: str
) -> None:
    arrays = hnp.arrays(dtype, (5, 2), elements=st.floats(width=np.finfo(dtype).bits))  # type: ignore[arg-type]
    actual, reference = data.draw(arrays), data.draw(arrays)
    order = data.draw(st.permutations(range(5)))
    one = distance(actual, reference, dtype, atol=1e-3, rtol=1e-3)
    other = distance(actual[order], reference[order], dtype, atol=1e-3, rtol=1e-3)
    for name in ("identical", "max_abs", "max_rel", "max_ulp", "mismatched", "nonfinite"):
        assert getattr(one, name) == getattr(other, name)
    assert (one.p99_abs, one.tolerance_needed) == (other.p99_abs, other.tolerance_needed)
    for name in ("mean_abs", "cosine", "snr_db"):
        wanted = getattr(other, name)
        assert getattr(one, name) == (
            None if wanted is None else pytest.approx(wanted, rel=1e-12, abs=1e-9)
        )


@given(hnp.arrays(np.float64, 5, elements=FINITE), hnp.arrays(np.float64, 5, elements=FINITE))
def test_what_is_symmetric(a: NDArray[Any], b: NDArray[Any]) -> None:
    there, back = distance(a, b), distance(b, a)
    for name in ("max_abs", "max_ulp", "mean_abs", "p99_abs", "worst"):
        assert getattr(there, name) == getattr(back, name)
    assert there.cosine == (None if back.cosine is None else pytest.approx(back.cosine))


@given(st.sampled_from(sorted(FLOATS)), st.data())
def test_ulps_fulfil_the_triangle_inequality_in_every_type(dtype: str, data: st.DataObject) -> None:
    stored = np.dtype(FLOATS[dtype])
    infinity = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000}.get(
        dtype, 0x7FF0000000000000
    )
    sign = 1 << (stored.itemsize * 8 - 1)
    finite = st.integers(0, infinity - 1).flatmap(lambda n: st.sampled_from([n, n | sign]))
    a, b, c = (np.array([data.draw(finite)], stored) for _ in range(3))
    assert int(ulps(a, c)[0]) <= int(ulps(a, b)[0]) + int(ulps(b, c)[0])
    assert int(ulps(a, b)[0]) == int(ulps(b, a)[0])


def following(bits: int, sign: int) -> int:
    """The bits of the next larger half or bfloat: -0 counts as 0, as for `math.nextafter`."""
    if bits in (0, sign):
        return 1
    return bits - 1 if bits & sign else bits + 1


@pytest.mark.parametrize(("dtype", "infinity"), [("float16", 0x7C00), ("bfloat16", 0x7F80)])
@given(data=st.data(), steps=st.integers(0, 60))
def test_ulps_are_the_steps_of_a_walk_over_bits(
    dtype: str, infinity: int, data: st.DataObject, steps: int
) -> None:
    sign = 0x8000
    start = data.draw(
        st.integers(0, infinity - 1).flatmap(lambda n: st.sampled_from([n, n | sign]))
    )
    end = start
    for _ in range(steps):
        end = following(end, sign)
    assume((end & ~sign) < infinity)
    one, other = (
        NumericTensor(
            dtype, np.array([bits], np.uint16).view(np.uint16 if dtype == "bfloat16" else dtype)
        )
        for bits in (end, start)
    )
    found = measure(one, other, atol=0, rtol=0)
    assert found.max_ulp == steps


@pytest.mark.parametrize("across", [0, 1, 40])
def test_steps_across_zero_beside_others_of_one_sign(across: int) -> None:
    reference = np.linspace(0.5, 1.0, 50, dtype=np.float32)
    actual = np.nextafter(reference, np.float32(2))
    actual[:across] = -reference[:across]
    found = distance(actual, reference, "float32")
    pairs = zip(actual.view(np.uint32).tolist(), reference.view(np.uint32).tolist(), strict=True)
    mask = 0x7FFFFFFF
    assert found.max_ulp == max((a & mask) + b if a > mask else a - b for a, b in pairs)


@pytest.mark.parametrize("size", [1, 99, 100, 101, 1000])
def test_the_percentile_of_small_outputs_is_exact(size: int) -> None:
    apart = np.random.default_rng(size).permutation(np.arange(size, dtype=np.float64))
    found = distance(apart, np.zeros(size)).p99_abs
    assert found == np.quantile(apart, 0.99, method="inverted_cdf")


@pytest.mark.parametrize("kind", ["even", "tiny", "rising", "few", "alike", "huge"])
def test_the_percentile_of_large_outputs_is_its_bin(kind: str) -> None:
    size = 4 * EXACT
    rng = np.random.default_rng(1)
    apart = {
        "even": rng.random(size),
        "tiny": rng.random(size) * 1e-310,
        "rising": np.arange(size) / size,
        "few": np.where(rng.random(size) < 0.005, 1.0, 0.0),
        "alike": np.full(size, 0.1),
        "huge": np.exp(rng.standard_normal(size) * 100),
    }[kind]
    exact = float(np.quantile(apart, 0.99, method="inverted_cdf"))
    found = {
        block: distance(apart, np.zeros(size), block=block).p99_abs for block in (997, 1 << 15)
    }
    assert len(set(found.values())) == 1
    for value in found.values():
        assert value is not None
        # Below 2**-1022 the bits of the mantissa are worth less and less.
        assert exact <= value <= exact * (1 + 2**-7) + 2.0**-1029


def test_numbers_that_are_left_out_of_a_percentile_are_zeros() -> None:
    quantile = Quantile(1000)
    quantile.add(np.array([1.0, 2.0, 3.0]), 3.0)
    assert quantile.value(1000) == 0.0
    # Of 200 numbers 198 are not above it: the third of the largest, and of 100 the second.
    assert quantile.value(200) == 1.0
    assert quantile.value(100) == 2.0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_several_threads_find_what_one_block_finds(dtype: str) -> None:
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((100, 70)).astype(dtype)
    actual = (reference + rng.standard_normal(reference.shape) * 0.01).astype(dtype)
    actual[40] = reference[40]
    actual[7, 3], reference[9, 1] = np.nan, np.inf
    actual[50:60], reference[50:60] = np.nan, np.nan
    whole = distance(actual, reference, dtype, atol=1e-2, rtol=1e-2, block=10_000)
    parts = distance(actual, reference, dtype, atol=1e-2, rtol=1e-2, block=7)
    assert whole.worst == parts.worst == (7, 3)
    for name in ("mean_abs", "cosine", "snr_db"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-12)
    for name in ("max_abs", "max_rel", "max_ulp", "mismatched", "nonfinite", "p99_abs"):
        assert getattr(parts, name) == getattr(whole, name)


def test_places() -> None:
    reference = np.zeros((2, 3, 4))
    actual = reference.copy()
    actual[1, 2, 0] = actual[1, 2, 3] = -5.0
    found = distance(actual, reference)
    assert (found.worst, found.pair) == ((1, 2, 0), (-5.0, 0.0))
    actual[0, 1, 1] = np.nan
    found = distance(actual, reference)
    assert found.worst == (0, 1, 1)
    assert found.pair is not None
    assert math.isnan(found.pair[0])
    assert found.tolerance_needed is None  # no tolerance passes a NaN


def test_places_of_other_types() -> None:
    assert distance(3.0, 2.0).worst == ()
    assert distance([1.0], [1.0]).worst is None
    assert distance([-0.0], [0.0]).worst is None
    found = distance([[1 + 1j, 2 + 2j]], [[1 + 1j, 2 + 5j]], "complex64")
    assert (found.worst, found.pair) == ((0, 1), (2.0, 5.0))
    found = distance([[1, 2], [3, 4]], [[1, 3], [3, 0]], "int32")
    assert (found.worst, found.pair, found.mean_abs) == ((1, 1), (4.0, 0.0), 5 / 4)
    found = distance([True, False], [True, True], "bool")
    assert (found.worst, found.pair) == ((1,), (0.0, 1.0))
    one, other = StringTensor((1, 2), (b"a", b"b")), StringTensor((1, 2), (b"a", b"c"))
    assert measure(one, other, atol=0, rtol=0).worst == (0, 1)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex64"])
def test_empty_outputs(dtype: str) -> None:
    found = distance(np.zeros((0, 3)), np.zeros((0, 3)), dtype)
    assert (found.identical, found.mismatched, found.total, found.worst) == (True, 0, 0, None)


@given(
    hnp.arrays(np.float64, 4, elements=st.floats(-1e6, 1e6)),
    st.integers(0, 3),
    st.lists(st.floats(0, 1e6), min_size=2, max_size=2),
    st.floats(0, 10),
)
def test_a_larger_difference_in_one_element_never_looks_better(
    reference: NDArray[Any], place: int, shifts: list[float], tolerance: float
) -> None:
    found = []
    for shift in sorted(shifts):
        actual = reference.copy()
        actual[place] += shift
        found.append(distance(actual, reference, atol=tolerance, rtol=tolerance))
    near, far = found
    assert near.mismatched <= far.mismatched
    assert near.identical >= far.identical
    for name in ("max_abs", "mean_abs", "p99_abs", "max_ulp", "tolerance_needed"):
        assert getattr(near, name) <= getattr(far, name)
    if near.snr_db is not None and far.snr_db is not None:
        assert near.snr_db >= far.snr_db
