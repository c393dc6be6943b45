from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.cell import Device
from harness.environments.keeping import uses as module
from harness.environments.keeping.uses import EXPECTED_BYTES, Use, Uses, no_longer_used
from tests.support import fakes

START = datetime(2026, 1, 1, tzinfo=UTC)
TAG = "tensorflow-environment-matrix:tf2.15.1-py3.11-cpu-0be58e4a9cd7"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    return tmp_path


def use(sweep: str, *, place: str = TAG, model: str = "digits", day: int = 0) -> Use:
    at = START + timedelta(days=day)
    return Use(place=place, cell="tf2.15.1-py3.11-cpu", model=model, sweep=sweep, at=at)


def test_uses_come_back_the_newest_first() -> None:
    uses = Uses("docker")
    for i in (1, 3, 2):
        uses.note(use(f"s{i}", day=i))
    uses.note(use("s9", place="other"))
    found = uses.all()
    assert [one.sweep for one in found[TAG]] == ["s3", "s2", "s1"]
    assert found["other"] == (use("s9", place="other"),)
    assert Uses("venv").all() == {}


def test_a_sweep_that_goes_on_is_noted_once() -> None:
    uses = Uses("docker")
    uses.note(use("s1", day=1))
    uses.note(use("s1", day=2))
    assert uses.all()[TAG] == (use("s1", day=2),)


def test_only_the_last_are_kept() -> None:
    uses = Uses("docker")
    for i in range(25):
        uses.note(use(f"s{i}", day=i))
    assert [one.sweep for one in uses.all()[TAG]] == [f"s{i}" for i in range(24, 4, -1)]


def test_what_is_forgotten_is_gone() -> None:
    uses = Uses("docker")
    uses.note(use("s1"))
    uses.forget(TAG)
    assert uses.all() == {}
    assert list(uses.folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"schema": 2}', b"[" * 70_000])
def test_a_damaged_note_is_none(content: bytes) -> None:
    uses = Uses("docker")
    uses.note(use("s1"))
    uses.note(use("s2", day=1))
    damaged = sorted(uses.folder.glob("*/*.json"))[0]
    survivor = use("s2", day=1) if b'"s1"' in damaged.read_bytes() else use("s1")
    damaged.write_bytes(content)
    assert uses.all() == {TAG: (survivor,)}
    uses.note_size(fakes.cell(), 5)
    next(module.cache_directory().glob("uses-docker/sizes/*.json")).write_bytes(content)
    assert uses.expected_bytes(fakes.cell()) == EXPECTED_BYTES[Device.CPU]


def test_a_cache_that_cannot_be_written_is_no_matter(cache: Path) -> None:
    (cache / "uses-docker").write_text("a file where a folder should be")
    uses = Uses("docker")
    uses.note(use("s1"))
    uses.hold(TAG)
    uses.let_go(TAG)
    uses.note_size(fakes.cell(), 5)
    uses.forget(TAG)
    assert uses.all() == {}
    assert not uses.held_elsewhere(TAG)
    assert uses.expected_bytes(fakes.cell()) == EXPECTED_BYTES[Device.CPU]


def test_what_this_process_holds_is_held_elsewhere_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uses = Uses("docker")
    uses.hold(TAG)
    assert not uses.held_elsewhere(TAG)
    assert not uses.others_at_work()
    monkeypatch.setattr(module, "owner", lambda: "another:1:2.00")
    assert uses.held_elsewhere(TAG)
    assert uses.others_at_work()
    assert not uses.held_elsewhere("another tag")


def test_a_process_that_died_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    uses = Uses("docker")
    dead = f"{os.uname().nodename}:{os.getpid()}:0.00"  # our number, but another start
    with monkeypatch.context() as patch:
        patch.setattr(module, "owner", lambda: dead)
        uses.hold(TAG)
    assert len(list(uses.folder.glob("*/held-*"))) == 1
    assert not uses.held_elsewhere(TAG)
    assert list(uses.folder.glob("*/held-*")) == []


def test_sizes_are_expected_as_last_measured() -> None:
    uses = Uses("docker")
    old, new = fakes.cell("2.8.4"), fakes.cell("2.15.1")
    assert uses.expected_bytes(new) == 1_100_000_000
    assert uses.expected_bytes(fakes.cell(device=Device.CUDA)) == 4_700_000_000
    uses.note_size(new, 1_263_000_000)
    assert uses.expected_bytes(fakes.cell("2.15.1", "3.9")) == 1_263_000_000
    assert uses.expected_bytes(old) == 1_100_000_000
    assert Uses("venv").expected_bytes(new) == 1_100_000_000
    uses.note_size(new, None)
    assert uses.expected_bytes(new) == 1_263_000_000


def test_unused_is_what_the_last_sweep_of_no_model_used() -> None:
    noted = {
        "both": (use("new", day=5), use("old", day=1)),
        "before": (use("old", day=1),),
        "of another model": (use("only", model="other", day=0),),
        "gone": (use("new", day=5),),
    }
    there = ["both", "before", "of another model", "never noted"]
    assert no_longer_used(noted, there) == {"before", "never noted"}
    assert no_longer_used({}, there) == set(there)
