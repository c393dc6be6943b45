"""A registry of images on this machine, the one that Debian packages."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support.require import missing

__all__ = ["dead_address", "image_registry"]

_CONFIGURATION = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: {folder}
http:
  addr: {address}
"""
_SECONDS = 20.0


@contextmanager
def image_registry(folder: Path) -> Iterator[str]:
    """Run `docker-registry` with what it keeps below `folder`; yield `host:port`."""
    program = shutil.which("docker-registry")
    if program is None:
        missing("docker-registry", "Debian's docker-registry is not installed")
    address = dead_address()
    configuration = folder / "registry.yml"
    configuration.write_text(_CONFIGURATION.format(folder=folder / "kept", address=address))
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen(
            [program, "serve", configuration], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait()


def dead_address() -> str:
    """A `host:port` of this machine on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, "the registry ended"
        try:
            if requests.get(f"http://{address}/v2/", timeout=1).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError("the registry does not answer")
