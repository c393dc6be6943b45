"""Whether this machine has an NVIDIA GPU that its driver can use."""

from __future__ import annotations

import functools
from pathlib import Path

from harness.environments.engine import CellFailure
from harness.environments.process import run_program
from harness.observation import Ending, Stage

__all__ = ["gpu_names", "no_gpu"]

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


def no_gpu() -> CellFailure:
    """Return what becomes of a CUDA cell on a machine without a GPU."""
    return CellFailure(
        stage=Stage.BUILD,
        ending=Ending.SKIPPED,
        type="NoGPU",
        message="no NVIDIA GPU or driver on this machine",
    )
