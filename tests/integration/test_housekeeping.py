"""Listing, cleaning and rationing images, for real: tiny images in a Docker daemon."""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.cell import Cell, Distribution, Resolution
from harness.environments.docker import names
from harness.environments.docker.building.cli import find_cli
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.engine import DockerEngine
from harness.environments.docker.keeping.build_cache import our_records
from harness.environments.engine import CellFailure, Environment, Lock
from harness.environments.folders import remove_tree
from harness.environments.keeping.kept import Kept, Kind, Selection
from harness.environments.keeping.uses import Use, Uses
from harness.environments.options import Options
from harness.environments.venv.engine import VenvEngine
from harness.environments.venv.keeping import VenvPlace
from harness.observation import Ending
from harness.paths import cache_directory
from harness.report.images import render_inventories
from tests.integration.engine_contract import PYTHON, make, silent, tiny_cell
from tests.support.apart import apart_from_others
from tests.support.require import docker_daemon
from tests.support.servers import Files, package_index, serving, wheel

FILE = "tinything-1.0-py3-none-any.whl"
CONTENT = wheel("tinything")


@pytest.fixture(scope="module")
def daemon() -> Daemon:
    return docker_daemon()


@pytest.fixture(scope="module")
def apart(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Other names than the harness's own, so that all this removes is what it made."""
    with apart_from_others(daemon, tmp_path_factory.mktemp("cache")) as own:
        yield own


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """An index on this machine with one small package."""
    files = Files(package_index("tinything", CONTENT, FILE))
    with serving(files) as port:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{port}/simple")
        yield files


@pytest.fixture
def engine(daemon: Daemon, apart: str, index: Files) -> Iterator[DockerEngine]:
    """An engine without environments; its base and installer are kept from test to test."""
    made = DockerEngine(daemon, find_cli())
    yield made
    for item in made.inventory().items:
        if item.kind is Kind.ENVIRONMENT:
            daemon.client.images.remove(item.name)
    remove_tree(cache_directory() / "uses-docker")


CELL = Cell(
    tensorflow="1.0",
    python=PYTHON,
    resolution=Resolution.TODAY,
    distribution=Distribution(
        name="tinything", version="1.0", released=datetime(2021, 1, 1, tzinfo=UTC)
    ),
)


def another_lock() -> Lock:
    """A lock of the same package that no image has yet."""
    return Lock(
        text=f"tinything==1.0 --hash=sha256:{hashlib.sha256(CONTENT).hexdigest()}\n",
        packages={"tinything": "1.0"},
        digest=uuid.uuid4().hex,
        distribution="tinything",
        installer="uv",
        python=PYTHON,
    )


def build(engine: DockerEngine, lock: Lock) -> Environment:
    made = engine.build(CELL, lock, silent)
    assert isinstance(made, Environment), made
    return made


def note(environment: Environment, sweep: str, *, hours_ago: float, model: str = "tiny") -> None:
    at = datetime.now(UTC) - timedelta(hours=hours_ago)
    cell = CELL.environment_id
    Uses("docker").note(Use(place=environment.location, cell=cell, model=model, sweep=sweep, at=at))


def environments(engine: DockerEngine) -> dict[str, Kept]:
    items = engine.inventory().items
    return {item.name: item for item in items if item.kind is Kind.ENVIRONMENT}


def present(daemon: Daemon) -> int:
    """Bytes of the images of environments, bases included."""
    images = daemon.client.api.images(name=names.ENVIRONMENTS)
    return sum(image["Size"] for image in images)


@pytest.mark.docker
class TestDocker:
    def test_images_are_listed_and_only_the_right_ones_removed(
        self, engine: DockerEngine, daemon: Daemon, apart: str
    ) -> None:
        old, new, other = (build(engine, another_lock()) for _ in range(3))
        for made in (old, new, other):
            engine.release(made)
        note(old, "s1", hours_ago=30)
        note(new, "s2", hours_ago=20)
        note(other, "s1", hours_ago=10, model="another")
        theirs = f"{apart}s-neighbour"
        container = daemon.client.containers.create(old.location, ["true"])
        container.commit(repository=theirs, tag="on-ours")  # it inherits our label
        container.remove()
        try:
            items = environments(engine)
            assert items.keys() == {old.location, new.location, other.location}
            assert items[new.location].sweeps == ("tiny/s2",)
            assert [items[each.location].unused for each in (old, new, other)] == [
                True,
                False,
                False,
            ]
            inventory = engine.inventory()
            one = items[old.location]
            assert one.size_bytes is not None
            assert 0 < one.shared_bytes <= one.size_bytes
            base = sum(item.size_bytes or 0 for item in inventory.items if item.kind is Kind.BASE)
            unique = sum((item.size_bytes or 0) - item.shared_bytes for item in items.values())
            assert base + unique <= inventory.total_bytes < 2 * base + unique + 100_000_000
            assert old.location in render_inventories((inventory,), width=150)

            assert engine.clean(Selection(unused=True, older_than=timedelta(hours=40))) == ()
            would = engine.clean(Selection(unused=True, dry_run=True))
            assert any(old.location in line for line in would)
            assert environments(engine).keys() == items.keys()

            said = engine.clean(Selection(unused=True))
            assert [line.split(" (")[0] for line in said if " image " in line] == [
                f"removed image {old.location}"
            ]
            assert said[-1].startswith("freed ")
            said = engine.clean(Selection(older_than=timedelta(hours=15)))
            assert [line.split(" (")[0] for line in said if " image " in line] == [
                f"removed image {new.location}"
            ]
            assert environments(engine).keys() == {other.location}
            assert daemon.client.images.list(theirs)
            assert Uses("docker").all().keys() == {other.location}
            kinds = {item.kind for item in engine.inventory().items}
            assert {Kind.BASE, Kind.INSTALLER} <= kinds  # another environment stands on them
        finally:
            daemon.client.images.remove(f"{theirs}:on-ours")

    def test_what_is_in_use_stays(
        self, engine: DockerEngine, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(
                "harness.environments.keeping.uses.owner", lambda: "another-machine:1:2.00"
            )
            held = build(engine, another_lock())
        container = daemon.client.containers.create(
            (used := build(engine, another_lock())).location, ["true"], name=f"user-{os.getpid()}"
        )
        try:
            said = engine.clean(Selection(unused=True))
            assert f"left image {held.location}: another harness uses it" in said
            assert f"left image {used.location}: container user-{os.getpid()} uses it" in said
            assert environments(engine).keys() == {held.location, used.location}
        finally:
            container.remove()

    def test_a_sweep_degrades_within_its_share_of_the_disk(
        self, engine: DockerEngine, daemon: Daemon
    ) -> None:
        first = build(engine, another_lock())
        size = first.facts.image.size_bytes if first.facts.image else None
        assert size is not None
        locks = [another_lock() for _ in range(5)]
        small = DockerEngine(daemon, find_cli(), Options(disk_bytes=int(2.5 * size)))
        made: list[str] = []
        taken: list[int] = []
        said: list[str] = []

        def work(mine: Sequence[Lock]) -> None:
            for lock in mine:
                environment = small.build(CELL, lock, said.append)
                assert isinstance(environment, Environment), environment
                taken.append(present(daemon))
                assert daemon.client.images.get(environment.location)  # not while it is in use
                made.append(environment.location)
                small.release(environment)

        threads = [threading.Thread(target=work, args=(locks[i::3],)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(made) == 5
        assert max(taken) <= 2.5 * size
        left = set(environments(engine))
        assert len(left) == 2
        assert small.dropped() == {first.location, *made} - left
        assert f"dropping {first.location} to make room" in said
        # Nothing of the dropped ones is left in BuildKit's cache; the packages are.
        steps = [one for one in our_records(daemon) if not one.is_wheels]
        assert sum(one.size_bytes for one in steps) == 0
        again = small.build(CELL, locks[0], silent)
        assert isinstance(again, Environment)
        assert again.location not in small.dropped()

    def test_one_environment_larger_than_the_share_is_made_all_the_same(
        self, daemon: Daemon, engine: DockerEngine
    ) -> None:
        tight = DockerEngine(daemon, find_cli(), Options(disk_bytes=1000))
        for lock in (another_lock(), another_lock()):
            tight.release(build(tight, lock))
        assert len(environments(tight)) == 1

    def test_too_little_disk_is_said_before_anything_is_built(
        self, engine: DockerEngine, daemon: Daemon
    ) -> None:
        if engine.inventory().free_bytes is None:
            pytest.skip("the daemon's disk is not this machine's")
        Uses("docker").note_size(CELL, 2**50)
        failure = engine.build(CELL, another_lock(), silent)
        assert isinstance(failure, CellFailure)
        assert (failure.ending, failure.type) == (Ending.INFRASTRUCTURE, "DiskFull")
        assert failure.message.startswith("about 1126 TB of disk are needed, and ")
        assert "where Docker keeps images (" in failure.message
        assert "harness clean --unused" in failure.message
        assert environments(engine) == {}


class TestVenv:
    @pytest.fixture
    def venv(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VenvEngine:
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
        return VenvEngine()

    def test_venvs_are_listed_and_removed(self, venv: VenvEngine) -> None:
        old, new = make(venv, tiny_cell("1.16.0")), make(venv, tiny_cell("1.15.0"))
        for i, made in enumerate((old, new)):
            at = datetime.now(UTC) - timedelta(hours=9 - i)
            use = Use(place=made.location, cell="tf", model="tiny", sweep=f"s{i}", at=at)
            Uses("venv").note(use)
        inventory = venv.inventory()
        items = {item.name: item for item in inventory.items}
        assert items.keys() >= {old.location, new.location}
        assert (items[old.location].unused, items[new.location].unused) == (True, False)
        assert inventory.total_bytes <= sum(item.size_bytes or 0 for item in inventory.items)
        said = venv.clean(Selection(unused=True))
        assert said[0].startswith(f"removed {old.location} (")
        assert not Path(old.location).exists()
        assert Path(new.location).exists()
        assert make(venv, tiny_cell("1.15.0")).reused
        assert any(line.startswith("freed ") for line in venv.clean())
        assert venv.inventory().items == ()
        assert venv.clean() == ()

    def test_too_little_disk_is_said(
        self, venv: VenvEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(VenvPlace, "free_bytes", lambda self: 1_000_000)
        lock = venv.lock(tiny_cell(), (), silent)
        assert isinstance(lock, Lock)
        failure = venv.build(tiny_cell(), lock, silent)
        assert isinstance(failure, CellFailure)
        assert failure.type == "DiskFull"
        assert "1.1 GB of disk are needed, and 1.0 MB are free where venvs are" in failure.message
