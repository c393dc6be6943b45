from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.judge import pairs
from harness.judge.pairs import Row, shares
from harness.judge.tolerance import Allowed
from harness.tensor import NumericTensor, StringTensor, Tensor

LOOSE = Allowed(atol=0.5, rtol=0.25)


def row(
    values: Any,
    dtype: str = "float32",
    *,
    stored: str | None = None,
    allowed: Allowed | None = LOOSE,
    noise: float = 0.0,
    elements: float = 0.0,
) -> Row:
    array = np.asarray(values, stored or dtype)
    return Row(NumericTensor(dtype, array), allowed, noise, elements)


def exact(values: Any, dtype: str = "int64", *, elements: float = 0.0) -> Row:
    return row(values, dtype, allowed=None, elements=elements)


def share(*rows: Row) -> float:
    found = shares(rows)
    assert (found == found.T).all()
    assert (np.diag(found) == 0).all()
    return float(found[0, 1])


def test_a_difference_as_a_share_of_what_is_allowed() -> None:
    # Of 2 and 2.5 the smaller one counts: 0.5 + 0.25 * 2 = 1 is allowed.
    assert share(row([1.0, 2.0]), row([1.0, 2.5])) == 0.5


def test_the_largest_of_all_elements_counts() -> None:
    # 1 of 0.5, 1 of 0.5 + 0.25 * 8 = 2.5.
    assert share(row([0.0, 8.0]), row([1.0, 9.0])) == 2.0


def test_exactly_what_is_allowed_is_within_and_one_step_more_is_not() -> None:
    edge = np.float64(2.0) + 1.0
    assert share(row([2.0], "float64"), row([edge], "float64")) == 1.0
    assert share(row([2.0], "float64"), row([np.nextafter(edge, 9)], "float64")) > 1.0


@given(st.floats(5e-324, 1e300), st.booleans())
def test_a_share_is_above_1_exactly_beyond_what_is_allowed(allowed: float, more: bool) -> None:
    limit = Allowed(atol=allowed, rtol=0.0)
    apart = np.nextafter(allowed, np.inf) if more else allowed
    found = share(*(row([value], "float64", allowed=limit) for value in (0.0, apart)))
    assert (found > 1) == more


def test_noise_of_either_counts_where_it_is_more_than_tolerance() -> None:
    quiet, noisy = row([0.0]), row([4.0], noise=8.0)
    assert share(quiet, noisy) == 0.5
    assert share(noisy, quiet) == 0.5
    assert share(row([0.0], noise=0.25), row([4.0])) == 8.0


def test_of_two_tolerances_the_smaller_counts() -> None:
    strict = row([1.0], allowed=Allowed(atol=0.25, rtol=0.0))
    assert share(strict, row([2.0])) == 4.0
    assert share(row([2.0]), strict) == 4.0


def test_nothing_allowed() -> None:
    none = Allowed(atol=0.0, rtol=0.0)
    zero, other = row([0.0, 1.0], allowed=none), row([-0.0, 1.0], allowed=none)
    assert share(zero, other) == 0.0
    tiny = row([5e-324, 1.0], "float64", allowed=none)
    assert share(row([0.0, 1.0], "float64", allowed=none), tiny) > 1.0


def test_numbers_that_float64_cannot_subtract() -> None:
    assert share(row([1.7e308], "float64"), row([-1.7e308], "float64")) > 1.0
    boundless = Allowed(atol=float("inf"), rtol=0.0)
    far = [row([value], "float64", allowed=boundless) for value in (1.7e308, -1.7e308)]
    assert share(*far) <= 1.0


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ([NAN, 1.0], [NAN, 1.0], 0.0),
        ([NAN, 1.0], [1.0, 1.0], INF),
        ([NAN, 1.0], [INF, 1.0], INF),
        ([INF, 1.0], [INF, 1.0], 0.0),
        ([INF, 1.0], [-INF, 1.0], INF),
        ([NAN, 2.0], [NAN, 2.5], 0.5),
    ],
)
def test_nan_and_inf_have_to_be_in_the_same_places(
    one: list[float], other: list[float], found: float
) -> None:
    assert share(row(one), row(other)) == found


def test_bfloat16_is_widened_and_complex_has_two_parts() -> None:
    # 1.0 and 1.5 in bfloat16: the upper halves of their float32.
    bits = [row([half], "bfloat16", stored="uint16") for half in (0x3F80, 0x3FC0)]
    assert share(*bits) == 0.5 / 0.75
    assert share(row([1 + 2j], "complex64"), row([1 + 2.5j], "complex64")) == 0.5


def test_exact_types_differ_or_do_not() -> None:
    assert share(exact([1, 2]), exact([1, 3])) == INF
    assert share(exact([True], "bool"), exact([False], "bool")) == INF


def test_of_exact_types_noise_allows_a_number_of_elements() -> None:
    one, other = exact([1, 2, 3, 4], elements=4.0), exact([1, 0, 0, 4])
    assert share(one, other) == 0.5
    assert share(other, one) == 0.5
    assert share(exact([1, 2, 3, 4], elements=1.0), other) == 2.0


def strings(*texts: bytes, elements: float = 0.0) -> Row:
    return Row(StringTensor((len(texts),), texts), None, 0.0, elements)


def test_strings() -> None:
    assert share(strings(b"a", b"b"), strings(b"a", b"c")) == INF
    assert share(strings(b"a", b"b", elements=2.0), strings(b"a", b"c")) == 0.5


def test_only_the_pairs_that_are_asked_for() -> None:
    rows = [row([value]) for value in (0.0, 1.0, 2.0, 3.0)]
    whole, part = shares(rows), shares(rows, ahead=1)
    assert part[0].tolist() == whole[0].tolist() == [0.0, 2.0, 4.0, 6.0]
    assert not part[1:, 1:].any()
    marked = shares([exact([value]) for value in range(3)], ahead=2)
    assert marked.tolist() == [[0, 0, INF], [0, 0, INF], [INF, INF, 0]]


@pytest.mark.parametrize("name", ["_AT_ONCE", "_TEMPORARY"])
def test_blocks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((7, 1000)).astype(np.float32)
    values[3, 600] = np.nan
    counted = [exact(each.astype(np.int64), elements=9.0) for each in values[:3] * 2]
    before = shares([row(each) for each in values]), shares(counted)
    monkeypatch.setattr(pairs, name, 1)
    monkeypatch.setattr(pairs, "_FEWEST", 7)
    after = shares([row(each) for each in values]), shares(counted)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


ANY = st.floats(width=32, allow_nan=True, allow_infinity=True)
NEAR = st.integers(-24, 24).map(lambda step: step / 8)


def rows_of(values: st.SearchStrategy[float]) -> st.SearchStrategy[NDArray[np.float32]]:
    shape = st.tuples(st.integers(2, 5), st.integers(1, 4))
    return shape.flatmap(lambda chosen: hnp.arrays(np.float32, chosen, elements=values))


@given(rows_of(ANY | NEAR), st.sampled_from([LOOSE, Allowed(0.0, 0.5), Allowed(0.0, 0.0)]))
def test_within_is_what_numpy_lets_pass_in_both_directions(
    values: NDArray[np.float32], allowed: Allowed
) -> None:
    found = shares([row(each, allowed=allowed) for each in values])
    wide = values.astype(np.float64)

    def passes(one: int, other: int) -> bool:
        with np.errstate(invalid="ignore"):
            close = np.isclose(
                wide[one], wide[other], rtol=allowed.rtol, atol=allowed.atol, equal_nan=True
            )
        return bool(close.all())

    for one in range(len(values)):
        for other in range(len(values)):
            assert (found[one, other] <= 1) == (passes(one, other) and passes(other, one))


@given(rows_of(NEAR), st.permutations(range(4)))
def test_the_order_of_elements_and_rows_does_not_matter(
    values: NDArray[np.float32], order: Sequence[int]
) -> None:
    chosen = [index for index in order if index < values.shape[1]]
    found = shares([row(each) for each in values])
    np.testing.assert_array_equal(found, shares([row(each[chosen]) for each in values]))
    turned = shares([row(each) for each in values[::-1]])
    np.testing.assert_array_equal(found, turned[::-1, ::-1])


def test_a_tensor_of_any_shape() -> None:
    tensors: list[Tensor] = [
        NumericTensor("float32", np.full((2, 0, 3), value, np.float32)) for value in (1, 2)
    ]
    assert shares([Row(each, LOOSE, 0.0, 0.0) for each in tensors])[0, 1] == 0.0
    assert share(row(1.0), row(2.5)) == 2.0
    turned = np.asfortranarray(np.array([[0.0, 1.0], [2.0, 3.0]], np.float32))
    assert share(row(turned), row([[0.0, 1.0], [2.0, 3.0]])) == 0.0
