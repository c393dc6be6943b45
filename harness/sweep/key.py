"""Content keys: what must be the same for an observation, or a sweep, to be taken over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from harness.cell import Flags
from harness.environments.engine import Environment, Limits
from harness.model.model import Model
from harness.observation import NoiseLevel
from harness.plan.plan import Plan

__all__ = ["file_digest", "folder_digest", "observation_key", "processor", "sweep_key"]


def observation_key(
    *,
    engine: str,
    environment: Environment,
    model: Model,
    files: Mapping[str, str],
    request: str,
    probe_digest: str,
    flags: Flags,
    limits: Limits,
) -> str:
    """Return a digest over everything an observation can depend on, the processor included.

    `files` has the digests of what lies beside the model, by name.
    """
    return _digest(
        {
            "engine": engine,
            "environment": environment.identity,
            "model": model.digest,
            "files": dict(files),
            "request": request,
            "probe": probe_digest,
            "variables": flags.variables,
            "limits": limits.model_dump(),
            "processor": processor(),
        }
    )


def sweep_key(
    *,
    engine: str,
    model: Model,
    files: Mapping[str, str],
    plan: Plan,
    limits: Limits,
    noise: NoiseLevel,
) -> str:
    """Return a digest over what was asked for: the same command gives the same key."""
    return _digest(
        {
            "engine": engine,
            "model": model.digest,
            "name": model.name,
            "path": str(model.path / model.prefix),
            "files": dict(files),
            "cells": [planned.cell.model_dump(mode="json") for planned in plan.cells],
            "limits": limits.model_dump(),
            "noise": noise,
        }
    )


def file_digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Return a digest over the names and contents of all Python files below a folder."""
    files = sorted(path for path in folder.rglob("*.py") if path.is_file())
    return _digest({path.relative_to(folder).as_posix(): file_digest(path) for path in files})


@cache
def processor() -> str:
    """Return the processor's name and features: TensorFlow picks its kernels by them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        import platform  # noqa: PLC0415  (only where there is no /proc)

        return platform.processor()
    wanted = ("model name", "flags", "Features")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
