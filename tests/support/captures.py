"""What a capture script writes, as values."""

from __future__ import annotations

from harness.plan.captured import Captured

FACTS = {
    "schema": 1,
    "harness": "0.1.0",
    "date": "2024-04-01T12:30:00Z",
    "model": {"name": "digits", "digest": "ab" * 32},
    "python": "3.10.4",
    "implementation": "CPython",
    "system": "linux",
    "machine": "x86_64",
    "platform": "Linux-5.10-x86_64-with-glibc2.36",
    "libc": "glibc 2.36",
    "cpu": "A Processor (avx2)",
    "device": "CPU",
    "threads": {"intra_op": 0, "inter_op": 0, "cpus": 8},
    "variables": {},
    "loader": "saved_model.load",
    "tensorflow": "2.15.1",
    "keras": "2.15.0",
    "numpy": "1.26.4",
    "h5py": "3.10.0",
    "protobuf": "4.25.3",
    "cuda": None,
    "cudnn": None,
    "git_version": "v2.15.0-11-g63f5a65c7cd",
    "build_info": {"is_cuda_build": "False"},
    "signature": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [8, 4]}],
    "inputs_digest": "cd" * 32,
    "outputs": [{"name": "y", "dtype": "float32", "shape": [8, 2]}],
    "deterministic": True,
    "warnings": [],
}
"""`captured.json`."""

PACKAGES = {"numpy": "1.26.4", "tensorflow": "2.15.1", "jupyter": "1.0.0", "keras": "2.15.0"}


def captured(packages: dict[str, str] = PACKAGES, **changes: object) -> Captured:
    """Return what was captured, with `changes` to the facts."""
    told = Captured.model_validate(FACTS | changes)
    return told.model_copy(update={"packages": packages})
