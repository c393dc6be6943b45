"""Removing from Docker what the harness made, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from docker.models.containers import Container

from harness.environments.abandoned import remove_abandoned
from harness.environments.docker import names
from harness.environments.docker.building.build import remove_stages
from harness.environments.docker.daemon import DOCKER_ERRORS, Daemon, explain
from harness.environments.docker.keeping.build_cache import Record, prune, records_of
from harness.environments.docker.keeping.disk import disk_usage
from harness.environments.docker.keeping.images import remove_environment
from harness.environments.docker.keeping.inventory import docker_inventory
from harness.environments.docker.running.transfer import remove_volumes
from harness.environments.keeping.kept import EVERYTHING, Kept, Kind, Selection
from harness.environments.keeping.uses import Uses
from harness.environments.owner import is_orphan, owner
from harness.sizes import shown_size

__all__ = ["clean_docker", "remove_leftovers", "remove_own_stage_containers"]

_IN_BUILD_CACHE = (Kind.WHEELS, Kind.BUILD_CACHE)


def remove_leftovers(daemon: Daemon) -> tuple[str, ...]:
    """Remove containers, volumes, half-built stages, programs and folders of killed harnesses.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer.
    """
    removed = [
        _remove_container(container)
        for container in _containers(daemon, names.ROLE)
        if is_orphan(container.labels.get(names.OWNER, ""))
    ]
    stages = daemon.client.images.list(filters={"label": f"{names.ROLE}=stage"}, all=True)
    dead = {image.labels.get(names.OWNER, "") for image in stages}
    for label in sorted(filter(is_orphan, dead)):
        remove_stages(daemon, f"{names.OWNER}={label}")
        removed.append("removed the stages of a build that was killed")
    removed.extend(remove_volumes(daemon, is_orphan))
    return (*removed, *remove_abandoned())


def remove_own_stage_containers(daemon: Daemon) -> None:
    """End what classic builds of this process are doing; the builds then fail."""
    for container in _containers(daemon, f"{names.ROLE}=stage"):
        if container.labels.get(names.OWNER) == owner():
            with suppress(*DOCKER_ERRORS):
                container.remove(force=True, v=True)


def clean_docker(daemon: Daemon, uses: Uses, which: Selection = EVERYTHING) -> tuple[str, ...]:
    """Remove what the harness made in Docker, or some of it; say what, and what had to stay.

    An image is the harness's where it has both its label and a name of its repositories: images
    that users build on one inherit the label.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer.
    """
    said = _clean_containers(daemon) if which.everything and not which.dry_run else []
    before = docker_inventory(daemon, uses)
    now = datetime.now(UTC)
    # Volumes and records of builds come after the images that may stand in their way.
    for item in before.items:
        if which.takes(item, now) and item.kind not in _IN_BUILD_CACHE:
            said.append(_remove(daemon, item, uses, dry_run=which.dry_run))
    after = disk_usage(daemon)
    records, pruned_bytes = _prune_build_cache(daemon, after, which, now)
    said.extend(records)
    if which.everything:
        said.extend(
            f"left {item.name}: pulled from a registry, others may use it"
            for item in before.items
            if not item.ours
        )
    if said and not which.dry_run:
        left = docker_inventory(daemon, uses, after).total_bytes - pruned_bytes
        said.append(f"freed {shown_size(max(0, before.total_bytes - left))}")
    return tuple(said)


def _clean_containers(daemon: Daemon) -> list[str]:
    """Remove containers, but those of another harness, and what classic builds left behind."""
    said = []
    for container in _containers(daemon, names.ROLE):
        label = container.labels.get(names.OWNER, "")
        if is_orphan(label) or label == owner():
            said.append(_remove_container(container))
        else:
            said.append(f"left container {container.name}: another harness is running")
    remove_stages(daemon)
    return said


def _containers(daemon: Daemon, label: str) -> list[Container]:
    return daemon.client.containers.list(all=True, filters={"label": label}, ignore_removed=True)


def _remove_container(container: Container) -> str:
    try:
        container.remove(force=True, v=True)
    except DOCKER_ERRORS as error:
        return f"could not remove container {container.name}: {explain(error)[1]}"
    return f"removed container {container.name}"


def _remove(daemon: Daemon, item: Kept, uses: Uses, *, dry_run: bool) -> str:
    """Remove an image or a volume; return what became of it."""
    what = "volume" if item.kind is Kind.VOLUME else "image"
    size = "" if item.size_bytes is None else f" ({shown_size(item.size_bytes)})"
    if item.in_use is not None:
        return f"left {what} {item.name}: {item.in_use}"
    if dry_run:
        return f"would remove {what} {item.name}{size}"
    refused = _refused(daemon, item, uses)
    if refused is not None:
        return f"could not remove {what} {item.name}: {refused}"
    return f"removed {what} {item.name}{size}"


def _refused(daemon: Daemon, item: Kept, uses: Uses) -> str | None:
    """Remove an image or a volume; return why not, where that is refused."""
    if item.kind is Kind.ENVIRONMENT:
        return remove_environment(daemon, item.name, uses)
    try:
        if item.kind is Kind.VOLUME:
            daemon.client.volumes.get(item.name).remove()
        else:
            daemon.client.images.remove(item.name)
    except DOCKER_ERRORS as error:
        return explain(error)[1]
    return None


def _prune_build_cache(
    daemon: Daemon, usage: dict[str, Any], which: Selection, now: datetime
) -> tuple[tuple[str, ...], int]:
    """Remove BuildKit's records of our builds; return what is to be said, and the bytes that went.

    What stays are BuildKit's copies of the last context and Dockerfile, a few kilobytes that say
    of themselves only that they are such copies, and records that an image still uses.
    """
    known = records_of(usage.get("BuildCache") or [])
    chosen = [record for record in known if _takes(which, record, now)]
    size = sum(record.size_bytes for record in chosen)
    if not chosen:
        return (), 0
    if which.dry_run:
        return (f"would remove {_records(len(chosen))} ({shown_size(size)})",), 0
    removed = prune(daemon, chosen)
    said = (
        f"removed {_records(removed)} ({shown_size(size)}); BuildKit keeps a few kilobytes of build"
        " contexts that cannot be told from others'"
    )
    return (said,) if removed else (), size if removed else 0


def _takes(which: Selection, record: Record, now: datetime) -> bool:
    kind = Kind.WHEELS if record.is_wheels else Kind.BUILD_CACHE
    item = Kept(
        kind=kind,
        name=record.id,
        created=record.created,
        last_used=record.last_used,
        unused=not record.is_wheels,
    )
    return not record.in_use and which.takes(item, now)


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'} of the build cache"
