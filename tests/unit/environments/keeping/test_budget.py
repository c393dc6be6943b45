from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.environments.keeping.budget import Budget, Drop, Now, Stored

START = datetime(2026, 1, 1, tzinfo=UTC)


def stored(name: str, size: int, used: int = 0, *, can_go: bool = True) -> Stored:
    return Stored(name, size, START + timedelta(hours=used), can_go)


def test_without_a_limit_the_disk_is_the_limit() -> None:
    budget = Budget(None)
    assert budget.ask("a", 60, (), 100) is Now.ENTER
    assert budget.ask("b", 60, (), 100) is Now.WAIT  # a is still being made, and will take 60
    budget.made("a")
    assert budget.ask("b", 60, (), 40) is Now.REFUSED
    assert budget.ask("b", 60, (), 60) is Now.ENTER


def test_without_a_limit_nothing_is_dropped() -> None:
    assert Budget(None).ask("a", 60, [stored("old", 1000)], 59) is Now.REFUSED


def test_what_is_there_takes_nothing_more() -> None:
    budget = Budget(None)
    assert budget.ask("a", 60, [stored("a", 0)], 5) is Now.ENTER


def test_a_disk_that_cannot_be_asked_is_large_enough() -> None:
    assert Budget(None).ask("a", 10**15, (), None) is Now.ENTER


def test_the_least_recently_used_go_first_and_no_more_than_needed() -> None:
    budget = Budget(100)
    there = [stored("new", 40, used=3), stored("old", 20, used=1), stored("older", 20, used=0)]
    assert budget.ask("a", 50, there, None) == Drop(("older", "old"))
    assert budget.ask("a", 30, there, None) == Drop(("older",))
    assert budget.ask("a", 20, there, None) is Now.ENTER


def test_what_is_in_use_here_or_elsewhere_stays() -> None:
    budget = Budget(100)
    there = [stored("mine", 40), stored("theirs", 30, can_go=False), stored("idle", 30, used=9)]
    assert budget.ask("mine", 1, there, None) is Now.ENTER
    assert budget.ask("a", 30, there, None) == Drop(("idle",))
    assert budget.ask("a", 31, there, None) is Now.WAIT
    budget.leave("mine")
    assert budget.ask("a", 31, there, None) == Drop(("mine",))


def test_what_is_larger_than_the_limit_goes_ahead_alone() -> None:
    budget = Budget(100)
    assert budget.ask("giant", 500, [stored("a", 10)], None) == Drop(("a",))
    assert budget.ask("giant", 500, (), None) is Now.ENTER
    assert budget.ask("b", 1, (), None) is Now.WAIT
    budget.leave("giant")
    assert budget.ask("b", 1, (), None) is Now.ENTER


def test_with_a_limit_the_disk_counts_too() -> None:
    budget = Budget(1000)
    there = [stored("a", 50)]
    assert budget.ask("b", 60, there, 10) == Drop(("a",))
    assert budget.ask("b", 60, (), 10) is Now.ENTER  # the build itself will say that it is full


def test_two_users_of_one_environment_need_room_once() -> None:
    budget = Budget(100)
    assert budget.ask("a", 100, (), None) is Now.ENTER
    assert budget.ask("a", 100, (), None) is Now.ENTER
    budget.leave("a")
    assert budget.uses("a")
    assert budget.ask("b", 1, (), None) is Now.WAIT
    budget.leave("a")
    assert not budget.uses("a")
    assert budget.ask("b", 1, (), None) is Now.ENTER


@dataclass
class Worker:
    """What one thread of a sweep does: enter, make, leave, for one environment after another."""

    tasks: list[str]
    state: str = "outside"


@dataclass
class World:
    """A disk, workers on it, and a scheduler that lets any of them make the next step."""

    budget: Budget
    sizes: dict[str, int]
    expected: dict[str, int]
    fails: frozenset[str]
    workers: list[Worker]
    queue: list[str]
    disk: dict[str, Stored] = field(default_factory=dict)
    clock: int = 0

    def next_task(self, worker: Worker) -> bool:
        if not worker.tasks and self.queue:
            worker.tasks.append(self.queue.pop(0))
        return bool(worker.tasks)

    def step(self, worker: Worker) -> bool:
        """Make a step; False where the worker is done, or has to wait."""
        if not self.next_task(worker):
            return False
        name = worker.tasks[0]
        if worker.state == "outside":
            return self.enter(worker, name)
        if worker.state == "inside" and name in self.fails:
            self.budget.leave(name)
            self.end(worker)
        elif worker.state == "inside":
            self.disk.setdefault(name, stored(name, self.sizes[name], self.clock))
            self.budget.made(name)
            worker.state = "made"
        else:
            self.budget.leave(name)
            self.end(worker)
        return True

    def enter(self, worker: Worker, name: str) -> bool:
        self.clock += 1
        match self.budget.ask(name, self.expected[name], list(self.disk.values()), None):
            case Now.ENTER:
                worker.state = "inside"
                return True
            case Drop(names):
                for victim in names:
                    assert not self.in_use(victim)
                    assert self.disk.pop(victim).can_go
                return True
            case answer:
                assert answer is Now.WAIT
                return False

    def end(self, worker: Worker) -> None:
        worker.state = "outside"
        worker.tasks.pop(0)

    def in_use(self, name: str) -> bool:
        return any(w.state != "outside" and w.tasks[0] == name for w in self.workers)

    @property
    def done(self) -> bool:
        return not self.queue and not any(worker.tasks for worker in self.workers)

    @property
    def taken(self) -> int:
        return sum(one.size_bytes for one in self.disk.values())

    def users(self) -> int:
        return len({w.tasks[0] for w in self.workers if w.state != "outside"})


NAMES = st.sampled_from("abcdefgh")
SIZES = st.fixed_dictionaries(dict.fromkeys("abcdefgh", st.integers(1, 60)))


@settings(max_examples=400, deadline=None)
@given(
    limit=st.integers(1, 150),
    sizes=SIZES,
    expected=SIZES,
    exact=st.booleans(),
    fails=st.frozensets(NAMES, max_size=2),
    before=st.lists(st.tuples(NAMES, st.booleans()), max_size=4, unique_by=lambda one: one[0]),
    queue=st.lists(NAMES, max_size=12),
    workers=st.integers(1, 4),
    choices=st.lists(st.integers(0, 3), max_size=200),
)
def test_some_worker_can_always_go_on(
    limit: int,
    sizes: dict[str, int],
    expected: dict[str, int],
    *,
    exact: bool,
    fails: frozenset[str],
    before: list[tuple[str, bool]],
    queue: list[str],
    workers: int,
    choices: list[int],
) -> None:
    """Whatever is expected, fails, was there or stays: no order of steps ends in a standstill.

    Where sizes are as expected, the limit is only broken by one environment that is alone in use,
    or by what was there and could not go.
    """
    world = World(
        budget=Budget(limit),
        sizes=sizes,
        expected=sizes if exact else expected,
        fails=fails,
        workers=[Worker([]) for _ in range(workers)],
        queue=queue,
        disk={name: stored(name, sizes[name], can_go=can_go) for name, can_go in before},
    )
    order = iter(choices)
    while not world.done:
        first = next(order, 0) % workers
        turn = [*world.workers[first:], *world.workers[:first]]
        assert any(world.step(worker) for worker in turn), "standstill"
        if exact and not before and world.users() > 1:
            assert world.taken <= limit
    assert world.budget.ask("z", 1, (), None) is Now.ENTER  # nobody is in any more


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_sweep_of_equal_environments_stays_within_the_limit(workers: int) -> None:
    names = [f"e{i}" for i in range(9)]
    world = World(
        budget=Budget(20),
        sizes=dict.fromkeys(names, 10),
        expected=dict.fromkeys(names, 10),
        fails=frozenset(),
        workers=[Worker([]) for _ in range(workers)],
        queue=list(names),
    )
    most = 0
    while not world.done:
        assert any([world.step(worker) for worker in world.workers])  # noqa: C419 - all of them
        most = max(most, world.taken)
    assert most == 20
    assert len(world.disk) == 2
