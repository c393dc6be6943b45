"""What all tests share: a cache of their own, so that nothing of the user's is used or removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Keep environments and locks in pytest's cache: `pytest --cache-clear` starts anew."""
    cache = getattr(request.config, "cache", None)
    folder = cache.mkdir("harness") if cache is not None else tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        if "HARNESS_CACHE" not in os.environ:
            patch.setenv("HARNESS_CACHE", str(folder))
        yield folder
