"""Hand-written stand-ins for what the harness drives, with the same protocols."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from harness.cell import Cell, Distribution, Platform
from harness.environments.engine import (
    CellFailure,
    Environment,
    Limits,
    Lock,
    Progress,
    Run,
    RunOutcome,
)
from harness.model.model import Format, Model, Writer
from harness.observation import Base, Ending, EnvironmentFacts, Image
from harness.plan.plan import IndexState, Plan, PlannedCell

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LIMITS = Limits(timeout_seconds=60, memory_bytes=2**32, cpus=2, output_bytes=2**24)

Behaviour = Callable[[Run], RunOutcome]


def cell(tensorflow: str = "2.15.1", python: str = "3.11", **fields: object) -> Cell:
    distribution = Distribution(name="tensorflow-cpu", version=tensorflow, released=NOW)
    return Cell.model_validate(
        {"tensorflow": tensorflow, "python": python, "distribution": distribution, **fields}
    )


def plan(*cells: Cell | PlannedCell) -> Plan:
    planned = tuple(
        item if isinstance(item, PlannedCell) else PlannedCell(cell=item) for item in cells
    )
    return Plan(cells=planned, index=IndexState(retrieved=NOW, source="network"))


def model(folder: Path, **fields: object) -> Model:
    return Model.model_validate(
        {
            "name": "tiny",
            "path": folder,
            "root": folder,
            "format": Format.SAVED_MODEL,
            "digest": "0" * 64,
            "writer": Writer(tensorflow="2.15.1"),
            **fields,
        }
    )


def lock(cell: Cell) -> Lock:
    return Lock(
        text=f"tensorflow-cpu=={cell.tensorflow} --hash=sha256:00\n",
        packages={"tensorflow-cpu": cell.tensorflow},
        digest=f"digest of {cell.environment_id}",
        distribution="tensorflow-cpu",
        installer="uv 0",
        python=cell.python,
    )


def environment(cell: Cell) -> Environment:
    return Environment(
        identity=f"identity of {cell.environment_id}",
        facts=EnvironmentFacts(
            lock_digest=f"digest of {cell.environment_id}",
            distribution="tensorflow-cpu",
            base=Base(kind="host-slice", reference="CPython 3.11.7"),
            image=Image(tag=f"image:{cell.environment_id}", digest="sha256:00"),
            builder="classic",
            installer="uv 0",
        ),
        location=f"image:{cell.environment_id}",
        build_seconds=1.5,
        reused=False,
    )


def report(run_cell: str, **fields: object) -> dict[str, object]:
    """Return a sound report of a completed run with one output."""
    version, python = run_cell.removeprefix("tf").split("-")[:2]
    return {
        "schema": 1,
        "stage": "collect",
        "completed": True,
        "failure": None,
        "loader": "saved_model.load",
        "actual": {
            "tensorflow": version,
            "python": f"{python[2:]}.7",
            "numpy": "1.26.4",
            "device": "CPU",
        },
        "packages": {"tensorflow-cpu": version},
        "signature": "serving_default",
        "inputs": [{"name": "x", "dtype": "float32", "shape": [2, 3]}],
        "inputs_digest": "11",
        "inputs_generated": True,
        "outputs": [{"name": "y", "dtype": "float32", "shape": [2, 2]}],
        "deterministic": True,
        "seconds": {"build": None, "import": 1.0, "load": 0.5, "infer": 0.25},
        "peak_memory_bytes": 1000,
        "warnings": [],
        **fields,
    }


def write_out(out: Path, written: dict[str, object], outputs: np.ndarray | None = None) -> None:
    (out / "report.json").write_text(json.dumps(written))
    buffer = io.BytesIO()
    array = np.array([[1, 2], [3, 4]], np.float32) if outputs is None else outputs
    np.savez(buffer, output_0=array)
    (out / "outputs.npz").write_bytes(buffer.getvalue())
    np.savez(out / "inputs.npz", x=np.zeros((2, 3), np.float32))


def completes(run: Run) -> RunOutcome:
    write_out(run.out, report(run.cell))
    return RunOutcome(ending=Ending.COMPLETED, exit_status=0, log="ran\n", seconds=1.0)


class FakeEngine:
    """An engine that runs nothing: `behaviours` say, by cell id, what a run would do."""

    name: Literal["docker", "venv"] = "docker"
    platform = Platform()

    def __init__(
        self,
        behaviours: dict[str, Behaviour] | None = None,
        *,
        unlockable: dict[str, CellFailure] | None = None,
        unbuildable: dict[str, CellFailure] | None = None,
    ) -> None:
        self.behaviours = behaviours or {}
        self.unlockable = unlockable or {}
        self.unbuildable = unbuildable or {}
        self.built: list[str] = []
        self.ran: list[str] = []
        self.stopped = threading.Event()

    def describe(self) -> str:
        return "fake engine"

    def unobtainable(self, pythons: frozenset[str]) -> dict[str, str]:
        return {}

    def lock(
        self, cell: Cell, requirements: tuple[str, ...], progress: Progress
    ) -> Lock | CellFailure:
        return self.unlockable.get(cell.environment_id) or lock(cell)

    def build(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        self.built.append(cell.environment_id)
        return self.unbuildable.get(cell.environment_id) or environment(cell)

    def run(self, environment: Environment, run: Run, progress: Progress) -> RunOutcome:
        self.ran.append(run.cell)
        return self.behaviours.get(run.cell, completes)(run)

    def stop(self) -> None:
        self.stopped.set()

    def remove_leftovers(self) -> tuple[str, ...]:
        return ()

    def clean(self) -> tuple[str, ...]:
        return ()
