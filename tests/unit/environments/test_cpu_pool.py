from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.environments.cpus import CpuPool

FOUR = frozenset({2, 3, 5, 7})


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [(1, {2}), (0.5, {2}), (1.5, {2, 3}), (4, {2, 3, 5, 7}), (64, {2, 3, 5, 7})],
)
def test_cpus_are_rounded_up(cpus: float, expected: set[int]) -> None:
    with CpuPool(FOUR).chosen(cpus) as chosen:
        assert chosen == expected


def test_runs_at_the_same_time_are_spread() -> None:
    pool = CpuPool(FOUR)
    with pool.chosen(2) as first, pool.chosen(2) as second:
        assert (first, second) == ({2, 3}, {5, 7})
        with pool.chosen(1) as third:
            assert third == {2}
    with pool.reserve(2) as again:
        assert again == {2, 3}


def test_no_more_runs_than_cpus_are_let_in() -> None:
    pool = CpuPool(frozenset({0, 1}))
    inside, most = [], []

    def run() -> None:
        with pool.reserve(1):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    with ThreadPoolExecutor(6) as executor:
        for ended in [executor.submit(run) for _ in range(12)]:
            ended.result()
    assert len(most) == 12
    assert max(most) == 2


def test_a_system_that_cannot_pin() -> None:
    with CpuPool(frozenset()).reserve(2) as chosen:
        assert chosen == frozenset()
