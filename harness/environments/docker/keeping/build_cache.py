"""BuildKit's records of our builds: which there are, and removing them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from harness.environments.docker import names
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.keeping.disk import disk_usage
from harness.environments.docker.keeping.times import parse_time

__all__ = ["Record", "our_records", "prune", "records_of"]

_AT_ONCE = 100
"""Ids in one question: all of them go into its URL."""
_WHEELS = "exec.cachemount"


class Record(NamedTuple):
    """A record of BuildKit's cache."""

    id: str
    size_bytes: int
    """What removing it gives back: nothing where an image has the same layer."""
    is_wheels: bool
    """Whether it is the cache of packages that builds share, not a step of one build."""
    in_use: bool
    created: datetime | None
    last_used: datetime | None

    @property
    def is_step(self) -> bool:
        """Whether it is what a step of a build left."""
        return not self.is_wheels


def our_records(daemon: Daemon) -> tuple[Record, ...]:
    """Return BuildKit's records of our builds.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer.
    """
    return records_of(disk_usage(daemon, "build-cache").get("BuildCache") or [])


def records_of(answer: Iterable[dict[str, Any]]) -> tuple[Record, ...]:
    """Return the records of our builds, known by the folder that their command names.

    BuildKit's copies of the contexts and Dockerfiles are none of them: a few kilobytes that say of
    themselves only that they are such copies.
    """
    return tuple(
        Record(
            id=str(entry["ID"]),
            size_bytes=0 if entry.get("Shared") else max(0, entry.get("Size", 0)),
            is_wheels=entry.get("Type") == _WHEELS,
            in_use=bool(entry.get("InUse")),
            created=parse_time(entry.get("CreatedAt")),
            last_used=parse_time(entry.get("LastUsedAt") or entry.get("CreatedAt")),
        )
        for entry in answer
        if names.FOLDER in (entry.get("Description") or "")
    )


def prune(daemon: Daemon, records: Sequence[Record]) -> int:
    """Remove records; return how many went. Those in use stay.

    BuildKit looks through its whole cache for each question and takes an id for a regular
    expression (`id~=` in the daemon's `builder-next/builder.go`), so many are named in one. One
    that did not go with the others is asked for by itself.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer.
    """
    wanted = [record.id for record in records if record.id.isalnum()]
    gone: set[str] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        gone |= _prune(daemon, "|".join(wanted[start : start + _AT_ONCE]), wanted)
    for one in wanted:
        if one not in gone and len(wanted) > 1:
            gone |= _prune(daemon, one, wanted)
    return len(gone)


def _prune(daemon: Daemon, ids: str, wanted: Sequence[str]) -> set[str]:
    filters: Any = {"id": ids}  # the daemon knows more filters than the type stubs
    answer = daemon.client.api.prune_builds(filters=filters, all=True)
    return set(answer.get("CachesDeleted") or ()).intersection(wanted)
