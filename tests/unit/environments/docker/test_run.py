from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker
import pytest

from harness.cell import Flags
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.running.containers import outcome_of_attempt, outcome_of_container
from harness.environments.docker.running.sandbox import (
    container_arguments,
    cpu_shares,
    isolation,
    mounts,
    sandbox_user,
    visible,
)
from harness.environments.ended import Ended
from harness.environments.engine import Attempt, Limits, Run
from harness.environments.owner import owner
from harness.environments.variables import probe_variables
from harness.observation import Ending
from tests.support import fakes

LIMITS = Limits(timeout_seconds=60, memory_bytes=2**31, cpus=2, output_bytes=1000)


def daemon(*security: str, cpus: int = 8) -> Daemon:
    nothing = cast("docker.DockerClient", SimpleNamespace())
    return Daemon(
        client=nothing, hasty=nothing, version="1", machine="x86_64", cpus=cpus, security=security
    )


def run(**fields: object) -> Run:
    values: dict[str, object] = {
        "cell": "c",
        "sweep": "s",
        "probe": Path("/somewhere/probe.py"),
        "attempts": (Attempt(name="n", request="{}", model=Path("/model")),),
        "out": Path("/out"),
        "flags": Flags(),
        "limits": LIMITS,
    }
    return Run.model_validate(values | fields)


def arguments(**fields: object) -> dict[str, Any]:
    return container_arguments(fakes.environment(fakes.cell()), run(**fields))


def test_packages_that_are_mounted_are_read_only() -> None:
    environment = fakes.environment(fakes.cell()).model_copy(
        update={"mounts": {"/site-packages": "/volumes/v/_data/environments/12ab"}}
    )
    (mount,) = container_arguments(environment, run())["mounts"]
    assert (mount["Target"], mount["Source"], mount["Type"], mount["ReadOnly"]) == (
        "/site-packages",
        "/volumes/v/_data/environments/12ab",
        "bind",
        True,
    )
    assert arguments()["mounts"] == []


def test_a_run_can_do_nothing_but_compute() -> None:
    created = arguments()
    assert {
        key: created[key]
        for key in (
            *("network_mode", "read_only", "init", "cap_drop", "security_opt", "tmpfs"),
            *("ipc_mode", "shm_size"),
        )
    } == {
        "network_mode": "none",
        "read_only": True,
        "init": False,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "tmpfs": {"/tmp": "size=1073741824,mode=1777"},
        "ipc_mode": "private",
        "shm_size": 2**26,
    }
    assert created["mem_limit"] == created["memswap_limit"] == 2**31
    assert {(limit.name, limit.hard) for limit in created["ulimits"]} == {
        ("core", 0),
        ("nofile", 4096),
        ("fsize", 1000),
    }
    assert created["use_config_proxy"] is False
    assert created["device_requests"] is None


def test_a_run_starts_the_probe() -> None:
    created = arguments()
    assert [*created["entrypoint"], *created["command"]] == [
        "python",
        "/probe/probe.py",
        "--requests",
        "/request/requests.json",
        "--out",
        "/out",
    ]


def test_a_container_says_whose_it_is() -> None:
    assert arguments()["labels"] == {
        "tensorflow-environment-matrix.role": "run",
        "tensorflow-environment-matrix.owner": owner(),
        "tensorflow-environment-matrix.cell": "c",
        "tensorflow-environment-matrix.sweep": "s",
    }


def test_temporary_files_are_part_of_a_small_memory_limit() -> None:
    small = LIMITS.model_copy(update={"memory_bytes": 1000})
    assert arguments(limits=small)["tmpfs"] == {"/tmp": "size=500,mode=1777"}


def test_a_gpu_is_asked_for_only_where_it_is_wanted() -> None:
    created = arguments(gpu=True)
    assert created["device_requests"] == [
        docker.types.DeviceRequest(count=-1, capabilities=[["gpu"]])
    ]
    assert created["environment"]["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert "CUDA_VISIBLE_DEVICES" not in created["environment"]


def test_flags_win_over_what_every_run_has() -> None:
    assert probe_variables(run()) == {
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    flags = Flags(name="f", variables={"PYTHONHASHSEED": "7"}, intra_op_threads=2)
    changed = probe_variables(run(flags=flags))
    assert (changed["PYTHONHASHSEED"], changed["OMP_NUM_THREADS"]) == ("7", "2")


def test_a_run_is_never_root_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert sandbox_user(daemon("name=seccomp,profile=default")) == ("65534:65534", True)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 100)
    assert sandbox_user(daemon()) == ("1000:100", False)
    assert sandbox_user(daemon("name=userns")) == ("1000:100", True)
    assert sandbox_user(daemon("name=seccomp,profile=default", "name=rootless")) == ("0:0", False)


def test_more_cpus_than_there_are_cannot_be_asked_for() -> None:
    assert cpu_shares(daemon(cpus=1), LIMITS, frozenset()) == {
        "nano_cpus": 1_000_000_000,
        "pids_limit": 544,
    }


def test_a_run_is_pinned_where_the_daemon_shares_our_cpus() -> None:
    here = daemon(cpus=os.cpu_count() or 1)
    shares = cpu_shares(here, LIMITS, frozenset({3, 1}))
    assert shares.get("cpuset_cpus") == ("1,3" if here.shares_cpus else None)
    elsewhere = daemon(cpus=(os.cpu_count() or 1) + 1)
    assert "cpuset_cpus" not in cpu_shares(elsewhere, LIMITS, frozenset({3, 1}))


@pytest.mark.parametrize(
    ("security", "said"),
    [
        (("name=seccomp,profile=default",), ""),
        (("name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"), ""),
        (("name=seccomp,profile=unconfined",), ", but no seccomp filter: the daemon has none"),
        ((), ", but no seccomp filter: the daemon has none"),
    ],
)
def test_a_missing_filter_of_system_calls_is_said(security: tuple[str, ...], said: str) -> None:
    keeps = "no network, read-only, not root, no capabilities"
    assert isolation(daemon(*security)) == f"{keeps}{said}"


@pytest.mark.parametrize(
    ("status", "oom", "ending", "signal"),
    [
        (0, False, Ending.COMPLETED, None),
        (1, False, Ending.EXIT, None),
        (134, False, Ending.SIGNAL, "SIGABRT"),
        (139, False, Ending.SIGNAL, "SIGSEGV"),
        (132, False, Ending.SIGNAL, "SIGILL"),
        (137, True, Ending.OUT_OF_MEMORY, None),
        (1, True, Ending.OUT_OF_MEMORY, None),
        (137, False, Ending.INFRASTRUCTURE, "SIGKILL"),
    ],
)
def test_how_a_container_ended(status: int, oom: bool, ending: Ending, signal: str | None) -> None:
    outcome = outcome_of_container({"ExitCode": status, "OOMKilled": oom}, LIMITS)
    assert (outcome.ending, outcome.signal) == (ending, signal)
    assert outcome.exit_status == status


def test_a_parent_that_was_killed_within_is_not_the_machines_doing() -> None:
    outcome = outcome_of_container({"ExitCode": 121, "OOMKilled": False}, LIMITS)
    assert (outcome.ending, outcome.signal, outcome.exit_status) == (Ending.SIGNAL, "SIGKILL", 137)
    assert outcome.message == "it killed the process that had started it"


@pytest.mark.parametrize(
    ("status", "signal", "oom_kills", "ending", "exit_status"),
    [
        (0, None, 0, Ending.COMPLETED, 0),
        (0, None, None, Ending.COMPLETED, 0),
        (1, None, 0, Ending.EXIT, 1),
        (1, None, 1, Ending.OUT_OF_MEMORY, 1),
        (None, "SIGKILL", 1, Ending.OUT_OF_MEMORY, 137),
        (None, "SIGKILL", 0, Ending.INFRASTRUCTURE, 137),
        (None, "SIGKILL", None, Ending.INFRASTRUCTURE, 137),
        (None, "SIGSEGV", 0, Ending.SIGNAL, 139),
    ],
)
def test_how_an_attempt_in_a_container_ended(
    status: int | None,
    signal: str | None,
    oom_kills: int | None,
    ending: Ending,
    exit_status: int,
) -> None:
    ended = Ended(schema=1, status=status, signal=signal, seconds=1.0, oom_kills=oom_kills)
    outcome = outcome_of_attempt(ended, LIMITS)
    assert (outcome.ending, outcome.exit_status) == (ending, exit_status)


def test_a_child_out_of_memory_is_said_where_the_run_completed() -> None:
    message = "a process that the probe started was killed for want of memory"
    outcome = outcome_of_container({"ExitCode": 0, "OOMKilled": True}, LIMITS)
    assert (outcome.ending, outcome.message) == (Ending.COMPLETED, message)
    ended = Ended(schema=1, status=0, signal=None, seconds=1.0, oom_kills=3)
    assert outcome_of_attempt(ended, LIMITS).message == message


def test_a_run_sees_each_model_and_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    saved, keras, inputs = tmp_path / "saved", tmp_path / "a b.keras", tmp_path / "inputs.npz"
    saved.mkdir()
    for file in (keras, inputs):
        file.write_text("x")
    request = json.dumps({"model": "{model}", "inputs": "{files}/inputs.npz"})

    def attempt(name: str, path: Path, files: dict[str, Path]) -> Attempt:
        return Attempt(name=name, request=request, model=path, files=files)

    attempts = (
        attempt("saved-load", saved, {"inputs.npz": inputs}),
        attempt("saved-session", saved, {"inputs.npz": inputs}),
        attempt("keras-load", keras, {"raw.npz": inputs}),
    )
    asked = run(attempts=attempts, out=tmp_path / "out", probe=tmp_path / "probe" / "probe.py")
    folder = tmp_path / "private"
    folder.mkdir()
    seen = mounts(daemon(), asked, attempts, folder)
    places = {mount["Target"]: (mount["Source"], mount["ReadOnly"]) for mount in seen}
    assert places == {
        "/models/saved-load": (str(saved), True),
        "/models/keras-load/a b.keras": (str(keras), True),
        "/files/saved-load/inputs.npz": (str(inputs), True),
        "/files/keras-load/raw.npz": (str(inputs), True),
        "/probe": (str(tmp_path / "probe"), True),
        "/request": (str(folder / "request"), True),
        "/out": (str(tmp_path / "out"), False),
    }
    told = json.loads((folder / "request" / "requests.json").read_text())["attempts"]
    assert [(one["name"], *one["request"].values()) for one in told] == [
        ("saved-load", "/models/saved-load", "/files/saved-load/inputs.npz"),
        ("saved-session", "/models/saved-load", "/files/saved-load/inputs.npz"),
        ("keras-load", "/models/keras-load/a b.keras", "/files/keras-load/inputs.npz"),
    ]
    left = mounts(daemon(), asked, attempts[1:], folder)
    assert "/models/saved-session" in {mount["Target"] for mount in left}


def test_unreadable_files_are_copied_for_another_user(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir(mode=0o755)
    secret = model / "variables.index"
    secret.write_text("weights")
    secret.chmod(0o644)
    copy = tmp_path / "copy"
    assert visible(model, copy, foreign=True) == model
    secret.chmod(0o600)
    assert visible(model, copy, foreign=False) == model
    assert visible(model, copy, foreign=True) == copy
    assert (copy / "variables.index").read_text() == "weights"
    assert (copy / "variables.index").stat().st_mode & 0o777 == 0o644
    assert secret.stat().st_mode & 0o777 == 0o600


def test_one_unreadable_file_is_copied(tmp_path: Path) -> None:
    file = tmp_path / "m.keras"
    file.write_text("weights")
    file.chmod(0o600)
    copy = visible(file, tmp_path / "copies" / "m.keras", foreign=True)
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("weights", 0o644)
    file.write_text("changed")
    assert visible(file, copy, foreign=True).read_text() == "weights"
