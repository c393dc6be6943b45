"""A daemon's images and a registry's answers by hand, and `bases.yaml` as values."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import docker
import requests
from docker.errors import APIError, ImageNotFound

from harness.environments.docker.bases.debian import Machine
from harness.environments.docker.bases.pinned import PinnedBases
from harness.environments.docker.daemon import Daemon

__all__ = ["NOTHING", "NOT_PINNED", "FakeImages", "daemon", "pinned_bases", "refused"]

NOTHING = Machine(
    system="Linux", machine="x86_64", tool=None, root=True, namespaces=None, keyring=True
)
"""A machine that cannot make a base of Debian's packages."""


class FakeImages:
    """The images of a daemon, and what a registry says: a digest, or an error."""

    def __init__(self, registry: object, local: dict[str, dict[str, str]] | None = None) -> None:
        self.registry = registry
        self.local = local or {}
        self.asked: list[str] = []
        self.pulled: list[str] = []

    def answer(self, name: str) -> object:
        return self.registry

    def get_registry_data(self, name: str) -> object:
        self.asked.append(name)
        answer = self.answer(name)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(id=answer, attrs={"Platforms": self.platforms(name)})

    def platforms(self, name: str) -> list[dict[str, str]]:
        return [{"architecture": "amd64", "os": "linux"}]

    def get(self, name: str) -> object:
        if name not in self.local:
            raise ImageNotFound(name)
        return SimpleNamespace(id="sha256:local", labels=self.local[name])

    def pull(self, name: str) -> None:
        self.pulled.append(name)


def daemon(images: FakeImages, *, podman: bool = False) -> Daemon:
    client = cast("docker.DockerClient", SimpleNamespace(images=images))
    return Daemon(
        client=client,
        hasty=client,
        version="1",
        machine="x86_64",
        cpus=2,
        security=(),
        podman=podman,
    )


def refused(said: str) -> APIError:
    """What the docker package raises where a registry lets nobody see an image."""
    response = requests.Response()
    response.status_code = 403
    return APIError("403 Client Error", response=response, explanation=said)


def pinned_bases(
    python: Mapping[str, str], cuda: Mapping[tuple[str, str], list[str]] | None = None
) -> PinnedBases:
    """What `load_bases` returns of a file that says this."""
    pairs = [
        {"cuda": version, "cudnn": cudnn, "images": images}
        for (version, cudnn), images in (cuda or {}).items()
    ]
    return PinnedBases.model_validate({"schema": "1", "python": dict(python), "cuda": pairs})


NOT_PINNED = pinned_bases({"3.11": "python:3.11-slim"})
