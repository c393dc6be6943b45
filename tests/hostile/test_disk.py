"""What a run can take of the disk it writes to, on a small one that is made for the test."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.environments.docker.engine import DockerEngine, connect
from harness.environments.folders import remove_tree
from harness.observation import Ending
from tests.integration.engine_contract import MEGABYTE, Probe, make, tiny_cell
from tests.support.require import docker_daemon, missing

pytestmark = pytest.mark.docker

_ATTACKS = {
    "many large files": """
        number = 0
        while True:
            with open(os.path.join(OUT, str(number)), "wb") as stream:
                stream.write(bytes(16 * 2**20))
            number += 1
        """,
    "reserved space": """
        number = 0
        while True:
            file = os.open(os.path.join(OUT, str(number)), os.O_CREAT | os.O_WRONLY)
            os.posix_fallocate(file, 0, 16 * 2**20)
            os.close(file)
            number += 1
        """,
    "deleted files": """
        kept = []
        while True:
            path = os.path.join(OUT, "x")
            kept.append(open(path, "wb", buffering=0))
            os.unlink(path)
            kept[-1].write(bytes(16 * 2**20))
            time.sleep(0.02)
        """,
    "small files": """
        number = 0
        while True:
            os.close(os.open(os.path.join(OUT, str(number)), os.O_CREAT | os.O_WRONLY))
            number += 1
        """,
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 400 MiB."""
    docker_daemon()
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m,nr_inodes=200k", "small", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        missing("mount", "only root mounts a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def probe(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    engine = connect()
    assert isinstance(engine, DockerEngine), engine
    environment = make(engine, tiny_cell())
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    folder = disk / "run"
    folder.mkdir(mode=0o755)
    yield Probe(engine, environment, folder)
    remove_tree(folder)


@pytest.mark.parametrize("script", _ATTACKS.values(), ids=_ATTACKS)
def test_the_disk_is_given_back(probe: Probe, disk: Path, script: str) -> None:
    outcome = probe(
        script, output_bytes=32 * MEGABYTE, memory_bytes=1024 * MEGABYTE, timeout_seconds=30
    )
    assert outcome.ending is Ending.OUTPUT_LIMIT, outcome
    remove_tree(probe.out)
    room = os.statvfs(disk)
    assert room.f_bavail * room.f_frsize > 390 * MEGABYTE
    assert room.f_files - room.f_ffree < 1_000
