"""Names of a test's own for what the harness makes in Docker."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.environments.docker import names
from harness.environments.docker.building.cli import Cli
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.engine import DockerEngine
from harness.environments.owner import LABEL

__all__ = ["apart_from_others"]


@contextmanager
def apart_from_others(daemon: Daemon, cache: Path) -> Iterator[str]:
    """Use other names than the harness's own, so that a test removes only what tests made.

    Yields the repository of images. It is all removed at the end, whatever becomes of the tests.
    """
    own = f"{LABEL}-test-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    chosen = {
        "ENVIRONMENTS": own,
        "BASES": f"{own}-base",
        "INSTALLERS": f"{own}-uv",
        "FOLDER": f"/run/{own}",
        "CACHE": f"{own}-uv",
        "VOLUME": f"{own}-mounted",
        **{name: f"{own}.{name.lower()}" for name in ("ROLE", "OWNER", "BUILD", "LOCK", "CELL")},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(cache))
        for name, value in chosen.items():
            patch.setattr(names, name, value)
        yield own
        DockerEngine(daemon, Cli(None, "classic")).clean()
