"""What the package index has: releases and their wheels, cached with the date of the answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from harness.cell import Value
from harness.errors import IndexUnavailableError
from harness.files import write_atomically
from harness.network import index_url, masked, without_credentials
from harness.paths import cache_directory
from harness.plan.fields import TENSORFLOW_PACKAGES
from harness.plan.plan import IndexState
from harness.plan.releases import FetchError, Release

__all__ = ["FRESH", "Fetch", "FetchError", "Index", "read_index"]

FRESH: Final = timedelta(hours=6)
"""How long an answer serves without asking again."""

SCHEMA: Final = 1


Fetch = Callable[[str, str | None], tuple[Release, ...]]
"""Asks the index at a URL (None: the default one) for a distribution's releases; empty where it
has none. Raises `FetchError`."""


def _fetch(distribution: str, url: str | None) -> tuple[Release, ...]:
    """Ask the index; most of the time its answers are kept, and starting is a tenth quicker."""
    from harness.plan.fetch import fetch_releases  # noqa: PLC0415

    return fetch_releases(distribution, url)


class Index(Value):
    """The releases of every distribution that brings TensorFlow."""

    releases: tuple[Release, ...]
    state: IndexState

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Release]:
        return {(release.distribution, release.version): release for release in self.releases}

    def release(self, distribution: str, version: str) -> Release | None:
        """Return one version of one distribution; None where it was never published."""
        return self._by_name.get((distribution, version))


class _Answer(Value):
    """One cached answer."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    retrieved: datetime
    releases: tuple[Release, ...]

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


def read_index(
    environment: Mapping[str, str],
    *,
    refresh: bool = False,
    fetch: Fetch = _fetch,
    directory: Path | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Index:
    """Return what the user's package index has, from the cache where it is fresh.

    `refresh` asks the index in any case. Answers are kept in `directory` (the harness's cache
    folder where not given), one file for each distribution and index.

    Raises:
        IndexUnavailableError: it does not answer and nothing is cached, or has no TensorFlow.
        UsageError: the user's index setting cannot be used.
    """
    url = index_url(environment)
    reader = _Reader(url, directory or cache_directory() / "index", fetch, refresh, now())
    answers = [reader.answer(distribution) for distribution in TENSORFLOW_PACKAGES]
    state = IndexState(
        retrieved=min(answer.retrieved for answer in answers),
        source=reader.source,
        note=reader.note,
    )
    return Index(releases=tuple(r for answer in answers for r in answer.releases), state=state)


class _Reader:
    """Asks for one distribution after the other, and keeps how that went."""

    def __init__(
        self, url: str | None, directory: Path, fetch: Fetch, refresh: bool, now: datetime
    ) -> None:
        self._url, self._directory, self._fetch = url, directory, fetch
        self._refresh, self._now = refresh, now
        self._failure: str | None = None
        self.source: Literal["network", "cache", "stale-cache"] = "network"
        self.note: str | None = None

    def answer(self, distribution: str) -> _Answer:
        file = self._file(distribution)
        cached = _read(file)
        fresh = cached is not None and timedelta(0) <= self._now - cached.retrieved < FRESH
        if cached is not None and fresh and not self._refresh:
            self.source = "cache" if self.source == "network" else self.source
            return cached
        fetched = self._ask(distribution)
        if fetched is not None:
            answer = _Answer(retrieved=self._now, releases=fetched)
            _write(file, answer)
            return answer
        if cached is None:
            raise IndexUnavailableError(
                f"{self._name} did not answer ({self._failure}), and no earlier answer is kept\n"
                "  hint: check the network, the proxy (HTTPS_PROXY) and the index setting"
                " (PIP_INDEX_URL); once it has answered, runs without a network work too"
            )
        self.source = "stale-cache"
        self.note = self.note or (
            f"the package index did not answer ({self._failure}); answers of"
            f" {cached.retrieved:%Y-%m-%d %H:%M} UTC were used"
        )
        return cached

    def _ask(self, distribution: str) -> tuple[Release, ...] | None:
        # An index that failed to answer once is not waited for again.
        if self._failure is not None:
            return None
        try:
            releases = self._fetch(distribution, self._url)
        except FetchError as error:
            self._failure = str(error)
            return None
        if distribution == "tensorflow" and not releases:
            raise IndexUnavailableError(
                f"{self._name} has no TensorFlow\n  hint: set PIP_INDEX_URL to an index that has it"
            )
        return releases

    @property
    def _name(self) -> str:
        return f"the package index {masked(self._url)}" if self._url else "the package index"

    def _file(self, distribution: str) -> Path:
        address = without_credentials(self._url).rstrip("/") if self._url else "default"
        key = hashlib.sha256(address.encode()).hexdigest()[:12]
        return self._directory / f"{distribution}-{key}.json"


def _read(file: Path) -> _Answer | None:
    try:
        return _Answer.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(file: Path, answer: _Answer) -> None:
    # A cache that cannot be written costs the next run some seconds and nothing else.
    with suppress(OSError):
        write_atomically(file, answer.model_dump_json())
