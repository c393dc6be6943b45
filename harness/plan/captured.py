"""The environment a model was made in, and the cell that rebuilds it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from harness.cell import Device, Flags, Pins
from harness.errors import Problem
from harness.observation import TensorFacts
from harness.plan.fields import CAPTURED, TENSORFLOW_PACKAGES
from harness.plan.versions import is_exact
from harness.text import one_line

__all__ = ["VARIABLES", "Captured", "CapturedModel", "CapturedThreads", "not_captured"]

VARIABLES: Final = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "KERAS_BACKEND",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION",
    "TF2_BEHAVIOR",
    "TF_CUDNN_DETERMINISTIC",
    "TF_CUDNN_USE_AUTOTUNE",
    "TF_DETERMINISTIC_OPS",
    "TF_DISABLE_MKL",
    "TF_ENABLE_AUTO_MIXED_PRECISION",
    "TF_ENABLE_CUBLAS_TENSOR_OP_MATH_FP32",
    "TF_ENABLE_CUDNN_TENSOR_OP_MATH_FP32",
    "TF_ENABLE_MKL_NATIVE_FORMAT",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_SET_ONEDNN_FPMATH_MODE",
    "TF_USE_LEGACY_KERAS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)
"""Environment variables that change a model's numbers: all that a capture records."""

_OF_THE_MACHINE = frozenset({"CUDA_VISIBLE_DEVICES"})
"""Recorded, but of no use on another machine."""

# Repackaged for one platform, or TensorFlow itself under another name: neither is rebuilt by name.
_NOT_PINNED = frozenset(
    {
        *TENSORFLOW_PACKAGES,
        "intel-tensorflow",
        "intel-tensorflow-avx512",
        "tensorflow-aarch64",
        "tensorflow-cpu-aws",
        "tensorflow-intel",
        "tensorflow-macos",
        "tensorflow-rocm",
        "tf-nightly",
        "tf-nightly-cpu",
    }
)

_LONGEST = 1_000


def _printable(text: str) -> str:
    return one_line(text, _LONGEST)


def _release(text: str) -> str:
    if not is_exact(text):
        raise ValueError("is not a version")
    return text


_Text = Annotated[str, Field(max_length=_LONGEST), AfterValidator(_printable)]
_Version = Annotated[str, Field(max_length=60), AfterValidator(_release)]


class _Told(BaseModel):
    """Base of what `captured.json` tells: more than is known here does no harm."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CapturedModel(_Told):
    """The model that was captured."""

    name: _Text
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    """sha256 over the model's own files, as `harness.model.contents.model_digest` has it."""


class CapturedThreads(_Told):
    """Sizes of TensorFlow's thread pools; 0: TensorFlow's own choice."""

    intra_op: int | None = None
    inter_op: int | None = None
    cpus: int | None = None
    """Processors of the machine."""


class Captured(_Told):
    """What `captured.json` and `captured.lock` tell."""

    schema_: Literal[1] = Field(alias="schema")
    path: Path = Path("captured.json")
    """The file, as a user would name it; what it says of this itself does not count."""
    date: datetime
    python: str = Field(pattern=r"^3\.\d{1,2}\.\d{1,3}[\w.+-]{0,20}$")
    implementation: _Text
    """`CPython`."""
    system: _Text
    """`linux`, `darwin`, `windows`."""
    machine: _Text
    platform: _Text
    libc: _Text | None = None
    cpu: _Text | None = None
    device: _Text | None = None
    """What computed the outputs: `CPU`, or `GPU` with its name."""
    tensorflow: _Version
    keras: _Text | None = None
    numpy: _Text | None = None
    h5py: _Text | None = None
    protobuf: _Text | None = None
    cuda: _Text | None = None
    cudnn: _Text | None = None
    git_version: _Text | None = None
    build_info: Annotated[dict[_Text, _Text], Field(max_length=100)] = Field(default_factory=dict)
    variables: Annotated[dict[_Text, _Text], Field(max_length=100)] = Field(default_factory=dict)
    """Environment variables of `VARIABLES`; others are not believed."""
    threads: CapturedThreads = CapturedThreads()
    loader: _Text
    signature: _Text | None = None
    model: CapturedModel
    inputs: Annotated[tuple[TensorFacts, ...], Field(max_length=1_000)] = ()
    outputs: Annotated[tuple[TensorFacts, ...], Field(max_length=1_000)] = ()
    deterministic: bool | None = None
    packages: dict[str, str] = Field(default_factory=dict)
    """Everything installed there, from `captured.lock`: normalised name (PEP 503) to version."""

    @property
    def python_minor(self) -> str:
        """The Python as cells name it: `3.11`."""
        return ".".join(self.python.split(".")[:2])

    @property
    def cell_device(self) -> Device:
        """The device that the outputs were computed on."""
        on_gpu = (self.device or "").upper().startswith("GPU")
        return Device.CUDA if on_gpu else Device.CPU

    @property
    def distribution(self) -> str | None:
        """The package that brought TensorFlow, where it is one that the index has."""
        return next((name for name in TENSORFLOW_PACKAGES if name in self.packages), None)

    @property
    def pins(self) -> Pins:
        """The captured versions, for the packages an environment has anyway."""
        packages = {
            name: version for name, version in self.packages.items() if name not in _NOT_PINNED
        }
        return Pins(name=CAPTURED, packages=packages, constraints=True)

    @property
    def flags(self) -> Flags:
        """The variables that were set there; the default flags where none was."""
        variables = {
            name: value
            for name, value in self.variables.items()
            if name in VARIABLES and name not in _OF_THE_MACHINE
        }
        return Flags(name=CAPTURED, variables=variables) if variables else Flags()

    @property
    def note(self) -> str:
        """What a reader of the plan should know of the cell that rebuilds it."""
        where = "" if self.system == "linux" else f" on {self.platform}"
        return f"rebuilds what was captured on {self.date:%Y-%m-%d}{where}"

    def problems(self, where: str) -> tuple[Problem, ...]:
        """Return why it cannot be rebuilt; empty where it can."""
        if self.implementation == "CPython":
            return ()
        what = f"{self.path} was captured with {self.implementation}, which cannot be rebuilt"
        return (Problem(where=where, what=what, allowed="CPython"),)


def not_captured(where: str) -> Problem:
    """Say that a matrix asks for an environment that nobody captured."""
    return Problem(
        where=where,
        what="the model has no captured.json",
        hint="run `harness capture MODEL_DIR`, and the script it writes where the model was made",
    )
