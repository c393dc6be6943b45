from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.divergence import Ranks
from harness.judge.ranks import TopK, over_classes, over_samples, ranks, spearman
from harness.tensor import NumericTensor


def tensor(values: Any, dtype: str = "float32") -> NumericTensor:
    return NumericTensor(dtype, np.asarray(values, dtype))


ROWS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    elements=st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, 0.5, -4.0, math.inf, math.nan]),
)


@given(ROWS)
def test_a_rank_is_how_many_are_smaller_and_half_of_the_equal_ones(rows: NDArray[Any]) -> None:
    def larger(a: float, b: float) -> bool:
        return a > b or (math.isnan(a) and not math.isnan(b))

    for row, found in zip(rows, ranks(rows), strict=True):
        for value, rank in zip(row, found, strict=True):
            smaller = sum(larger(value, other) for other in row)
            bigger = sum(larger(other, value) for other in row)
            assert rank == smaller + (len(row) - smaller - bigger + 1) / 2


def test_correlations_from_the_textbook() -> None:
    """Without ties it is 1 - 6 sum(d**2) / (n (n**2 - 1)): Kendall and Gibbons, section 1.13."""
    one = np.array([[1.0, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]])
    other = np.array([[1.0, 2, 3, 4, 5], [5, 4, 3, 2, 1], [2, 1, 3, 5, 4]])
    assert spearman(one, other).tolist() == [1.0, -1.0, pytest.approx(1 - 6 * 4 / 120)]


def test_a_correlation_with_ties() -> None:
    """Ranks 1.5, 1.5, 3 and 1, 2, 3: deviations (-.5, -.5, 1) and (-1, 0, 1), 1.5 / sqrt(3)."""
    found = spearman(ranks(np.array([[0.0, 0.0, 7.0]])), ranks(np.array([[1.0, 2.0, 3.0]])))
    assert found.tolist() == [pytest.approx(1.5 / math.sqrt(1.5 * 2))]


def test_what_has_no_order_correlates_only_with_itself() -> None:
    level, rising = np.array([[2.0, 2.0, 2.0]]), np.array([[1.0, 2.0, 3.0]])
    assert spearman(level, rising).tolist() == [0.0]
    assert spearman(level, level).tolist() == [1.0]


@given(ROWS, st.data())
def test_correlations_are_symmetric_bounded_and_of_the_order_alone(
    rows: NDArray[Any], data: st.DataObject
) -> None:
    other = data.draw(hnp.arrays(np.float32, rows.shape, elements=st.integers(-3, 3)))
    r, s = ranks(rows), ranks(other)
    found = spearman(r, s)
    assert (np.abs(found) <= 1).all()
    assert found == pytest.approx(spearman(s, r))
    assert (spearman(r, r) == 1).all()
    order = data.draw(st.permutations(range(rows.shape[1])))
    assert spearman(r[:, order], s[:, order]) == pytest.approx(found)
    assert (ranks(other * 8 + 1) == s).all()


def test_the_rows_of_a_classifier() -> None:
    reference = tensor([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]])
    actual = tensor([[1, 2, 3, 4, 6, 5], [2, 1, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1.5]])
    found, top = over_classes(actual, reference, 2)
    one = 1 - 6 * 2 / 210
    assert found is not None
    assert (found.over, found.at, found.count, found.length) == ("classes", 0, 3, 6)
    assert (found.mean, found.least) == pytest.approx(((2 * one + 1) / 3, one))
    assert top == TopK(2, 0, 3)
    assert over_classes(actual, reference, 5)[1] == TopK(5, 1, 3)
    assert over_classes(actual, reference, 6)[1] is None


def test_of_two_classes_the_decision_says_it_all() -> None:
    assert over_classes(tensor([[1, 2]]), tensor([[2, 1]]), 5) == (None, None)
    assert over_classes(tensor(np.zeros((0, 9))), tensor(np.zeros((0, 9))), 5) == (None, None)


@given(ROWS, st.data())
def test_the_top_k_are_sets_as_argmax_breaks_ties(rows: NDArray[Any], data: st.DataObject) -> None:
    classes = rows.shape[1]
    other = data.draw(
        hnp.arrays(np.float32, rows.shape, elements=st.sampled_from([0.0, 1.0, 2.0, math.nan]))
    )
    for k in range(1, classes):
        if classes < 3:
            continue
        _, top = over_classes(tensor(rows), tensor(other), k)
        assert top is not None
        changed = sum(largest(a, k) != largest(b, k) for a, b in zip(rows, other, strict=True))
        assert top == TopK(k, changed, len(rows))


def largest(row: NDArray[Any], k: int) -> set[int]:
    """Return the places of the k largest, by taking the argmax away k times."""
    left, found = row.astype(np.float64), set()
    for _ in range(k):
        # What was taken may not be found again, nor may -inf of what was taken beat the rest.
        places = [place for place in range(len(row)) if place not in found]
        found.add(places[int(np.argmax(left[places]))])
    return found


def test_only_the_first_rows_of_many_are_put_in_order() -> None:
    reference = np.tile(np.arange(8.0), (10, 1))
    actual = reference.copy()
    actual[1], actual[9] = actual[1, ::-1], actual[9, ::-1]
    found, top = over_classes(tensor(actual), tensor(reference), 5, looked_at=24)
    assert found == Ranks(over="classes", mean=1 / 3, least=-1.0, at=1, count=3, length=8)
    assert top == TopK(5, 1, 3)


def test_columns_over_the_samples() -> None:
    reference = tensor([[1, 10], [2, 20], [3, 30], [4, 40]])
    actual = tensor([[1, 40], [2, 30], [3, 20], [5, 10]])
    assert over_samples(actual, reference) == Ranks(
        over="samples", mean=0.0, least=-1.0, at=1, count=2, length=4
    )
    one = tensor([0.25, 0.5, 0.75])
    assert over_samples(one, one) == Ranks(
        over="samples", mean=1.0, least=1.0, at=0, count=1, length=3
    )
    first = over_samples(actual, reference, looked_at=3)
    assert first == Ranks(over="samples", mean=1.0, least=1.0, at=0, count=1, length=3)
    assert over_samples(tensor([1, 2]), tensor([1, 2])) is None
    assert over_samples(tensor(1), tensor(1)) is None
    assert over_samples(tensor(np.zeros((4, 0))), tensor(np.zeros((4, 0)))) is None


def test_bfloat16_is_ordered_by_value_and_not_by_bits() -> None:
    # 1, -1 and -2, of which -2 has the largest bits.
    reference = NumericTensor("bfloat16", np.array([[0x3F80, 0xBF80, 0xC000]], np.uint16))
    actual = NumericTensor("bfloat16", np.array([[0x4000, 0xBF80, 0xC000]], np.uint16))
    found, _ = over_classes(actual, reference, 5)
    assert found is not None
    assert found.least == 1
    assert ranks(np.array([[1.0, -1.0, -2.0]])).tolist() == [[3, 2, 1]]
