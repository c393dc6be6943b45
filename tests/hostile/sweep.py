"""One sweep over every hostile model and what it leaves on this machine, seen from outside."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil

from harness.environments.docker import names
from harness.environments.docker.daemon import Daemon
from tests.hostile.models import Targets, make_models

__all__ = ["CELL", "SECRET", "Swept", "sweep"]

CELL = "tf2.15.1-py3.11-cpu"
SECRET = "marker-of-a-secret-variable"
_MARKER = "marker-of-a-file-of-the-host"
_MATRIX = """\
schema: 1
tensorflow: ["2.15.1"]
python: ["3.11"]
limits: {timeout: SECONDS, memory: 2g, cpus: 1, output: 20m}
"""
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Swept:
    """What came of it."""

    done: subprocess.CompletedProcess[bytes]
    results: Path
    marker: Path
    hits: list[str]
    """What reached a listener on this machine."""
    left: dict[str, list[str]]
    """What is there after the sweep and was not before, by kind."""
    seconds: float

    def table(self, model: str) -> dict[str, Any]:
        """The table of a model."""
        path = self.results / model / "latest" / "table.json"
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return table

    def row(self, model: str) -> dict[str, Any]:
        """The one row of a model."""
        (row,) = self.table(model)["cells"]
        found: dict[str, Any] = row
        return found

    def log(self, model: str) -> str:
        """What a model printed."""
        return (self.results / model / "latest" / "cells" / CELL / "probe.log").read_text(
            encoding="utf-8"
        )

    def tried(self, model: str, how: str) -> set[str]:
        """What a model tried and came to `how`, `done` or `refused`."""
        lines = (line.split(": ") for line in self.log(model).splitlines())
        return {
            parts[1]
            for parts in lines
            if parts[0] == "attack" and len(parts) > 2 and parts[2].split(",")[0] == how
        }

    def size(self, model: str) -> int:
        """Bytes in the results of a model."""
        return sum(path.lstat().st_size for path in (self.results / model).rglob("*"))

    @cached_property
    def texts(self) -> dict[str, bytes]:
        """Everything that a person or a program reads: what was printed and every file."""
        files = {
            str(path.relative_to(self.results)): path.read_bytes()
            for path in sorted(self.results.rglob("*"))
            if path.is_file() and not path.is_symlink() and path.suffix != ".npz"
        }
        return {"stdout": self.done.stdout, "stderr": self.done.stderr, **files}


def sweep(daemon: Daemon, folder: Path) -> Swept:
    """Make the models in `folder`, sweep them with the command line, look at this machine."""
    folder.chmod(0o755)
    temporary = Path(tempfile.mkdtemp(prefix="hostile-"))  # short, for sockets
    marker = folder / "marker.txt"
    marker.write_text(_MARKER)
    marker.chmod(0o666)
    with listening() as (port, hits):
        targets = Targets((*_addresses(daemon), "127.0.0.1"), port, marker)
        made = make_models(folder, targets)
        # Those that hang take all of it; a start of TensorFlow must not, on a busy machine either.
        limit = min(90, max(15, round(8 * made.import_seconds)))
        (folder / "matrix.yaml").write_text(_MATRIX.replace("SECONDS", str(limit)))
        before = _there(temporary)
        started = time.monotonic()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "harness", "matrix", *map(str, made.folders)),
                *("--engine", "docker", "--jobs", "2", "--results", str(folder / "results")),
            ],
            cwd=folder,
            env={
                **os.environ,
                "HARNESS_TEST_SECRET": SECRET,
                "PYTHONPATH": str(_ROOT),
                "TMPDIR": str(temporary),
            },
            capture_output=True,
            check=False,
        )
        seconds = time.monotonic() - started
        after = _there(temporary)
    shutil.rmtree(temporary)
    left = {kind: sorted(after[kind] - before[kind]) for kind in before}
    left["containers"] = _containers(daemon, folder / "results")
    return Swept(done, folder / "results", marker, hits, left, seconds)


def _addresses(daemon: Daemon) -> tuple[str, ...]:
    """The daemon's bridge, and this machine's own addresses."""
    (config, *_) = daemon.client.networks.get("bridge").attrs["IPAM"]["Config"]
    own = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    }
    # A daemon that has just made its bridge does not tell the address yet; here it is its own.
    gateway = {config["Gateway"]} if "Gateway" in config else set()
    return tuple(sorted(gateway | own))


def _containers(daemon: Daemon, results: Path) -> list[str]:
    """The containers that runs of these results have left."""
    sweeps = {path.name for path in results.glob("*/2*")}
    found = daemon.client.containers.list(all=True, filters={"label": f"{names.ROLE}=run"})
    return sorted(str(one.id) for one in found if one.labels.get(names.SWEEP) in sweeps)


def _mounted(process: int) -> str:
    """What a process sees mounted: of a run that is its folders here."""
    try:
        return Path(f"/proc/{process}/mountinfo").read_text()
    except OSError:  # it is gone, or another user's
        return ""


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """Listen on every address, by TCP and UDP on one port; yield it and who has come."""
    hits: list[str] = []
    tcp = socket.create_server(("", 0))
    port = tcp.getsockname()[1]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("", port))

    def accept() -> None:
        while True:
            try:
                connection, peer = tcp.accept()
            except OSError:
                return
            connection.close()
            hits.append(f"tcp from {peer[0]}")

    def receive() -> None:
        while True:
            text, peer = udp.recvfrom(100)
            if text == b"end":
                return
            hits.append(f"udp from {peer[0]}")

    threads = [threading.Thread(target=work) for work in (accept, receive)]
    for thread in threads:
        thread.start()
    try:
        yield port, hits
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"end", ("127.0.0.1", port))
        tcp.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        tcp.close()
        udp.close()


def _there(temporary: Path) -> dict[str, set[str]]:
    """What this machine has that a run could leave behind."""
    return {
        "processes": {
            f"{one.pid} {one.info['name']}"
            for one in psutil.process_iter(["name"])
            if str(temporary) in _mounted(one.pid)
        },
        "temporary files": {path.name for path in temporary.iterdir()},
        "places of runs": {
            str(path)
            for place in ("/written", "/x", "/models", "/probe", "/out", "/tmp/.keras")
            if (path := Path(place)).exists()
        },
    }
