"""Hand-written stand-ins for what the harness drives, with the same protocols."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.cell import Cell, Distribution, Platform
from harness.environments.engine import (
    Attempt,
    CellFailure,
    Environment,
    Limits,
    Lock,
    Progress,
    Run,
    RunOutcome,
)
from harness.environments.keeping.kept import EVERYTHING, Inventory, Selection
from harness.model.model import Format, Model, Writer
from harness.observation import Base, Ending, EnvironmentFacts, Image
from harness.plan.plan import IndexState, Plan, PlannedCell

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LIMITS = Limits(timeout_seconds=60, memory_bytes=2**32, cpus=2, output_bytes=2**24)


@dataclass(frozen=True, slots=True)
class Attempting:
    """One attempt of a run, as the fake engine hands it to a behaviour."""

    cell: str
    attempt: Attempt
    out: Path
    """The attempt's own folder; it exists."""

    @property
    def request(self) -> dict[str, Any]:
        """What the probe would be told."""
        request: dict[str, Any] = json.loads(self.attempt.request)
        return request

    @property
    def loader(self) -> str:
        """The loader that is asked for."""
        return str(self.request["loader"])

    @property
    def model(self) -> str:
        """Name of the model's folder."""
        return self.attempt.model.name


Behaviour = Callable[[Attempting], RunOutcome]


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


def write_out(
    out: Path,
    written: dict[str, object],
    outputs: np.ndarray | None = None,
    *,
    repeat: np.ndarray | None = None,
    preprocessed: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write what a probe would; the arrays only where the run completed."""
    (out / "report.json").write_text(json.dumps(written))
    array = np.array([[1, 2], [3, 4]], np.float32) if outputs is None else outputs
    np.savez(out / "outputs.npz", output_0=array)
    np.savez(out / "inputs.npz", x=np.zeros((2, 3), np.float32))
    if repeat is not None:
        np.savez(out / "repeat.npz", output_0=repeat)
    if preprocessed is not None:
        np.savez(out / "preprocessed.npz", **preprocessed)  # type: ignore[arg-type]


def facts(arrays: Mapping[str, np.ndarray]) -> list[dict[str, object]]:
    """Describe arrays as a report does."""
    return [
        {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        for name, array in arrays.items()
    ]


def completes(attempting: Attempting) -> RunOutcome:
    write_out(attempting.out, report(attempting.cell, loader=attempting.loader))
    return RunOutcome(ending=Ending.COMPLETED, exit_status=0, log="ran\n", seconds=1.0)


def fails(attempting: Attempting) -> RunOutcome:
    failure = {"type": "TypeError", "message": "no", "traceback": ""}
    told = report(
        attempting.cell,
        loader=attempting.loader,
        completed=False,
        stage="load",
        failure=failure,
    )
    (attempting.out / "report.json").write_text(json.dumps(told))
    return RunOutcome(ending=Ending.EXIT, exit_status=1, log="no\n")


class FakeEngine:
    """An engine that runs nothing: `behaviours` say what an attempt would do.

    They go by `model/cell/loader`, `cell/loader`, `model/cell` or `cell`; the first that is there
    counts. `model` is the name of the model's folder.
    """

    name: Literal["docker", "venv"] = "docker"
    platform = Platform()

    def __init__(
        self,
        behaviours: dict[str, Behaviour] | None = None,
        *,
        unlockable: dict[str, CellFailure] | None = None,
        unbuildable: dict[str, CellFailure] | None = None,
        packages: dict[str, str] | None = None,
    ) -> None:
        self.behaviours = behaviours or {}
        self.unlockable = unlockable or {}
        self.unbuildable = unbuildable or {}
        self.packages = packages or {}
        """What is installed beside TensorFlow."""
        self.locked: list[tuple[str, tuple[str, ...]]] = []
        self.built: list[str] = []
        self.runs: list[Run] = []
        self.attempted: list[str] = []
        """`model/cell/loader` of each attempt."""
        self.stopped = threading.Event()
        self.released: list[str] = []

    @property
    def ran(self) -> list[str]:
        """The cell of each run."""
        return [run.cell for run in self.runs]

    def forget(self) -> None:
        """Begin to note anew."""
        self.locked, self.built, self.runs, self.attempted = [], [], [], []

    def describe(self) -> str:
        return "fake engine"

    def unobtainable(self, pythons: frozenset[str]) -> dict[str, str]:
        return {}

    def lock(
        self, cell: Cell, requirements: tuple[str, ...], progress: Progress
    ) -> Lock | CellFailure:
        self.locked.append((cell.environment_id, requirements))
        made = lock(cell)
        more = made.model_copy(update={"packages": made.packages | self.packages})
        return self.unlockable.get(cell.environment_id) or more

    def build(self, cell: Cell, lock: Lock, progress: Progress) -> Environment | CellFailure:
        self.built.append(cell.environment_id)
        return self.unbuildable.get(cell.environment_id) or environment(cell)

    def run(self, environment: Environment, run: Run, progress: Progress) -> tuple[RunOutcome, ...]:
        self.runs.append(run)
        return tuple(self._attempt(run, attempt) for attempt in run.attempts)

    def _attempt(self, run: Run, attempt: Attempt) -> RunOutcome:
        out = run.out / attempt.name
        out.mkdir()
        attempting = Attempting(run.cell, attempt, out)
        model, cell, loader = attempting.model, run.cell, attempting.loader
        self.attempted.append(f"{model}/{cell}/{loader}")
        for key in (f"{model}/{cell}/{loader}", f"{cell}/{loader}", f"{model}/{cell}", cell):
            if key in self.behaviours:
                return self.behaviours[key](attempting)
        return completes(attempting)

    def release(self, environment: Environment) -> None:
        self.released.append(environment.identity)

    def stop(self) -> None:
        self.stopped.set()

    def remove_leftovers(self) -> tuple[str, ...]:
        return ()

    def dropped(self) -> frozenset[str]:
        return frozenset()

    def inventory(self) -> Inventory:
        return Inventory(engine=self.name, place="nowhere", items=(), total_bytes=0)

    def clean(self, which: Selection = EVERYTHING) -> tuple[str, ...]:
        return ()
