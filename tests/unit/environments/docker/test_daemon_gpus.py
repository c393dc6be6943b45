"""Whose GPUs count: those of the machine that runs the containers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.environments.docker import daemon as daemons
from harness.environments.docker.daemon import Daemon


def daemon(base_url: str, *, gives_gpus: bool) -> Daemon:
    client: Any = SimpleNamespace(api=SimpleNamespace(base_url=base_url))
    return Daemon(
        client=client,
        hasty=client,
        version="28",
        machine="x86_64",
        cpus=2,
        security=(),
        gives_gpus=gives_gpus,
    )


@pytest.mark.parametrize("here", [(), ("NVIDIA H200",)])
@pytest.mark.parametrize("gives_gpus", [False, True])
def test_a_daemon_elsewhere_is_asked_itself(
    here: tuple[str, ...], gives_gpus: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "gpu_names", lambda: here)
    for url in ("http://10.0.0.7:2375", "https://10.0.0.7:2376", "http+docker://ssh"):
        assert daemon(url, gives_gpus=gives_gpus).has_gpus is gives_gpus


@pytest.mark.parametrize("here", [(), ("NVIDIA H200",)])
def test_with_the_daemon_of_this_machine_its_own_count(
    here: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "gpu_names", lambda: here)
    found = daemon("http+docker://localhost", gives_gpus=True)
    assert found.has_gpus is bool(here)
