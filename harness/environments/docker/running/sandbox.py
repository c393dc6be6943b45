"""What a run in a container may do and what it sees of this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

from harness.environments.docker import names
from harness.environments.docker.daemon import Daemon
from harness.environments.engine import Attempt, Environment, Limits, Run
from harness.environments.given import Given
from harness.environments.owner import owner
from harness.environments.request import Places, requests_text
from harness.environments.variables import probe_variables

__all__ = [
    "NOBODY",
    "Seen",
    "container_arguments",
    "cpu_shares",
    "isolation",
    "mounts",
    "sandbox_user",
    "seen_by",
    "visible",
]

NOBODY = 65534
"""User and group of runs where this process is root, or its user is of no account."""
_LOG_FILE = LogConfig(type="json-file", config={"max-size": "16m", "max-file": "2"})
_PIDS, _PIDS_FOR_EACH_CPU = 512, 32
"""Most processes and threads: TensorFlow starts several for each CPU it sees, NumPy one."""
_OPEN_FILES = 4096
_TEMPORARY_BYTES = 2**30
_SHARED_BYTES = 64 * 2**20
"""Size of `/dev/shm`, which like `/tmp` counts as memory of the run."""
_CAPABILITIES = {"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}


def sandbox_user(daemon: Daemon) -> tuple[str, bool]:
    """Return the `uid:gid` of runs, and whether on this machine that is another user than this.

    Never root of this machine: under a rootless daemon it is root of the container alone, which
    is this user outside (https://docs.docker.com/engine/security/rootless/).
    """
    if daemon.has("rootless"):
        return ("0:0", False)
    if os.getuid() == 0:
        return (f"{NOBODY}:{NOBODY}", True)
    return (f"{os.getuid()}:{os.getgid()}", daemon.has("userns"))


def container_arguments(environment: Environment, run: Run) -> dict[str, Any]:
    """Return the arguments of `containers.create` that are the same for all attempts of `run`.

    No network, no capability, no new privileges, nothing writable but `/out` and a `/tmp` in
    memory; an init, without which a process that aborts shows the wrong status.
    """
    memory = run.limits.memory_bytes
    variables = {"HOME": "/tmp", "TMPDIR": "/tmp", **probe_variables(run)}  # noqa: S108
    return {
        "image": environment.location,
        "entrypoint": ["python"],
        "command": [
            f"/probe/{run.probe.name}",
            *("--requests", "/request/requests.json", "--out", "/out"),
        ],
        "working_dir": "/tmp",  # noqa: S108
        "environment": variables | (_CAPABILITIES if run.gpu else {}),
        "labels": {
            names.ROLE: "run",
            names.OWNER: owner(),
            names.CELL: run.cell,
            names.SWEEP: run.sweep,
        },
        "mounts": [
            Mount(place, source, type="bind", read_only=True)
            for place, source in environment.mounts.items()
        ],
        # The probe itself is process 1, and then as good as an init: see its guard.py.
        "init": False,
        "network_mode": "none",
        "read_only": True,
        "tmpfs": {"/tmp": f"size={min(memory // 2, _TEMPORARY_BYTES)},mode=1777"},  # noqa: S108
        "ipc_mode": "private",
        "shm_size": _SHARED_BYTES,
        "mem_limit": memory,
        "memswap_limit": memory,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "ulimits": [
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="nofile", soft=_OPEN_FILES, hard=_OPEN_FILES),
            Ulimit(name="fsize", soft=run.limits.output_bytes, hard=run.limits.output_bytes),
        ],
        "log_config": _LOG_FILE,
        "device_requests": [DeviceRequest(count=-1, capabilities=[["gpu"]])] if run.gpu else None,
        "use_config_proxy": False,
    }


def visible(path: Path, copy: Path, *, foreign: bool) -> Path:
    """Return `path` if the run's user can read all of it, else `copy`, made where it is not there.

    `foreign`: that user is another than this process's. Unreadable files would look like a model
    that fails.
    """
    if not foreign or all(_is_open(entry) for entry in (path, *path.rglob("*"))):
        return path
    if copy.exists():
        return copy
    copy.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, copy, symlinks=True)
    else:
        shutil.copyfile(path, copy)
    for entry in (copy, *copy.rglob("*")):
        if not entry.is_symlink():
            entry.chmod(0o755 if entry.is_dir() else 0o644)
    return copy


def _is_open(entry: Path) -> bool:
    needed = 0o005 if entry.is_dir() else 0o004
    return entry.is_symlink() or entry.stat().st_mode & needed == needed


class Seen(NamedTuple):
    """What a run sees of this machine, all of it read-only."""

    places: dict[str, Path]
    """Path in the container to folder or file here."""
    requests: str
    """Text of `/request/requests.json`."""


def seen_by(run: Run, attempts: tuple[Attempt, ...]) -> Seen:
    """Return what a run of `attempts` sees; each model and file once."""
    given = Given.of(attempts)
    models = {name: _model_place(name, path) for name, path in given.models.items()}
    requests = requests_text(
        (attempt, Places(models[given.model_of(attempt)], f"/files/{given.files_of(attempt)}"))
        for attempt in attempts
    )
    places = {models[name]: path for name, path in given.models.items()}
    for name, files in given.files.items():
        places |= {f"/files/{name}/{seen_as}": path for seen_as, path in files.items()}
    places["/probe"] = run.probe.parent
    return Seen({target: path.resolve() for target, path in places.items()}, requests)


def mounts(daemon: Daemon, run: Run, attempts: tuple[Attempt, ...], folder: Path) -> list[Mount]:
    """Return what a run of `attempts` sees of this machine, all read-only but `/out`.

    Copies and `requests.json` are written below `folder`; a copy that is there is used again.
    Each model and file is mounted once: 600 mounts take 0.3 s longer than none.
    """
    foreign = sandbox_user(daemon)[1]
    seen = seen_by(run, attempts)
    copies = folder / "copies"
    sources = {
        target: visible(path, copies / target[1:], foreign=foreign)
        for target, path in seen.places.items()
    }
    sources["/request"] = _request_folder(folder, seen.requests)
    read_only = [
        Mount(target, str(source), type="bind", read_only=True)
        for target, source in sources.items()
    ]
    return [*read_only, Mount("/out", str(run.out.resolve()), type="bind")]


def _model_place(name: str, path: Path) -> str:
    """A model file keeps its name, because Keras decides by the suffix how to read it."""
    return f"/models/{name}" if path.is_dir() else f"/models/{name}/{path.name}"


def _request_folder(folder: Path, requests: str) -> Path:
    """Return a folder with `requests.json` that every user can read."""
    request = folder / "request"
    request.mkdir(exist_ok=True)
    request.chmod(0o755)
    (request / "requests.json").write_text(requests, encoding="utf-8")
    (request / "requests.json").chmod(0o644)
    return request


def isolation(daemon: Daemon) -> str:
    """Return what keeps runs from the daemon's machine, in a few words, and what does not."""
    keeps = "no network, read-only, not root, no capabilities"
    if daemon.has("seccomp") and not any("profile=unconfined" in one for one in daemon.security):
        return keeps
    return f"{keeps}, but no seccomp filter: the daemon has none"


def cpu_shares(daemon: Daemon, limits: Limits, cpus: frozenset[int]) -> dict[str, Any]:
    """Return the limits on CPUs, and on the processes and threads that come with them.

    Pinned, the run also sees no more CPUs and starts no more threads.
    """
    pinned = bool(cpus) and daemon.shares_cpus
    shares: dict[str, Any] = {
        "nano_cpus": int(min(limits.cpus, daemon.cpus) * 1e9),
        "pids_limit": _PIDS + _PIDS_FOR_EACH_CPU * (len(cpus) if pinned else daemon.cpus),
    }
    if pinned:
        shares["cpuset_cpus"] = ",".join(str(cpu) for cpu in sorted(cpus))
    return shares
