"""The images of environments as what takes room: which there are, and removing one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from harness.environments.docker import names
from harness.environments.docker.daemon import (
    DOCKER_ERRORS,
    Daemon,
    docker_directory,
    explain,
    find_image,
)
from harness.environments.docker.keeping.build_cache import our_records, prune
from harness.environments.docker.keeping.disk import free_bytes, storage
from harness.environments.docker.keeping.inventory import own_tags
from harness.environments.docker.keeping.times import parse_time
from harness.environments.folders import locked_at_once
from harness.environments.keeping.budget import Stored
from harness.environments.keeping.uses import Uses

__all__ = ["DockerPlace", "build_lock", "remove_environment"]


def build_lock(tag: str) -> Path:
    """Return the file that is locked while an environment's image is made or removed."""
    return docker_directory() / "locks" / f"{tag.rpartition(':')[2]}.lock"


def remove_environment(daemon: Daemon, tag: str, uses: Uses) -> str | None:
    """Remove the image of an environment unless it is in use; return why not, where it stays."""
    try:
        with locked_at_once(build_lock(tag)) as held:
            if not held or uses.held_elsewhere(tag):
                return "another harness uses it"
            daemon.client.images.remove(tag)
    except DOCKER_ERRORS as error:
        return explain(error)[1]
    uses.forget(tag)
    return None


class DockerPlace:
    """The images of environments in a daemon; see `harness.environments.keeping.room.Place`."""

    def __init__(self, daemon: Daemon, uses: Uses) -> None:
        self._daemon = daemon
        self._uses = uses

    def describe(self) -> str:
        """Return where Docker keeps images."""
        return storage(self._daemon)

    def free_bytes(self) -> int | None:
        """Return what the disk has left; None where it is another machine's."""
        return free_bytes(self._daemon)

    def has(self, name: str) -> bool:
        """Tell whether an image is there."""
        return find_image(self._daemon, name) is not None

    def stored(self) -> Sequence[Stored]:
        """Return the images of environments. Their sizes include their bases."""
        api = self._daemon.client.api
        images = api.images(filters={"label": f"{names.ROLE}=environment"})
        busy = {container["ImageID"] for container in api.containers(all=True)}
        uses = self._uses.all()
        return [
            Stored(
                tag,
                size_bytes=max(0, image["Size"]),
                last_used=uses[tag][0].at if tag in uses else _made(image.get("Created")),
                can_go=image["Id"] not in busy and not self._uses.held_elsewhere(tag),
            )
            for image in images
            for tag in own_tags(image)
        ]

    def drop(self, name: str) -> str | None:
        """Remove an image, and BuildKit's copies of steps that no image has any more."""
        refused = remove_environment(self._daemon, name, self._uses)
        if refused is None:
            with suppress(*DOCKER_ERRORS):  # then what is left goes with the next one
                records = our_records(self._daemon)
                prune(self._daemon, [one for one in records if one.size_bytes and one.is_step])
        return refused


def _made(created: object) -> datetime:
    return parse_time(created) or datetime.fromtimestamp(0, UTC)
