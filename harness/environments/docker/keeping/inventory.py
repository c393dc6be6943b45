"""What the harness keeps in Docker: images, volumes and build caches, with sizes and uses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from harness.environments.docker import names
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.keeping.build_cache import Record, records_of
from harness.environments.docker.keeping.disk import disk_usage, free_bytes, storage
from harness.environments.docker.keeping.times import parse_time
from harness.environments.keeping.kept import Inventory, Kept, Kind
from harness.environments.keeping.uses import Use, Uses, no_longer_used
from harness.environments.owner import is_orphan, owner

__all__ = ["docker_inventory", "own_tags"]

_STANDS_ON = (".base", ".cuda")
"""Endings of the labels of an environment's image that name its base, and where CUDA is from."""

_SWEEPS = 5
"""Sweeps that are named of one environment."""
_AT_WORK = "another harness is at work"


def docker_inventory(daemon: Daemon, uses: Uses, answer: dict[str, Any] | None = None) -> Inventory:
    """Return everything of the harness in Docker; `answer` is of `disk_usage`, None to ask now.

    Raises:
        Those of `DOCKER_ERRORS`: the daemon does not answer.
    """
    seen = _Seen(daemon, disk_usage(daemon) if answer is None else answer, uses)
    items = (*seen.environments(), *seen.bases(), *seen.installers(), *seen.volumes())
    records = records_of(seen.answer.get("BuildCache") or [])
    cached = tuple(_of_records(records))
    ours, others = seen.image_bytes()
    beside = (*cached, *(item for item in items if item.kind is Kind.VOLUME))
    return Inventory(
        engine="docker",
        place=storage(daemon),
        items=(*items, *cached),
        total_bytes=ours + sum(item.size_bytes or 0 for item in beside),
        not_ours_bytes=others,
        free_bytes=free_bytes(daemon),
    )


def own_tags(image: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names by which an image is the harness's: those of its repositories.

    The label alone does not make it ours: images that users build on one inherit it.
    """
    if names.ROLE not in (image.get("Labels") or {}):
        return ()
    repositories = (names.ENVIRONMENTS, names.BASES, names.INSTALLERS)
    # Podman says where a name without a registry is from.
    tags = [tag.removeprefix("localhost/") for tag in image.get("RepoTags") or ()]
    return tuple(tag for tag in tags if tag.rpartition(":")[0] in repositories)


@dataclass(frozen=True)
class _Seen:
    """What the daemon answered to `GET /system/df`, and what is noted of it."""

    daemon: Daemon
    answer: dict[str, Any]
    uses: Uses

    @cached_property
    def images(self) -> Mapping[str, dict[str, Any]]:
        """Images that are ours by label and name, by tag."""
        every = self.answer.get("Images") or ()
        return {tag: image for image in every for tag in own_tags(image)}

    @cached_property
    def noted(self) -> Mapping[str, tuple[Use, ...]]:
        return self.uses.all()

    @cached_property
    def containers(self) -> Mapping[str, str]:
        """Name of a container by the id of its image."""
        listed = self.daemon.client.api.containers(all=True)
        return {one["ImageID"]: (one.get("Names") or ["?"])[0].lstrip("/") for one in listed}

    def of_repository(self, repository: str) -> Mapping[str, dict[str, Any]]:
        """Return our images of one of our repositories, by tag, the newest first."""
        mine = [pair for pair in self.images.items() if pair[0].rpartition(":")[0] == repository]
        return dict(sorted(mine, key=lambda pair: pair[1].get("Created") or 0, reverse=True))

    def environments(self) -> tuple[Kept, ...]:
        mine = self.of_repository(names.ENVIRONMENTS)
        idle = no_longer_used(self.noted, mine)
        return tuple(
            _image(Kind.ENVIRONMENT, tag, image).model_copy(
                update={
                    **_of_uses(self.noted.get(tag, ())),
                    "unused": tag in idle,
                    "in_use": self._user(tag, image),
                }
            )
            for tag, image in mine.items()
        )

    def bases(self) -> Iterator[Kept]:
        """Yield our bases, then those that environments stand on and that are not ours."""
        on = self._standing()
        mine = self.of_repository(names.BASES)
        for tag, image in mine.items():
            yield self._base(tag, image, on.get(tag, ()))
        for reference in sorted(on.keys() - mine.keys() - {""}):
            named = self._named(reference)
            if named is not None:
                known = _image(Kind.BASE, reference, named)
                yield known.model_copy(update={"ours": False, "last_used": _latest(on[reference])})

    def installers(self) -> Iterator[Kept]:
        """Yield the images that hold uv; the newest is what the next build would use."""
        for i, (tag, image) in enumerate(self.of_repository(names.INSTALLERS).items()):
            user = self._user(tag, image) or (_AT_WORK if self.uses.others_at_work() else None)
            known = _image(Kind.INSTALLER, tag, image)
            yield known.model_copy(update={"unused": i > 0, "in_use": user})

    def volumes(self) -> Iterator[Kept]:
        """Yield our volumes: those with our label and a name that begins with ours."""
        for volume in self.answer.get("Volumes") or ():
            labels = volume.get("Labels") or {}
            if names.ROLE not in labels or not volume["Name"].startswith(names.ENVIRONMENTS):
                continue
            usage = volume.get("UsageData") or {}
            of_a_run = labels.get(names.OWNER)  # what one run was sent, of no use after it
            lives = of_a_run not in (None, owner()) and not is_orphan(of_a_run or "")
            busy = _AT_WORK if lives or self.uses.others_at_work() else None
            yield Kept(
                kind=Kind.VOLUME,
                name=volume["Name"],
                size_bytes=_known(usage.get("Size")),
                created=parse_time(volume.get("CreatedAt")),
                last_used=max((use.at for use in self.mounted()), default=None),
                unused=of_a_run is not None,
                in_use="a container" if usage.get("RefCount", 0) > 0 else busy,
            )

    def mounted(self) -> Iterator[Use]:
        """Yield the uses of environments that are mounted: they are noted of their bases."""
        for place, uses in self.noted.items():
            if place.rpartition(":")[0] != names.ENVIRONMENTS:
                yield from uses

    def image_bytes(self) -> tuple[int, int]:
        """Return what our images take together, and what those do that they only stand on.

        What several share is counted once: they are gathered by their lowest layer, and the
        largest share of each group is what is common to it.
        """
        others = {kept.name: kept for kept in self.bases() if not kept.ours}
        unique = sum(
            max(0, image["Size"] - _shared(image))
            for image in {image["Id"]: image for image in self.images.values()}.values()
        )
        common: dict[str, int] = defaultdict(int)
        for tag, image in self.images.items():
            common[self._root(tag)] = max(common[self._root(tag)], _shared(image))
        theirs: dict[str, int] = defaultdict(int)
        for name, kept in others.items():
            root = self._root(name)
            theirs[root] = max(theirs[root], kept.size_bytes or 0)
        shared = sum(max(0, size - theirs[root]) for root, size in common.items())
        return unique + shared, sum(theirs.values())

    def _base(self, tag: str, image: Mapping[str, Any], standing: Sequence[Kept]) -> Kept:
        """Return a base of ours with what follows from the environments that stand on it."""
        mounted = _of_uses(self.noted.get(tag, ()))
        dates = (_latest(standing), mounted.get("last_used"))
        busy = next((f"{one.name} stays" for one in standing if one.in_use), None)
        idle = not mounted or tag in no_longer_used(self.noted, (tag,))
        return _image(Kind.BASE, tag, image).model_copy(
            update={
                **mounted,
                "cell": None,
                "last_used": max((date for date in dates if date is not None), default=None),
                "unused": idle and all(one.unused for one in standing),
                "in_use": _AT_WORK if self.uses.others_at_work() else busy,
            }
        )

    def _standing(self) -> Mapping[str, Sequence[Kept]]:
        """Return the environments that stand on each base, by its reference."""
        found: dict[str, list[Kept]] = defaultdict(list)
        for kept in self.environments():
            labels = self.images[kept.name].get("Labels") or {}
            for ending in _STANDS_ON:
                found[labels.get(f"{names.ENVIRONMENTS}{ending}", "")].append(kept)
        return found

    def _named(self, reference: str) -> dict[str, Any] | None:
        """Return the image that a tag or `name@digest` names, as the daemon lists it."""
        plain = reference.partition("@")
        digest = f"{plain[0].rpartition(':')[0] or plain[0]}@{plain[2]}"
        for image in self.answer.get("Images") or ():
            known = (*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ()))
            if {reference, digest} & set(known):
                return dict(image)
        return None

    def _root(self, reference: str) -> str:
        """Return the lowest layer of an image."""
        attributes = self.daemon.client.images.get(reference).attrs
        layers = attributes.get("RootFS", {}).get("Layers")
        return str(layers[0]) if layers else reference

    def _user(self, tag: str, image: Mapping[str, Any]) -> str | None:
        if self.uses.held_elsewhere(tag):
            return "another harness uses it"
        container = self.containers.get(image["Id"])
        return None if container is None else f"container {container} uses it"


def _image(kind: Kind, tag: str, image: Mapping[str, Any]) -> Kept:
    labels = image.get("Labels") or {}
    return Kept(
        kind=kind,
        name=tag,
        cell=labels.get(names.CELL) if kind is Kind.ENVIRONMENT else None,
        size_bytes=_known(image.get("Size")),
        shared_bytes=_shared(image),
        created=parse_time(image.get("Created")),
    )


def _of_uses(uses: Sequence[Use]) -> dict[str, Any]:
    if not uses:
        return {}
    return {
        "cell": uses[0].cell,
        "last_used": uses[0].at,
        "sweeps": tuple(f"{use.model}/{use.sweep}" for use in uses[:_SWEEPS]),
    }


def _latest(standing: Sequence[Kept]) -> datetime | None:
    return max((one.since for one in standing if one.since is not None), default=None)


def _of_records(records: Sequence[Record]) -> Iterator[Kept]:
    """Yield the packages that builds keep, and their steps as one item."""
    wheels = [record for record in records if record.is_wheels]
    steps = [record for record in records if not record.is_wheels]
    for kind, some, name in (
        (Kind.WHEELS, wheels, f"BuildKit: cache mount {names.CACHE}"),
        (
            Kind.BUILD_CACHE,
            steps,
            f"BuildKit: {len(steps)} record{'' if len(steps) == 1 else 's'} of builds",
        ),
    ):
        if some:
            yield Kept(
                kind=kind,
                name=name,
                size_bytes=sum(record.size_bytes for record in some),
                created=min((one.created for one in some if one.created), default=None),
                last_used=max((one.last_used for one in some if one.last_used), default=None),
                unused=kind is Kind.BUILD_CACHE,
            )


def _known(size: int | None) -> int | None:
    """Return a size; None where the daemon gives -1, which says that it did not look."""
    return size if size is not None and size >= 0 else None


def _shared(image: Mapping[str, Any]) -> int:
    return min(_known(image.get("SharedSize")) or 0, _known(image.get("Size")) or 0)
