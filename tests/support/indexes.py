"""A small package index to plan against."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from harness.plan.index import Index
from harness.plan.plan import IndexState
from harness.plan.releases import Release, Wheel

DAY = datetime(2022, 5, 1, tzinfo=UTC)
LINUX = "manylinux2014_x86_64"


def wheel(python: str, platform: str = LINUX, *, yanked: bool = False, day: int = 1) -> Wheel:
    tag = f"cp{python.replace('.', '')}"
    abi = f"{tag}m" if python in {"3.6", "3.7"} else tag
    uploaded = DAY.replace(day=day)
    return Wheel(
        python_tag=tag, abi_tag=abi, platform_tag=platform, uploaded=uploaded, yanked=yanked
    )


def release(
    version: str,
    pythons: str,
    name: str = "tensorflow",
    *,
    platforms: Iterable[str] = (LINUX,),
    yanked: bool = False,
) -> Release:
    wheels = [wheel(p, tag, yanked=yanked) for p in pythons.split() for tag in platforms]
    return Release(distribution=name, version=version, wheels=tuple(wheels))


def index(*releases: Release) -> Index:
    return Index(releases=releases, state=IndexState(retrieved=DAY, source="network"))


MAC = "macosx_12_0_arm64"

SMALL = index(
    release("1.15.5", "3.6 3.7"),
    release("1.15.5", "3.6 3.7", "tensorflow-gpu"),
    release("2.0.4", "3.6 3.7"),
    release("2.4.3", "3.6 3.7 3.8"),
    release("2.4.4", "3.6 3.7 3.8"),
    release("2.4.4", "3.6 3.7 3.8", "tensorflow-cpu"),
    release("2.13.1", "3.8 3.9 3.10 3.11", platforms=(LINUX, MAC)),
    release("2.13.1", "3.8 3.9 3.10", "tensorflow-cpu"),
    release("2.15.0", "3.9 3.10 3.11", platforms=(LINUX, MAC)),
    release("2.15.1", "3.9 3.10 3.11"),
    release("2.15.2", "3.9 3.10 3.11", yanked=True),
    release("2.16.1", "3.9 3.10 3.11 3.12", platforms=(LINUX, MAC)),
    release("2.17.0rc0", "3.12", platforms=(LINUX, MAC)),
)
"""2.13.1 has a `tensorflow-cpu` for fewer Pythons; 2.15.1 has no wheel for macOS."""
