"""Whether there is an NVIDIA GPU that runs can use: on this machine, or on a Docker daemon's."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.environments.engine import CellFailure
from harness.environments.process import run_program
from harness.observation import Ending, Stage

__all__ = ["gives_gpus", "gpu_names", "no_gpu"]

_DRIVER = Path("/proc/driver/nvidia")
_SECONDS = 60.0


@functools.cache
def gpu_names(driver: Path = _DRIVER) -> tuple[str, ...]:
    """Return the GPUs the driver lists, such as `NVIDIA H200`; empty where there is none.

    `nvidia-smi` is asked, because a driver library alone may be a stub; where it is not installed,
    the Linux driver's own list under `/proc` is read.
    """
    try:
        completed = run_program(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], timeout_seconds=_SECONDS
        )
    except OSError:
        return tuple(
            value.strip()
            for path in sorted(driver.glob("gpus/*/information"))
            for key, _, value in (line.partition(":") for line in path.read_text().splitlines())
            if key == "Model"
        )
    if completed.status != 0:
        return ()
    return tuple(line.strip() for line in completed.stdout.splitlines() if line.strip())


def gives_gpus(info: Mapping[str, Any]) -> bool:
    """Tell whether a Docker daemon can give containers NVIDIA GPUs, by its own `info`.

    It says so by NVIDIA's runtime, or by devices found through CDI
    (https://docs.docker.com/reference/api/engine/, `SystemInfo`: `Runtimes`, since 28.2
    `DiscoveredDevices`). Whether there is a GPU behind the runtime it does not say.
    """
    devices = info.get("DiscoveredDevices") or ()
    found = any(str(device.get("ID", "")).startswith("nvidia.com/gpu") for device in devices)
    return found or "nvidia" in (info.get("Runtimes") or {})


def no_gpu() -> CellFailure:
    """Return what becomes of a CUDA cell on a machine without a GPU."""
    return CellFailure(
        stage=Stage.BUILD,
        ending=Ending.SKIPPED,
        type="NoGPU",
        message="no NVIDIA GPU or driver on this machine",
    )
