from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import docker
import pytest

from harness.cell import Flags
from harness.environments.docker.containers import outcome_of
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.sandbox import (
    container_arguments,
    cpu_shares,
    sandbox_user,
    visible,
)
from harness.environments.engine import Limits, Run
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
        "request": "{}",
        "model": Path("/model"),
        "inputs": None,
        "out": Path("/out"),
        "flags": Flags(),
        "limits": LIMITS,
    }
    return Run.model_validate(values | fields)


def arguments(**fields: object) -> dict[str, Any]:
    return container_arguments(fakes.environment(fakes.cell()), run(**fields), [])


def test_a_run_can_do_nothing_but_compute() -> None:
    created = arguments()
    assert {
        key: created[key]
        for key in ("network_mode", "read_only", "init", "cap_drop", "security_opt", "tmpfs")
    } == {
        "network_mode": "none",
        "read_only": True,
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "tmpfs": {"/tmp": "size=1073741824,mode=1777"},
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
        "--request",
        "/request/request.json",
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
    assert cpu_shares(daemon(cpus=1), LIMITS, frozenset()) == {"nano_cpus": 1_000_000_000}


def test_a_run_is_pinned_where_the_daemon_shares_our_cpus() -> None:
    here = daemon(cpus=os.cpu_count() or 1)
    shares = cpu_shares(here, LIMITS, frozenset({3, 1}))
    assert shares.get("cpuset_cpus") == ("1,3" if here.shares_cpus else None)
    elsewhere = daemon(cpus=(os.cpu_count() or 1) + 1)
    assert "cpuset_cpus" not in cpu_shares(elsewhere, LIMITS, frozenset({3, 1}))


@pytest.mark.parametrize(
    ("status", "oom", "written", "ending", "signal"),
    [
        (0, False, 999, Ending.COMPLETED, None),
        (0, False, 1000, Ending.OUTPUT_LIMIT, None),
        (1, False, 0, Ending.EXIT, None),
        (134, False, 0, Ending.SIGNAL, "SIGABRT"),
        (139, False, 0, Ending.SIGNAL, "SIGSEGV"),
        (132, False, 0, Ending.SIGNAL, "SIGILL"),
        (137, True, 0, Ending.OUT_OF_MEMORY, None),
        (1, True, 0, Ending.OUT_OF_MEMORY, None),
        (137, False, 0, Ending.INFRASTRUCTURE, "SIGKILL"),
        (153, False, 1000, Ending.OUTPUT_LIMIT, None),
    ],
)
def test_how_a_container_ended(
    status: int, oom: bool, written: int, ending: Ending, signal: str | None
) -> None:
    outcome = outcome_of({"ExitCode": status, "OOMKilled": oom}, LIMITS, written)
    assert (outcome.ending, outcome.signal) == (ending, signal)
    assert outcome.exit_status == status


def test_a_child_out_of_memory_is_said_where_the_run_completed() -> None:
    outcome = outcome_of({"ExitCode": 0, "OOMKilled": True}, LIMITS, 0)
    assert outcome.ending is Ending.COMPLETED
    assert outcome.message == "a process that the probe started was killed for want of memory"


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
    copy = visible(file, tmp_path / "copy", foreign=True)
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("weights", 0o644)
