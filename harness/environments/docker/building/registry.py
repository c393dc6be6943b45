"""Images that a registry has: taken from it where they are what they say, and given to it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from docker.errors import DockerException, NotFound
from docker.models.images import Image

from harness.environments.docker.building.origin import difference, note_pulled
from harness.environments.docker.building.output import shown
from harness.environments.docker.building.recipe import Recipe
from harness.environments.docker.daemon import (
    DOCKER_ERRORS,
    Daemon,
    explain,
    find_image,
    stream_error,
)
from harness.environments.engine import CellFailure, Progress

__all__ = ["Answer", "Check", "Registry"]

Check = Callable[[str], CellFailure | None]
"""Called with an image's id: returns why its content is not what its lock says, or None."""

_PATIENCE_SECONDS = 300.0
"""How long a registry may say nothing while it sends or takes an image."""
_PAUSE_SECONDS = 2.0
_FAILURES = 2
"""After this many in a row a registry is left in peace until the harness ends."""


class Answer(NamedTuple):
    """What became of asking a registry for an image, or of giving it one."""

    reference: str | None = None
    """By which the registry has it, by digest; None where nothing came of it."""
    note: str | None = None
    """What a reader of the results should know."""


class Registry:
    """The registry behind a prefix, or none. What it fails at is infrastructure, no exception.

    Credentials are those of the Docker command line (`docker login`, credential helpers), which
    the `docker` package reads; they are sent to the daemon and appear nowhere else.
    """

    def __init__(self, daemon: Daemon, prefix: str | None, stopped: threading.Event) -> None:
        self._daemon = daemon
        self._prefix = prefix
        self._stopped = stopped
        self._failures: list[str] = []
        self._has: dict[str, Answer] = {}

    def take(self, wanted: Recipe, check: Check, progress: Progress) -> Answer:
        """Get the image of `wanted` and give it its name, where the registry has it.

        What it has is not trusted for its name: labels, base, settings and content are compared
        with the recipe; an image that differs is removed. Whoever calls it builds what is not
        there afterwards.

        Raises:
            Those of `DOCKER_ERRORS`: the daemon failed with an image that was downloaded.
        """
        if self._prefix is None:
            return Answer()
        if self._is_silent:
            return Answer(note=self._silence())
        name = f"{self._prefix}{wanted.tag}"
        progress(f"asking {self._prefix}")
        try:
            reference = self._digest_reference(name)
            if reference is None:
                self._failures.clear()
                return Answer()
            known = find_image(self._daemon, reference) is not None
            progress(f"pulling from {self._prefix}")
            image = self._pull(reference)
            self._failures.clear()
        except NotFound:
            self._failures.clear()
            return Answer()
        except DOCKER_ERRORS as error:
            self._failures.append(_said(error))
            return Answer(note=self._silence())
        progress("checking what was pulled")
        return self._checked(wanted, image, reference, check, keep=known)

    def give(self, tag: str, progress: Progress) -> Answer:
        """Give the registry the image `tag` of this machine; once for each image.

        Raises:
            Those of `DOCKER_ERRORS`: the daemon does not have it any more.
        """
        if self._prefix is None:
            return Answer()
        image = self._daemon.client.images.get(tag)
        identity = str(image.id)
        if identity not in self._has:
            answer = self._offer(image, tag, progress)
            if answer.reference is None:
                return answer
            self._has[identity] = answer
        return self._has[identity]

    @property
    def _is_silent(self) -> bool:
        return len(self._failures) >= _FAILURES

    def _silence(self) -> str:
        return f"{self._prefix} gave no image ({self._failures[-1]}): it was built here"

    def _digest_reference(self, name: str) -> str | None:
        """Return the reference by digest of the image `name` that the registry has, or None.

        Podman cannot say: its reference is the name itself.
        """
        if self._daemon.podman:
            return name
        try:
            found = self._daemon.hasty.images.get_registry_data(name)
        except NotFound:
            return None
        return f"{name.rpartition(':')[0]}@{found.id}"

    def _pull(self, reference: str) -> Image:
        """Download the image.

        Raises:
            NotFound: the registry does not have it.
            Others of `DOCKER_ERRORS`: the registry or the daemon failed.
        """
        api = self._daemon.client.api
        for line in self._lines(lambda: api.pull(reference, stream=True, decode=True)):
            error = stream_error(line) or ""
            if "manifest unknown" in error or "name unknown" in error:  # Podman's status is 200
                raise NotFound(error)
        return self._daemon.client.images.get(reference)

    def _checked(
        self, wanted: Recipe, image: Image, reference: str, check: Check, *, keep: bool
    ) -> Answer:
        """Give the image its name if it is what `wanted` says; `keep`: `reference` was there."""
        base = find_image(self._daemon, wanted.base.reference)
        identity = str(image.id)
        why = difference(image.attrs, wanted, None if base is None else base.attrs)
        if why is None and (failure := check(identity)) is not None:
            why = "; ".join(failure.message.splitlines())
        if why is None:
            repository, _, tag = wanted.tag.rpartition(":")
            # Podman would take a short name for the end of the registry's.
            image.tag(f"docker.io/library/{repository}" if self._daemon.podman else repository, tag)
        by_digest = _by_digest(image, f"{self._prefix}{wanted.tag}") or reference
        if not keep:
            self._daemon.client.images.remove(reference)
        if why is not None:
            return Answer(note=f"refused what {reference} is: {why}; built here instead")
        note_pulled(wanted, identity, by_digest)
        return Answer(reference=by_digest)

    def _offer(self, image: Image, tag: str, progress: Progress) -> Answer:
        for pause in (_PAUSE_SECONDS, None):
            if self._is_silent:
                break
            progress(f"pushing to {self._prefix}")
            try:
                reference = self._push(image, tag)
            except DOCKER_ERRORS as error:
                if pause is not None and not self._stopped.wait(pause):
                    continue
                self._failures.append(_said(error))
            else:
                self._failures.clear()
                return Answer(reference=reference)
        return Answer(note=f"not pushed to {self._prefix}: {self._failures[-1]}")

    def _push(self, image: Image, tag: str) -> str:
        """Upload the image and return the reference by digest that the registry has it by.

        By tag with Podman: the digest it tells is not always the one that the registry has.
        """
        name = f"{self._prefix}{tag}"
        repository, _, word = name.rpartition(":")
        known = find_image(self._daemon, name) is not None
        image.tag(repository, word)
        digest = None
        api = self._daemon.client.api
        try:
            for line in self._lines(lambda: api.push(repository, word, stream=True, decode=True)):
                digest = (line.get("aux") or {}).get("Digest") or digest
        finally:
            if not known:
                self._daemon.client.images.remove(name)
        if self._daemon.podman:
            return name
        if digest is None:
            raise DockerException("it was not said by which digest the registry has the image")
        return f"{repository}@{digest}"

    def _lines(self, start: Callable[[], Iterator[Any]]) -> Iterator[dict[str, Any]]:
        """Yield what the daemon says of a transfer, to its end.

        Raises:
            DockerException: it failed, was silent for too long, or the harness is stopping.
            Others of `DOCKER_ERRORS`.
        """
        said: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()
        # The docker package waits for ever for a pull: the thread may be left behind.
        threading.Thread(target=_listen, args=(start, said), daemon=True).start()
        quiet = 0.0
        while not self._stopped.is_set():
            try:
                line = said.get(timeout=1.0)
            except queue.Empty:
                quiet += 1.0
                if quiet < _PATIENCE_SECONDS:
                    continue
                raise DockerException(f"nothing came for {quiet:.0f} s") from None
            quiet = 0.0
            if line is None:
                return
            if isinstance(line, Exception):
                raise line
            yield line
            if (error := stream_error(line)) is not None:
                raise DockerException(error)
        raise DockerException("stopped")


def _listen(
    start: Callable[[], Iterator[Any]], said: queue.Queue[dict[str, Any] | Exception | None]
) -> None:
    try:
        for line in start():
            said.put(line)
    except Exception as error:  # raised again by the thread that listens
        said.put(error)
    else:
        said.put(None)


def _by_digest(image: Image, name: str) -> str | None:
    """Return the reference by digest under which the daemon knows the repository of `name`."""
    repository = name.rpartition(":")[0]
    known = image.attrs.get("RepoDigests") or []
    return next((each for each in known if each.rpartition("@")[0] == repository), None)


def _said(error: Exception) -> str:
    return shown(explain(error)[1])
