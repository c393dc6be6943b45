from __future__ import annotations

import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import APIError

from harness.environments.docker import names
from harness.environments.docker.clean import clean_docker
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.keeping import disk
from harness.environments.docker.keeping.build_cache import Record, prune, records_of
from harness.environments.docker.keeping.disk import free_bytes, local_storage
from harness.environments.docker.keeping.images import DockerPlace
from harness.environments.docker.keeping.inventory import docker_inventory, own_tags
from harness.environments.docker.keeping.times import parse_time
from harness.environments.keeping.kept import Inventory, Kept, Kind, Selection
from harness.environments.keeping.uses import Use, Uses
from harness.environments.owner import owner

MADE = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
USED = datetime(2026, 2, 3, tzinfo=UTC)
ENV, OLD, BASE, UV = (
    f"{names.ENVIRONMENTS}:tf2.15.1-0be5",
    f"{names.ENVIRONMENTS}:tf2.4.4-3656",
    f"{names.BASES}:py3.11-b227",
    f"{names.INSTALLERS}:0.13.8",
)
PULLED = "python:3.8-slim@sha256:77"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))


def image(
    *tags: str, size: int, shared: int = 0, role: str | None = "environment", base: str = BASE
) -> dict[str, Any]:
    labels = {} if role is None else {names.ROLE: role, f"{names.ENVIRONMENTS}.base": base}
    return {
        "Id": f"sha256:{tags[0]}",
        "RepoTags": list(tags),
        "RepoDigests": [],
        "Size": size,
        "SharedSize": shared,
        "Created": MADE,
        "Labels": labels,
    }


def record(name: str, **fields: object) -> dict[str, Any]:
    command = f"mount / from exec /bin/sh -c sh {names.FOLDER}/install.sh"
    known = {"ID": name, "Type": "regular", "Description": command, "Size": 5, "Shared": False}
    return known | {"CreatedAt": "2026-01-01T00:00:00.123456789Z", "InUse": False} | fields


IMAGES = (
    image(ENV, size=1000, shared=100),
    image(OLD, size=700, shared=300, base=PULLED),
    image(BASE, size=100, shared=100, role="base"),
    image(UV, size=40, role="installer"),
    image("mine:inherits", size=2000, shared=1000),
    image("python:3.8-slim", size=300, shared=300, role=None)
    | {"RepoDigests": ["python@sha256:77"]},
    image(f"{names.ENVIRONMENTS}:no-label", size=1, role=None),
)
ROOTS = {
    "nvidia/cuda:11.2-runtime@sha256:88": "d",
    ENV: "a",
    BASE: "a",
    OLD: "b",
    PULLED: "b",
    UV: "c",
}


@dataclass
class FakeDocker:
    """A daemon's API with these images; what is removed is gone."""

    images_there: list[dict[str, Any]] = field(default_factory=lambda: list(IMAGES))
    records: list[dict[str, Any]] = field(default_factory=list)
    volumes_there: list[dict[str, Any]] = field(default_factory=list)
    running: list[dict[str, Any]] = field(default_factory=list)
    info_said: dict[str, Any] = field(default_factory=dict)
    literal_ids: bool = False
    base_url: str = "http+docker://localhost"
    api_version: str = "1.41"
    busy: int = 0
    """How often the next question for the disk is refused, since somebody else asks."""
    asked: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def daemon(self) -> Daemon:
        client = SimpleNamespace(
            api=self,
            images=SimpleNamespace(
                get=self._image,
                remove=self._remove,
                list=lambda **_: [],  # no stages
            ),
            volumes=SimpleNamespace(get=lambda name: SimpleNamespace(remove=lambda: None)),
            containers=SimpleNamespace(list=lambda **_: []),
            info=lambda: self.info_said,
        )
        made = cast("Any", client)
        return Daemon(client=made, hasty=made, version="1", machine="x86_64", cpus=1, security=())

    def df(self) -> dict[str, Any]:
        if self.busy:
            self.busy -= 1
            raise APIError("no", explanation="a disk usage operation is already running")
        return {
            "Images": self.images_there,
            "BuildCache": self.records,
            "Volumes": self.volumes_there,
        }

    def images(self, **_: object) -> list[dict[str, Any]]:
        return self.images_there

    def containers(self, **_: object) -> list[dict[str, Any]]:
        return self.running

    def prune_builds(self, *, filters: dict[str, str], all: bool) -> dict[str, Any]:  # noqa: A002
        self.asked.append(filters["id"])
        wanted = [filters["id"]] if self.literal_ids else filters["id"].split("|")
        gone = [one["ID"] for one in self.records if one["ID"] in wanted and not one["InUse"]]
        self.records = [one for one in self.records if one["ID"] not in gone]
        return {"CachesDeleted": gone, "SpaceReclaimed": 5 * len(gone)}

    def _image(self, reference: str) -> Any:
        return SimpleNamespace(attrs={"RootFS": {"Layers": [ROOTS[reference]]}})

    def _remove(self, tag: str) -> None:
        self.removed.append(tag)
        self.images_there = [one for one in self.images_there if tag not in one["RepoTags"]]


def listed(fake: FakeDocker) -> Inventory:
    return docker_inventory(fake.daemon, Uses("docker"))


def by_name(fake: FakeDocker) -> dict[str, Kept]:
    return {item.name: item for item in listed(fake).items}


def note(place: str, sweep: str, at: datetime = USED) -> None:
    Uses("docker").note(Use(place=place, cell="tf", model="digits", sweep=sweep, at=at))


def test_only_what_has_label_and_name_is_ours() -> None:
    assert [name for one in IMAGES for name in own_tags(one)] == [ENV, OLD, BASE, UV]
    assert own_tags({"RepoTags": None, "Labels": None}) == ()
    assert own_tags(image(f"localhost/{ENV}", size=1)) == (ENV,)
    assert own_tags(image(f"elsewhere.example/{ENV}", size=1)) == ()
    items = by_name(FakeDocker())
    assert list(items) == [ENV, OLD, BASE, PULLED, UV]
    assert [item.name for item in items.values() if not item.ours] == [PULLED]


def test_what_is_shared_counts_once() -> None:
    inventory = listed(FakeDocker())
    # 900 + 400 + 0 + 40 of their own and the base's 100; the pulled base's 300 are not ours.
    assert (inventory.total_bytes, inventory.not_ours_bytes) == (1440, 300)


def test_an_environment_says_who_used_it() -> None:
    note(ENV, "s1", datetime(2026, 1, 5, tzinfo=UTC))
    note(ENV, "s2")
    note(OLD, "s1", datetime(2026, 1, 5, tzinfo=UTC))
    items = by_name(FakeDocker())
    env, old = items[ENV], items[OLD]
    assert (env.cell, env.last_used, env.sweeps) == ("tf", USED, ("digits/s2", "digits/s1"))
    assert (env.unused, old.unused) == (False, True)
    assert (items[BASE].unused, items[BASE].last_used) == (False, USED)
    assert (env.size_bytes, env.shared_bytes) == (1000, 100)


def test_what_was_mounted_is_noted_of_its_base() -> None:
    note(BASE, "s1")
    volume = {"Name": names.VOLUME, "Labels": {names.ROLE: "cache"}}
    fake = FakeDocker(images_there=[IMAGES[2]], volumes_there=[volume])
    items = by_name(fake)
    base = items[BASE]
    assert (base.last_used, base.unused, base.sweeps) == (USED, False, ("digits/s1",))
    assert items[names.VOLUME].last_used == USED
    note(BASE, "s0", datetime(2026, 1, 5, tzinfo=UTC))
    note("elsewhere", "s2", datetime(2026, 3, 5, tzinfo=UTC))
    assert by_name(fake)[BASE].unused


def test_where_cuda_was_taken_from_is_listed_and_not_ours() -> None:
    cuda = "nvidia/cuda:11.2-runtime@sha256:88"
    env = image(ENV, size=1000, shared=100)
    env["Labels"][f"{names.ENVIRONMENTS}.cuda"] = cuda
    theirs = image("nvidia/cuda:11.2-runtime", size=500, role=None)
    theirs["RepoDigests"] = ["nvidia/cuda@sha256:88"]
    fake = FakeDocker(images_there=[env, IMAGES[2], theirs])
    assert [name for name, item in by_name(fake).items() if not item.ours] == [cuda]
    assert listed(fake).not_ours_bytes == 500


def test_what_a_container_uses_is_in_use_with_its_base() -> None:
    fake = FakeDocker(running=[{"ImageID": f"sha256:{ENV}", "Names": ["/mine"]}])
    items = by_name(fake)
    assert items[ENV].in_use == "container mine uses it"
    assert items[BASE].in_use == f"{ENV} stays"
    assert items[OLD].in_use is None


def test_sizes_the_daemon_does_not_tell() -> None:
    fake = FakeDocker(images_there=[image(UV, size=40, shared=-1, role="installer")])
    assert by_name(fake)[UV].shared_bytes == 0
    assert listed(fake).total_bytes == 40


def test_volumes_and_records_of_ours() -> None:
    fake = FakeDocker(
        images_there=[],
        records=[
            record("wheels", Type="exec.cachemount", Size=50),
            record("one"),
            record("layer", Shared=True, Size=900),
            record("theirs", Description="RUN make"),
            record("context", Type="source.local", Description="local source for context"),
        ],
        volumes_there=[
            {"Name": names.CACHE, "Labels": {names.ROLE: "cache"}, "UsageData": {"Size": 70}},
            {"Name": "mine", "Labels": {names.ROLE: "cache"}, "UsageData": {"Size": 1}},
            {"Name": f"{names.CACHE}-not-labelled", "Labels": None, "UsageData": None},
        ],
    )
    inventory = listed(fake)
    assert [(item.kind, item.size_bytes) for item in inventory.items] == [
        (Kind.VOLUME, 70),
        (Kind.WHEELS, 50),
        (Kind.BUILD_CACHE, 5),
    ]
    assert inventory.total_bytes == 125


def test_what_a_run_was_sent_stays_while_its_harness_lives() -> None:
    volumes = [
        {"Name": f"{names.ENVIRONMENTS}-{i}", "Labels": {names.ROLE: "run", names.OWNER: label}}
        for i, label in enumerate(("another:1:2.00", f"{socket.gethostname()}:1:0.00", owner()))
    ]
    items = listed(FakeDocker(images_there=[], volumes_there=volumes)).items
    assert [item.in_use for item in items] == ["another harness is at work", None, None]
    assert all(item.unused for item in items)


def clean(fake: FakeDocker, **which: Any) -> tuple[str, ...]:
    return clean_docker(fake.daemon, Uses("docker"), Selection(**which))


def test_unused_goes_with_what_only_it_needs() -> None:
    note(ENV, "s2")
    note(OLD, "s1", datetime(2026, 1, 5, tzinfo=UTC))
    fake = FakeDocker(records=[record("one"), record("w", Type="exec.cachemount")])
    assert clean(fake, unused=True) == (
        f"removed image {OLD} (700 bytes)",
        "removed 1 record of the build cache (5 bytes); BuildKit keeps a few kilobytes of build"
        " contexts that cannot be told from others'",
        "freed 405 bytes",
    )
    assert fake.removed == [OLD]
    assert Uses("docker").all().keys() == {ENV}


def test_a_dry_run_removes_nothing() -> None:
    fake = FakeDocker(records=[record("one")])
    said = clean(fake, dry_run=True)
    assert said[:2] == (
        f"would remove image {ENV} (1.0 kB)",
        f"would remove image {OLD} (700 bytes)",
    )
    assert "would remove 1 record of the build cache (5 bytes)" in said
    assert (fake.removed, len(fake.records), fake.asked) == ([], 1, [])


def test_all_leaves_what_is_not_ours() -> None:
    fake = FakeDocker()
    said = clean(fake)
    assert fake.removed == [ENV, OLD, BASE, UV]
    assert said[-2:] == (
        f"left {PULLED}: pulled from a registry, others may use it",
        "freed 1.4 kB",
    )
    assert [one["RepoTags"][0] for one in fake.images_there] == [
        "mine:inherits",
        "python:3.8-slim",
        f"{names.ENVIRONMENTS}:no-label",
    ]
    assert clean(fake) == ()


def test_what_another_harness_uses_stays_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = "harness.environments.keeping.uses.owner"
    with monkeypatch.context() as patch:
        patch.setattr(uses, lambda: "another:1:2.00")
        Uses("docker").hold(ENV)
    fake = FakeDocker()
    said = clean(fake, unused=True)
    assert said[0] == f"left image {ENV}: another harness uses it"
    assert f"left image {BASE}: another harness is at work" in said
    assert fake.removed == [OLD]


def test_a_record_that_is_in_use_stays() -> None:
    fake = FakeDocker(images_there=[], records=[record("busy", InUse=True), record("idle")])
    clean(fake, unused=True)
    assert [one["ID"] for one in fake.records] == ["busy"]


def test_a_daemon_that_answers_once_at_a_time_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disk, "_PAUSES_SECONDS", (0.0, 0.0))
    assert len(disk.disk_usage(FakeDocker(busy=2).daemon)["Images"]) == len(IMAGES)
    with pytest.raises(APIError):
        disk.disk_usage(FakeDocker(busy=3).daemon)


def test_a_new_daemon_is_asked_for_one_kind_alone() -> None:
    class New(FakeDocker):
        def _url(self, path: str) -> str:
            return path

        def _get(self, reference: str, params: object = None) -> Any:
            return (reference, params)

        def _result(self, answer: object, *, json: bool) -> dict[str, Any]:
            return {"asked": answer}

    fake = New(api_version="1.42")
    assert disk.disk_usage(fake.daemon, "build-cache") == {
        "asked": ("/system/df", {"type": ["build-cache"]})
    }
    assert disk.disk_usage(fake.daemon).keys() == {"Images", "BuildCache", "Volumes"}


def records(*entries: dict[str, Any]) -> tuple[Record, ...]:
    return records_of(entries)


@pytest.mark.parametrize("literal_ids", [False, True])
def test_records_go_in_few_questions(*, literal_ids: bool) -> None:
    entries = [record(f"id{i}") for i in range(250)]
    fake = FakeDocker(records=[*entries, record("other", Description="RUN make")])
    fake.literal_ids = literal_ids
    assert prune(fake.daemon, records(*entries)) == 250
    assert [one["ID"] for one in fake.records] == ["other"]
    assert len(fake.asked) == (253 if literal_ids else 3)


def test_an_id_that_is_more_than_a_word_is_never_asked_for() -> None:
    fake = FakeDocker(records=[record(".*"), record("a|b")])
    assert prune(fake.daemon, records(*fake.records)) == 0
    assert fake.asked == []


def test_dropping_takes_the_steps_that_no_image_has_any_more() -> None:
    fake = FakeDocker(
        records=[
            record("gone"),
            record("layer", Shared=True),
            record("wheels", Type="exec.cachemount"),
        ]
    )
    place = DockerPlace(fake.daemon, Uses("docker"))
    assert place.drop(OLD) is None
    assert (fake.removed, [one["ID"] for one in fake.records]) == ([OLD], ["layer", "wheels"])


def test_what_may_be_dropped() -> None:
    note(ENV, "s1")
    fake = FakeDocker(running=[{"ImageID": f"sha256:{OLD}", "Names": None}])
    stored = {one.name: one for one in DockerPlace(fake.daemon, Uses("docker")).stored()}
    assert stored.keys() >= {ENV, OLD}
    assert (stored[ENV].size_bytes, stored[ENV].last_used, stored[ENV].can_go) == (1000, USED, True)
    assert (stored[OLD].last_used, stored[OLD].can_go) == (parse_time(MADE), False)


def test_the_disk_is_only_asked_where_it_is_this_machines(tmp_path: Path) -> None:
    here = {"DockerRootDir": str(tmp_path), "Name": socket.gethostname()}
    unix = "http+docker://localhost"
    assert local_storage(here, unix) == tmp_path
    assert local_storage(here, "https://far.example:2376") is None
    assert local_storage(here | {"Name": "far"}, unix) is None
    assert local_storage(here | {"DockerRootDir": str(tmp_path / "none")}, unix) is None
    assert local_storage({}, unix) is None
    assert free_bytes(FakeDocker(info_said={}).daemon) is None
    assert (free_bytes(FakeDocker(info_said=here).daemon) or 0) > 0


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (MADE, datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T01:00:00+01:00", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00:00.123456789Z", datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        (0, None),
        (10**30, None),
        ("yesterday", None),
        (None, None),
        ([], None),
    ],
)
def test_moments(value: object, moment: datetime | None) -> None:
    assert parse_time(value) == moment
