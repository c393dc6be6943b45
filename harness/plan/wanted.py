"""Which TensorFlow releases an entry of the matrix means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.version import Version

from harness.cell import Device, Platform
from harness.errors import Problem, nearest
from harness.plan.index import Index
from harness.plan.versions import admits, is_exact, minor
from harness.plan.wheels import offers

__all__ = ["Wanted", "overlaps", "wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one entry means: its releases, or what is wrong with it."""

    where: str
    text: str
    versions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: Problem | None = None


def wanted(
    index: Index, text: str, where: str, devices: Sequence[Device], platform: Platform
) -> Wanted:
    """Return the releases that `text`, an exact version or a specifier, means.

    A specifier means the newest patch of each minor it admits, without yanked and pre-releases;
    where that patch has no wheel for `platform` and an older one has, the older one.
    """
    if is_exact(text):
        return _exact(index, text, where)
    groups: dict[tuple[int, int], list[str]] = defaultdict(list)
    for version in _finals(index):
        if admits(text, version):
            groups[minor(version)].append(version)
    if not groups:
        what = f"{text!r} admits no release of TensorFlow"
        problem = Problem(where=where, what=what, allowed=_newest(index))
        return Wanted(where, text, problem=problem)
    versions = tuple(_here(index, group, devices, platform) for group in groups.values())
    return Wanted(where, text, versions)


def overlaps(entries: Iterable[Wanted]) -> tuple[Problem, ...]:
    """Return a problem for each entry that means a release an earlier one means."""
    first: dict[str, str] = {}
    problems = []
    for entry in entries:
        twice: dict[str, list[str]] = defaultdict(list)
        for version in entry.versions:
            if version in first:
                twice[first[version]].append(version)
            first.setdefault(version, entry.where)
        for earlier, versions in twice.items():
            what = f"{entry.text!r} means {', '.join(versions)} again, as {earlier} does"
            hint = "narrow one of them, or remove it"
            problems.append(Problem(where=entry.where, what=what, hint=hint))
    return tuple(problems)


def _exact(index: Index, text: str, where: str) -> Wanted:
    releases = [r for r in index.releases if Version(r.version) == Version(text)]
    if not releases:
        finals = _finals(index)
        problem = Problem(
            where=where,
            what=f"TensorFlow {text} is not in the package index",
            allowed=_newest(index),
            hint=nearest(text, finals),
        )
        return Wanted(where, text, problem=problem)
    version, notes = releases[0].version, []
    if all(release.yanked for release in releases):
        notes.append(f"TensorFlow {version} was yanked; it is here because {where} names it")
    if releases[0].prerelease:
        notes.append(f"TensorFlow {version} is a pre-release; it is here because {where} names it")
    return Wanted(where, text, (version,), tuple(notes))


def _finals(index: Index) -> list[str]:
    """Return every version that is neither yanked nor a pre-release, newest first."""
    versions = {
        release.version
        for release in index.releases
        if not release.yanked and not release.prerelease and release.pythons(None)
    }
    return sorted(versions, key=Version, reverse=True)


def _newest(index: Index) -> str:
    return f"the newest are {', '.join(_finals(index)[:3])}"


def _here(
    index: Index, versions: Sequence[str], devices: Sequence[Device], platform: Platform
) -> str:
    for version in versions:
        if any(offers(index, version, device, platform) for device in devices):
            return version
    return versions[0]
