"""A results folder, models and a way to sweep them over a fake engine."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.model.model import Model
from harness.observation import NoiseLevel, Observation
from harness.plan.matrix import Matrix
from harness.plan.plan import Plan
from harness.store.layout import CellFolder, SweepFolder
from harness.store.observations import load_observation
from harness.store.record import Host, SweepRecord
from harness.store.results import Results
from harness.sweep.key import sweep_key
from harness.sweep.progress import PlainDisplay
from harness.sweep.request import material
from harness.sweep.sweep import run_sweep
from harness.sweep.work import ModelSweep, Sweep, Task, first_tasks
from tests.support.fakes import LIMITS, NOW, FakeEngine, model


class Bench:
    """Sweeps one after the other into one results folder; `tiny` is the model there always is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.probe = folder / "probe" / "probe.py"
        self.probe.parent.mkdir()
        self.probe.write_text("pass\n")
        self.count = 0
        self.shown = io.StringIO()

    def model(self, name: str = "tiny", **fields: object) -> Model:
        (self.folder / name).mkdir(exist_ok=True)
        return model(self.folder / name, name=name, **fields)

    def results(self, name: str = "tiny") -> Results:
        return Results(self.folder / "results", name)

    def sweep(self, engine: FakeEngine, plan: Plan, **fields: object) -> SweepFolder:
        """Sweep one model; return where its results are."""
        the_model = fields.pop("model", None) or self.model()
        (folder,) = self.sweep_all(engine, [(the_model, plan)], **fields)  # type: ignore[list-item]
        return folder

    def sweep_all(
        self,
        engine: FakeEngine,
        pairs: Sequence[tuple[Model, Plan]],
        *,
        tasks: Callable[[Sequence[ModelSweep]], Sequence[Task]] = first_tasks,
        noise: NoiseLevel = "quick",
        fresh: bool = False,
    ) -> list[SweepFolder]:
        """Sweep models in new sweeps; return where the results of each are."""
        self.count += 1
        models = tuple(self._begin(engine, model, plan) for model, plan in pairs)
        self.run(engine, models, tasks(models), noise=noise, fresh=fresh)
        return [each.folder for each in models]

    def run(
        self,
        engine: FakeEngine,
        models: tuple[ModelSweep, ...],
        tasks: Sequence[Task],
        *,
        noise: NoiseLevel = "quick",
        fresh: bool = False,
    ) -> None:
        """Do tasks of sweeps that were begun, and show it in `shown`."""
        workspace = self.folder / "work"
        workspace.mkdir(exist_ok=True)
        with ThreadPoolExecutor(2) as executor, PlainDisplay(self.shown) as display:
            sweep = Sweep(
                engine=engine,
                limits=LIMITS,
                probe=self.probe,
                workspace=workspace,
                display=display,
                models=models,
                noise=noise,
                fresh=fresh,
            )
            run_sweep(sweep, tasks, executor)
        assert list(workspace.iterdir()) == []

    def _begin(self, engine: FakeEngine, model: Model, plan: Plan) -> ModelSweep:
        given = material(model)
        results = self.results(model.name)
        record = SweepRecord(
            id=f"2026010{self.count}T000000Z",
            key=sweep_key(
                engine=engine.name,
                model=model,
                files=given.digests,
                plan=plan,
                limits=LIMITS,
                noise="quick",
            ),
            owner="here:1:0.00",
            harness="0",
            started=NOW,
            model=model,
            matrix=Matrix(schema=1),
            plan=plan,
            engine=engine.name,
            engine_description=engine.describe(),
            host=Host.this(),
            reference="auto",
        )
        folder = results.begin(record)
        return ModelSweep(model=model, plan=plan, material=given, results=results, folder=folder)


def observed(folder: CellFolder) -> Observation:
    """Return the observation that is in a folder."""
    observation = load_observation(folder)
    assert observation is not None
    return observation
