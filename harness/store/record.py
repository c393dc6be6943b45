"""`sweep.json`: what was swept, on what, with which engine."""

from __future__ import annotations

import os
import platform
from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from harness.cell import Value
from harness.model.model import Model
from harness.observation import SCHEMA
from harness.plan.matrix import Matrix
from harness.plan.plan import Plan

__all__ = ["RECORDED_INPUTS", "Host", "SweepRecord"]

RECORDED_INPUTS = "inputs.npz"
"""Stands for the inputs that were recorded where the model was made; no cell has such an id."""


class Host(Value):
    """The machine of the harness, as far as results depend on it."""

    system: str
    """Operating system and its release."""
    machine: str
    cpus: int
    python: str

    @classmethod
    def this(cls) -> Host:
        """Describe this machine."""
        return cls(
            system=f"{platform.system()} {platform.release()}",
            machine=platform.machine(),
            cpus=os.cpu_count() or 1,
            python=platform.python_version(),
        )


class SweepRecord(Value):
    """Everything needed to judge and render a sweep again without running anything."""

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    id: str
    key: str
    """Two sweeps with one key were asked for the same: an unfinished one is resumed."""
    owner: str
    """The harness process that works on it (see `environments.owner`)."""
    harness: str
    """Version of the harness."""
    started: datetime
    finished: datetime | None = None
    """None while it runs, and for ever where it was killed."""
    model: Model
    matrix: Matrix
    plan: Plan
    engine: Literal["docker", "venv"]
    engine_description: str
    host: Host
    reference: str
    """What was asked for: `auto`, `expected` or a cell id."""
    equal_inputs: str | None = None
    """Whose inputs the cells whose own differ were run on once more: a cell's, or those of
    `inputs.npz`; None where none were."""

    dropped: tuple[str, ...] = ()
    """Tags of images that were removed again, once done with, to make room for others."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
