"""The CUDA and cuDNN that each TensorFlow was tested with, and where a cell takes them from."""

from __future__ import annotations

from typing import Final, NamedTuple

from packaging.version import Version

from harness.cell import Cell, Device
from harness.plan.wheels import brings_cuda

__all__ = ["CudaVersions", "system_cuda", "versions_for"]


class CudaVersions(NamedTuple):
    """Versions as `X.Y`."""

    cuda: str
    cudnn: str


_PAIRS: Final = {
    "1.15": CudaVersions("10.0", "7.4"),
    "2.0": CudaVersions("10.0", "7.4"),
    "2.1": CudaVersions("10.1", "7.6"),
    "2.2": CudaVersions("10.1", "7.6"),
    "2.3": CudaVersions("10.1", "7.6"),
    "2.4": CudaVersions("11.0", "8.0"),
    "2.5": CudaVersions("11.2", "8.1"),
    "2.6": CudaVersions("11.2", "8.1"),
    "2.7": CudaVersions("11.2", "8.1"),
    "2.8": CudaVersions("11.2", "8.1"),
    "2.9": CudaVersions("11.2", "8.1"),
    "2.10": CudaVersions("11.2", "8.1"),
    "2.11": CudaVersions("11.2", "8.1"),
    "2.12": CudaVersions("11.8", "8.6"),
    "2.13": CudaVersions("11.8", "8.6"),
    "2.14": CudaVersions("11.8", "8.7"),
    "2.15": CudaVersions("12.2", "8.9"),
    "2.16": CudaVersions("12.3", "8.9"),
    "2.17": CudaVersions("12.3", "8.9"),
    "2.18": CudaVersions("12.5", "9.3"),
    "2.19": CudaVersions("12.5", "9.3"),
    "2.20": CudaVersions("12.5", "9.3"),
    "2.21": CudaVersions("12.5", "9.3"),
}
"""Source: https://www.tensorflow.org/install/source#gpu ("Tested build configurations", Linux), as
of 2026-03-11. The CUDA of each pair agrees with what the wheels' own build info says."""


def versions_for(tensorflow: str) -> CudaVersions | None:
    """Return the CUDA and cuDNN that a release was tested with; None where no table says."""
    version = Version(tensorflow)
    return _PAIRS.get(f"{version.major}.{version.minor}")


def system_cuda(cell: Cell) -> CudaVersions | None:
    """Return what `cell` needs of CUDA beside its packages; None: nothing, or no table says."""
    if cell.device is not Device.CUDA or brings_cuda(cell.tensorflow):
        return None
    return versions_for(cell.tensorflow)
