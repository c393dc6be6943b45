from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.environments.engine import CellFailure
from harness.environments.keeping.budget import Stored
from harness.environments.keeping.room import Room
from harness.environments.keeping.uses import Uses
from harness.observation import Ending

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    return tmp_path


@dataclass
class Shelf:
    """A place in memory."""

    sizes: dict[str, int] = field(default_factory=dict)
    free: int | None = None
    refuses: frozenset[str] = frozenset()
    dropped: list[str] = field(default_factory=list)

    def describe(self) -> str:
        return "on the shelf"

    def free_bytes(self) -> int | None:
        return self.free

    def has(self, name: str) -> bool:
        return name in self.sizes

    def stored(self) -> Sequence[Stored]:
        return [Stored(name, size, NOW) for name, size in self.sizes.items()]

    def drop(self, name: str) -> str | None:
        if name in self.refuses:
            return "it is bolted on"
        del self.sizes[name]
        self.dropped.append(name)
        return None


@dataclass
class Asking:
    """A room, and what it said."""

    room: Room
    said: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __call__(self, name: str, size: int) -> CellFailure | None:
        return self.room.enter(name, size, stopped=self.stopped, progress=self.said.append)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def asking(shelf: Shelf, limit: int | None) -> Asking:
    return Asking(Room(shelf, Uses("docker"), limit))


def test_a_full_disk_is_said_with_numbers_and_what_to_do(shelf: Shelf) -> None:
    shelf.free = 600_000_000
    failure = asking(shelf, None)("new", 1_100_000_000)
    assert failure is not None
    assert (failure.ending, failure.type) == (Ending.INFRASTRUCTURE, "DiskFull")
    assert failure.message == (
        "about 1.1 GB of disk are needed, and 600 MB are free on the shelf. `harness images` lists"
        " what the harness keeps, `harness clean --unused` removes what no model's last sweep used,"
        " `--disk SIZE` drops what a sweep is done with"
    )


def test_what_is_there_needs_no_room(shelf: Shelf) -> None:
    shelf.free, shelf.sizes = 0, {"there": 100}
    assert asking(shelf, None)("there", 100) is None


def test_what_was_dropped_is_said_until_it_is_made_again(shelf: Shelf) -> None:
    shelf.sizes = {"a": 60, "b": 30}
    ask = asking(shelf, 100)
    assert ask("c", 40) is None
    assert ask.said == ["dropping a to make room"]
    assert ask.room.dropped == {"a"}
    shelf.sizes["c"] = 40
    ask.room.made("c")
    ask.room.leave("c")
    assert ask("a", 60) is None
    shelf.sizes["a"] = 60
    ask.room.made("a")
    assert ask.room.dropped == {"b"}


def test_what_cannot_be_removed_is_not_tried_again(shelf: Shelf) -> None:
    shelf.sizes, shelf.refuses = {"a": 60, "b": 30}, frozenset("a")
    ask = asking(shelf, 100)
    assert ask("c", 60) is None  # with nothing in use it goes ahead
    assert ask.said == [
        "dropping a to make room",
        "a stays: it is bolted on",
        "dropping b to make room",
    ]
    assert ask.room.dropped == {"b"}


def test_one_waits_for_another_to_leave(shelf: Shelf) -> None:
    ask = asking(shelf, 100)
    assert ask("a", 60) is None
    shelf.sizes["a"] = 60
    ask.room.made("a")
    waiting = Asking(ask.room)
    thread = threading.Thread(target=waiting, args=("b", 60))
    thread.start()
    while not waiting.said:
        thread.join(0.01)
    assert thread.is_alive()
    ask.room.leave("a")
    thread.join(20)
    assert not thread.is_alive()
    assert waiting.said[0] == "waiting for room on the disk"
    assert waiting.said[-1] == "dropping a to make room"
    assert shelf.dropped == ["a"]


def test_one_that_waits_can_be_stopped(shelf: Shelf) -> None:
    ask = asking(shelf, 100)
    assert ask("a", 60) is None
    ask.stopped.set()
    failure = ask("b", 60)
    assert failure is not None
    assert failure.type == "Stopped"


def test_what_never_entered_may_leave(shelf: Shelf) -> None:
    asking(shelf, 100).room.leave("nobody")


def test_a_place_that_raises_takes_nothing(shelf: Shelf) -> None:
    class Broken(Shelf):
        def free_bytes(self) -> int | None:
            raise ConnectionError("gone")

    room = Room(broken := Broken(), Uses("docker"), 100)
    with pytest.raises(ConnectionError):
        Asking(room)("a", 60)
    broken.__class__ = Shelf
    assert Asking(room)("b", 100) is None


def test_while_it_is_in_it_is_held(shelf: Shelf, cache: Path) -> None:
    def held() -> Iterator[Path]:
        return cache.glob("uses-docker/*/held-*")

    ask = asking(shelf, None)
    ask("a", 1)
    ask("a", 1)
    assert len(list(held())) == 1
    ask.room.leave("a")
    assert len(list(held())) == 1
    ask.room.leave("a")
    assert not list(held())


def test_many_workers_come_to_an_end(shelf: Shelf) -> None:
    """Twelve environments through four threads, with room for two: no more are there at once."""
    room = Room(shelf, Uses("docker"), 20)
    names = [f"e{i}" for i in range(12)]
    most: list[int] = []
    lock = threading.Lock()

    def work(mine: Sequence[str]) -> None:
        for name in mine:
            assert Asking(room)(name, 10) is None
            with lock:
                shelf.sizes[name] = 10
                most.append(sum(shelf.sizes.values()))
            room.made(name)
            room.leave(name)

    threads = [threading.Thread(target=work, args=(names[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert len(most) == 12
    assert max(most) == 20
