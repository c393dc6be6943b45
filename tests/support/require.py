"""What a test needs of the machine: skipped where it is missing, failed where it is required."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from harness.environments.docker.daemon import Daemon, find_daemon


def missing(name: str, reason: str) -> NoReturn:
    """Skip the test; fail it where the environment variable HARNESS_REQUIRE names `name`."""
    if name in os.environ.get("HARNESS_REQUIRE", "").split(","):
        pytest.fail(f"HARNESS_REQUIRE names {name}: {reason}")
    pytest.skip(reason)


def docker_daemon() -> Daemon:
    """Return the daemon that answers."""
    found = find_daemon()
    return (
        missing("docker", f"no Docker daemon answers: {found}") if isinstance(found, str) else found
    )
