"""Removing from Docker what the harness made, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from docker.models.containers import Container
from docker.models.images import Image

from harness.environments.abandoned import remove_abandoned
from harness.environments.docker import names
from harness.environments.docker.building.build import remove_stages
from harness.environments.docker.daemon import DOCKER_ERRORS, Daemon, explain
from harness.environments.owner import is_orphan, owner

__all__ = ["clean_docker", "remove_leftovers", "remove_own_stage_containers"]


def remove_leftovers(daemon: Daemon) -> tuple[str, ...]:
    """Remove containers, half-built stages, programs and folders of harnesses that were killed.

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
    return (*removed, *remove_abandoned())


def remove_own_stage_containers(daemon: Daemon) -> None:
    """End what classic builds of this process are doing; the builds then fail."""
    for container in _containers(daemon, f"{names.ROLE}=stage"):
        if container.labels.get(names.OWNER) == owner():
            with suppress(*DOCKER_ERRORS):
                container.remove(force=True, v=True)


def clean_docker(daemon: Daemon) -> tuple[str, ...]:
    """Remove containers, images and build caches of the harness; say what, and what had to stay.

    An image is the harness's where it has both its label and a name of its repositories: images
    that users build on one inherit the label.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer.
    """
    said = []
    for container in _containers(daemon, names.ROLE):
        label = container.labels.get(names.OWNER, "")
        if is_orphan(label) or label == owner():
            said.append(_remove_container(container))
        else:
            said.append(f"left container {container.name}: another harness is running")
    remove_stages(daemon)
    bases = set()
    for image in daemon.client.images.list(filters={"label": names.ROLE}):
        bases.add(image.labels.get(f"{names.ENVIRONMENTS}.base", ""))
        said.extend(_remove_tags(daemon, image))
    said.extend(_prune_build_cache(daemon))
    pulled = sorted(base for base in bases if "@" in base)
    said.extend(f"left {base}: pulled from a registry, others may use it" for base in pulled)
    return tuple(said)


def _containers(daemon: Daemon, label: str) -> list[Container]:
    return daemon.client.containers.list(all=True, filters={"label": label}, ignore_removed=True)


def _remove_container(container: Container) -> str:
    try:
        container.remove(force=True, v=True)
    except DOCKER_ERRORS as error:
        return f"could not remove container {container.name}: {explain(error)[1]}"
    return f"removed container {container.name}"


def _remove_tags(daemon: Daemon, image: Image) -> Iterator[str]:
    repositories = (names.ENVIRONMENTS, names.BASES, names.INSTALLERS)
    for tag in image.tags:
        if tag.rpartition(":")[0] in repositories:
            try:
                daemon.client.images.remove(tag)
            except DOCKER_ERRORS as error:
                yield f"could not remove image {tag}: {explain(error)[1]}"
            else:
                yield f"removed image {tag}"


def _prune_build_cache(daemon: Daemon) -> Iterator[str]:
    """Remove BuildKit's records of our builds, known by the folder that their command names.

    What stays are BuildKit's copies of the last context and Dockerfile, a few kilobytes that say
    of themselves only that they are such copies, and records that an image still uses.
    """
    records = daemon.client.api.df().get("BuildCache") or []
    ours = [record for record in records if names.FOLDER in record.get("Description", "")]
    freed = removed = 0
    for record in ours:
        wanted: Any = {"id": record["ID"]}  # the daemon knows more filters than the type stubs
        answer = daemon.client.api.prune_builds(filters=wanted, all=True)
        removed += len(answer.get("CachesDeleted") or [])
        freed += answer.get("SpaceReclaimed", 0)
    if removed:
        yield (
            f"removed {removed} records of the build cache ({freed:,} bytes); BuildKit keeps a few"
            " kilobytes of build contexts that cannot be told from others'"
        )
