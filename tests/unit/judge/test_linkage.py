from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.judge.linkage import complete_linkage


def distances(pairs: dict[tuple[int, int], float], count: int) -> NDArray[np.float64]:
    far = np.full((count, count), 9.0)
    np.fill_diagonal(far, 0.0)
    for (one, other), value in pairs.items():
        far[one, other] = far[other, one] = value
    return far


def test_a_chain_is_never_one_class() -> None:
    far = distances({(0, 1): 0.9, (1, 2): 0.8}, 3)
    assert complete_linkage(far, "abc") == ((0,), (1, 2))


def test_the_nearest_go_first() -> None:
    far = distances({(0, 1): 0.5, (1, 2): 0.4, (2, 3): 0.5}, 4)
    assert set(complete_linkage(far, "abcd")) == {(0,), (1, 2), (3,)}


def test_of_pairs_equally_near_the_first_by_name_go_first() -> None:
    far = distances({(0, 1): 0.5, (1, 2): 0.5}, 3)
    assert set(complete_linkage(far, "abc")) == {(0, 1), (2,)}
    assert set(complete_linkage(far, "cba")) == {(0,), (1, 2)}


def test_what_is_exactly_allowed_is_within() -> None:
    assert complete_linkage(distances({(0, 1): 1.0}, 2), "ab") == ((0, 1),)
    assert len(complete_linkage(distances({(0, 1): 1.0000001}, 2), "ab")) == 2


def test_nothing_and_one() -> None:
    assert complete_linkage(np.zeros((0, 0)), "") == ()
    assert complete_linkage(np.zeros((1, 1)), "a") == ((0,),)


@st.composite
def matrices(draw: st.DrawFn) -> NDArray[np.float64]:
    count = draw(st.integers(1, 8))
    values = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, float("inf")])
    return distances({pair: draw(values) for pair in combinations(range(count), 2)}, count)


@given(matrices())
def test_classes_partition_agree_and_could_not_be_larger(far: NDArray[np.float64]) -> None:
    found = complete_linkage(far, "abcdefgh"[: len(far)])
    assert sorted(index for one in found for index in one) == list(range(len(far)))
    for one in found:
        assert far[np.ix_(one, one)].max() <= 1
    for one, other in combinations(found, 2):
        assert far[np.ix_(one, other)].max() > 1


@given(matrices(), st.permutations(range(8)))
def test_the_order_does_not_matter(far: NDArray[np.float64], order: list[int]) -> None:
    names = "abcdefgh"
    chosen = [index for index in order if index < len(far)]

    def by_name(matrix: NDArray[np.float64], called: list[str]) -> set[frozenset[str]]:
        classes = complete_linkage(matrix, called)
        return {frozenset(called[index] for index in one) for one in classes}

    turned = by_name(far[np.ix_(chosen, chosen)], [names[index] for index in chosen])
    assert turned == by_name(far, list(names[: len(far)]))
