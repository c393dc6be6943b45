"""Two phases: each environment preprocesses for itself, then some run on the reference's inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import pipeline
from harness.cell import Cell
from harness.environments.choose import Chosen
from harness.environments.engine import RunOutcome
from harness.errors import NoReferenceError
from harness.judging import judged_table
from harness.model.model import Code, Model, Task, TaskKind
from harness.observation import Ending
from harness.plan.matrix import Matrix
from harness.planning import Planned
from harness.report.table import Table
from harness.store.layout import SweepFolder
from harness.store.observations import load_observation
from harness.store.results import load_record
from harness.sweep.progress import SilentDisplay
from tests.support.fakes import (
    Attempting,
    FakeEngine,
    cell,
    facts,
    fails,
    model,
    plan,
    report,
    write_out,
)
from tests.support.sweeps import observed

FIRST, SECOND, THIRD = cell("2.13.1"), cell("2.14.1"), cell("2.15.1")
CELLS = (FIRST, SECOND, THIRD)
FED = np.arange(6, dtype=np.float32).reshape(2, 3)


class Preprocessing(FakeEngine):
    """An engine in which `preprocess.py` makes `made[cell]`, and models add up what they are fed.

    The model of a cell in `wrong` adds a thousand to it.
    """

    def __init__(self, made: dict[str, np.ndarray], wrong: tuple[str, ...] = ()) -> None:
        super().__init__({each.id: self.computes for each in CELLS})
        self.made = made
        self.wrong = wrong
        self.fed: list[tuple[str, np.ndarray]] = []
        """What was fed as it is, by cell."""

    def computes(self, attempting: Attempting) -> RunOutcome:
        """Do as the probe would."""
        request = attempting.request
        own = request["raw"] is not None
        assert (request["inputs"] is None) == own
        if own:
            fed = self.made.get(attempting.cell, FED)
        else:
            with np.load(attempting.attempt.files["inputs.npz"]) as arrays:
                (fed,) = arrays.values()
            self.fed.append((attempting.cell, fed))
        sums = fed.sum(axis=1, keepdims=True) + 1000 * (attempting.cell in self.wrong)
        made = {"x": fed}
        told = report(
            attempting.cell,
            loader=attempting.loader,
            preprocessed=facts(made) if own else None,
            inputs_digest=str(fed.tobytes().hex())[:64],
            inputs_generated=False,
            outputs=[{"name": "y", "dtype": "float32", "shape": [2, 1]}],
        )
        preprocessed = made if own else None
        write_out(attempting.out, told, sums.astype(np.float32), preprocessed=preprocessed)
        return RunOutcome(ending=Ending.COMPLETED, exit_status=0)


class Bench:
    """A folder with a model that preprocesses, swept by the whole pipeline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tiny").mkdir()
        np.savez(folder / "raw.npz", image=np.zeros(3))
        (folder / "preprocess.py").write_text("def preprocess(raw): return raw\n")

    def model(self, **fields: object) -> Model:
        code = Code(preprocess=self.folder / "preprocess.py")
        return model(self.folder / "tiny", raw=self.folder / "raw.npz", code=code, **fields)

    def file(self, name: str, **arrays: np.ndarray) -> Path:
        np.savez(self.folder / name, **arrays)  # type: ignore[arg-type]
        return self.folder / name

    def run(
        self, engine: FakeEngine, *models: Model, reference: str = FIRST.id, fresh: bool = False
    ) -> tuple[Table, SweepFolder]:
        job = pipeline.Job(
            models=tuple(Planned(each, plan(*CELLS)) for each in models or (self.model(),)),
            matrix=Matrix(schema=1),
            chosen=Chosen(engine, "a fake one"),
            reference=reference,
            results=self.folder / "results",
            jobs=1,
            fresh=fresh,
        )
        swept, *_ = pipeline.run_matrix(job, SilentDisplay())
        assert isinstance(swept.table, Table)
        return swept.table, swept.folder


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def read(path: Path) -> np.ndarray:
    with np.load(path) as arrays:
        (array,) = arrays.values()
        found: np.ndarray = array
        return found


def verdicts(table: Table) -> dict[str, tuple[str, str | None]]:
    return {
        row.id: (row.verdict.value, row.reason.code if row.reason else None) for row in table.cells
    }


def equal(folder: SweepFolder, the_cell: Cell) -> Path:
    return folder.cell(the_cell.id).equal_inputs.path


def test_cells_whose_inputs_differ_run_once_more_on_the_references(bench: Bench) -> None:
    engine = Preprocessing({SECOND.id: FED + 1})
    table, folder = bench.run(engine)
    ((where, fed),) = engine.fed
    assert where == SECOND.id
    assert (fed == FED).all()
    assert engine.attempted[-1] == f"tiny/{SECOND.id}/saved_model.load"
    assert len(engine.attempted) == 2 * len(CELLS) + 1
    again = observed(folder.cell(SECOND.id).equal_inputs)
    assert again.inputs is not None
    assert again.inputs.source == "reference"
    assert again.preprocessed is None
    assert not equal(folder, FIRST).exists()
    assert not equal(folder, THIRD).exists()
    assert (read(folder.inputs) == FED).all()
    assert folder.raw.exists()
    assert load_record(folder).equal_inputs == FIRST.id
    assert verdicts(table) == {
        FIRST.id: ("identical", None),
        SECOND.id: ("diverged", "preprocessing-differs"),
        THIRD.id: ("identical", None),
    }


def test_a_model_that_differs_by_itself_is_told_from_its_preprocessing(bench: Bench) -> None:
    table, _ = bench.run(Preprocessing({SECOND.id: FED + 1}, wrong=(SECOND.id, THIRD.id)))
    assert verdicts(table)[SECOND.id] == ("diverged", "preprocessing-and-model-differ")
    assert verdicts(table)[THIRD.id][0] == "diverged"
    assert verdicts(table)[THIRD.id][1] != "preprocessing-differs"


def test_a_difference_of_one_bit_counts(bench: Bench) -> None:
    other = FED.copy()
    other[0, 0] = -0.0
    engine = Preprocessing({THIRD.id: other})
    bench.run(engine)
    assert [where for where, _ in engine.fed] == [THIRD.id]


def test_where_all_agree_there_is_one_phase(bench: Bench) -> None:
    engine = Preprocessing({})
    table, folder = bench.run(engine)
    assert engine.fed == []
    assert load_record(folder).equal_inputs == FIRST.id
    assert {verdict for verdict, _ in verdicts(table).values()} == {"identical"}


def test_recorded_inputs_go_with_expected_outputs(bench: Bench) -> None:
    the_model = bench.model(
        inputs=bench.file("inputs.npz", image=FED + 2),
        expected=bench.file("expected.npz", y=(FED + 2).sum(axis=1, keepdims=True)),
    )
    engine = Preprocessing({SECOND.id: FED + 2})
    table, folder = bench.run(engine, the_model, reference="auto")
    assert [where for where, _ in engine.fed] == [THIRD.id, FIRST.id]
    assert all((fed == FED + 2).all() for _, fed in engine.fed)
    assert load_record(folder).equal_inputs == "inputs.npz"
    assert verdicts(table) == {
        FIRST.id: ("diverged", "preprocessing-differs"),
        SECOND.id: ("identical", None),
        THIRD.id: ("diverged", "preprocessing-differs"),
    }
    assert table.notes == ()


def test_without_recorded_inputs_expected_outputs_do_not_tell_the_two_apart(
    bench: Bench,
) -> None:
    the_model = bench.model(expected=bench.file("expected.npz", y=np.zeros((2, 1), np.float32)))
    engine = Preprocessing({SECOND.id: FED + 1})
    table, folder = bench.run(engine, the_model, reference="auto")
    assert engine.fed == []
    assert load_record(folder).equal_inputs is None
    (note,) = table.notes
    assert "expected.npz comes without inputs.npz" in note


def test_a_cell_as_the_reference_is_measured_by_its_own_inputs_not_by_recorded_ones(
    bench: Bench,
) -> None:
    the_model = bench.model(inputs=bench.file("inputs.npz", image=FED + 2))
    engine = Preprocessing({SECOND.id: FED + 1})
    table, folder = bench.run(engine, the_model)
    assert [(where, (fed == FED).all()) for where, fed in engine.fed] == [(SECOND.id, True)]
    (note,) = table.notes
    assert note.startswith(
        f"preprocess.py gives other inputs in the reference, {FIRST.id}, than inputs.npz has"
    )
    assert (read(folder.inputs) == FED + 2).all()


def test_the_second_phase_is_taken_over_too(bench: Bench) -> None:
    made = {SECOND.id: FED + 1}
    before, _ = bench.run(Preprocessing(made))
    again = Preprocessing(made)
    after, folder = bench.run(again)
    assert again.attempted == []
    assert observed(folder.cell(SECOND.id).equal_inputs).cached
    assert verdicts(after) == verdicts(before)


def test_judged_against_another_reference_what_was_fed_before_does_not_count(
    bench: Bench,
) -> None:
    _, folder = bench.run(Preprocessing({SECOND.id: FED + 1}))
    record = load_record(folder)
    same = verdicts(judged_table(folder, record, THIRD.id))
    assert same[SECOND.id] == ("diverged", "preprocessing-differs")
    other = judged_table(folder, record, SECOND.id)
    rows = {row.id: row for row in other.cells}
    assert rows[SECOND.id].verdict.value == "identical"
    assert rows[FIRST.id].reason is not None
    assert "was not measured" in rows[FIRST.id].reason.message


def test_a_reference_that_gave_no_outputs_ends_the_first_phase(bench: Bench) -> None:
    engine = Preprocessing({SECOND.id: FED + 1})
    engine.behaviours[FIRST.id] = fails
    job = pipeline.Job(
        models=(Planned(bench.model(), plan(*CELLS)),),
        matrix=Matrix(schema=1),
        chosen=Chosen(engine, "a fake one"),
        reference=FIRST.id,
        results=bench.folder / "results",
    )
    (swept,) = pipeline.run_matrix(job, SilentDisplay())
    assert isinstance(swept.table, NoReferenceError)
    assert engine.fed == []


def test_a_stopped_sweep_forgets_what_it_fed_for_another_reference(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Infrastructure broke the newest cell, so an older one was elected; resumed, it is not."""
    made = {THIRD.id: FED + 1}
    engine = Preprocessing(made)

    def breaks(_attempting: Attempting) -> RunOutcome:
        return RunOutcome(ending=Ending.INFRASTRUCTURE, message="daemon gone")

    engine.behaviours[FIRST.id] = breaks
    monkeypatch.setattr("harness.sweep.tries._RETRY_SECONDS", ())
    writer = {"tensorflow": "2.13.1"}
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "_finish", lambda *_: _stop())
        with pytest.raises(KeyboardInterrupt):
            bench.run(engine, bench.model(writer=writer), reference="auto")
    (folder,) = (bench.folder / "results" / "tiny").glob("2*")
    first = SweepFolder(folder)
    elected = load_record(first).equal_inputs
    assert elected is not None
    assert elected != FIRST.id
    _, second = bench.run(Preprocessing(made), bench.model(writer=writer), reference="auto")
    assert second == first
    assert load_record(second).equal_inputs == FIRST.id
    there = {each.id for each in CELLS if load_observation(second.cell(each.id).equal_inputs)}
    assert there == {THIRD.id}


def _stop() -> None:
    raise KeyboardInterrupt


def test_models_share_the_second_phase(bench: Bench) -> None:
    one = bench.model(name="one")
    two = bench.model(name="two")
    engine = Preprocessing({SECOND.id: FED + 1})
    bench.run(engine, one, two)
    assert len(engine.runs) == len(CELLS) + 1
    assert len(engine.runs[-1].attempts) == 2


def test_a_task_of_an_output_that_is_not_there_is_not_silently_dropped(bench: Bench) -> None:
    _, folder = bench.run(Preprocessing({}))
    record = load_record(folder)
    told = {"*": Task(kind=TaskKind.REGRESSION), "other": Task(kind=TaskKind.EMBEDDING)}
    model = record.model.model_copy(update={"tasks": told})
    table = judged_table(folder, record.model_copy(update={"model": model}))
    (note,) = (note for note in table.notes if "outputs." in note)
    assert note == (
        "model.yaml: outputs.other: what it is for is not used, as the reference has no such "
        "output (but y)"
    )
