"""A saved sweep as the judge sees it: every loader's observations, and arrays read once."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from harness import npz
from harness.model.model import Model
from harness.observation import FLOAT64, Ending, Observation, Stage, Variation
from harness.plan.plan import PlannedCell
from harness.store.layout import CellFolder, SweepFolder
from harness.store.observations import Arrays, save_observation
from harness.store.saved import Saved, read_first, read_tensors
from harness.tensor import NumericTensor, StringTensor
from tests.support.fakes import cell, facts, model
from tests.support.observed import observation

CELL = cell()
FACTS = [{"name": "y", "dtype": "float32", "shape": [2]}]


@pytest.fixture
def the_model(tmp_path: Path) -> Model:
    return model(tmp_path)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    return SweepFolder(tmp_path / "results" / "tiny" / "1")


def save(folder: CellFolder, value: float, **fields: object) -> Observation:
    """Keep a completed observation with one output of two equal values."""
    out = folder.sweep.path / "out"
    out.mkdir(parents=True, exist_ok=True)
    written = {name: out / f"{name}.npz" for name in ("outputs", "repeat", "made")}
    np.savez(written["outputs"], output_0=np.full(2, value, np.float32))
    np.savez(written["repeat"], output_0=np.full(2, value + 1, np.float32))
    np.savez(written["made"], x=np.full(2, value + 2, np.float64))
    one = observation(CELL, outputs=FACTS, **fields)
    arrays = Arrays(
        outputs=written["outputs"], repeat=written["repeat"], preprocessed=written["made"]
    )
    save_observation(folder, one, log=f"log of {value}", arrays=arrays)
    return one


def saved(sweep: SweepFolder, the_model: Model) -> Saved:
    return Saved(sweep, the_model, [PlannedCell(cell=CELL), PlannedCell(cell=cell("2.14.1"))])


def value(tensors: object) -> float:
    (tensor,) = tensors.values()  # type: ignore[attr-defined]
    assert isinstance(tensor, NumericTensor)
    return float(tensor.array[0])


def test_each_observation_has_its_own_arrays_and_log(sweep: SweepFolder, the_model: Model) -> None:
    folder = sweep.cell(CELL.id)
    made = facts({"x": np.zeros(2)})
    first = save(folder, 1, preprocessed=made)
    other = save(folder.loader("session"), 10, loader="session", preprocessed=made)
    fed = {"source": "reference", "digest": "d"}
    equal = save(folder.equal_inputs, 100, inputs=fed)
    seen = saved(sweep, the_model)
    assert seen.observations == {CELL.id: first}
    assert seen.others == {CELL.id: (other,)}
    assert seen.equal_inputs == {CELL.id: equal}
    assert [value(seen.outputs(one)) for one in (first, other, equal)] == [1, 10, 100]
    assert [value(seen.repeat(one)) for one in (first, other, equal)] == [2, 11, 101]
    assert [value(seen.preprocessed(one)) for one in (first, other)] == [3, 12]
    assert [seen.log(one) for one in (first, other, equal)] == [
        "log of 1",
        "log of 10",
        "log of 100",
    ]


def test_further_loaders_stand_in_their_order_and_only_where_the_first_is(
    sweep: SweepFolder, the_model: Model
) -> None:
    newer = cell("2.16.2", "3.12")
    folder = sweep.cell(newer.id)
    for name in ("TFSMLayer", "session", "of-another-time"):
        one = observation(newer, loader=name, ending=Ending.TIMEOUT, stage=Stage.LOAD)
        save_observation(folder.loader(name), one, log="")
    cells = [PlannedCell(cell=newer)]
    assert Saved(sweep, the_model, cells).others == {}
    first = observation(newer, ending=Ending.TIMEOUT, stage=Stage.LOAD)
    save_observation(folder, first, log="")
    others = Saved(sweep, the_model, cells).others[newer.id]
    assert [one.loader for one in others] == ["session", "TFSMLayer"]


def test_what_is_installed_tells_which_loaders_there_were(
    sweep: SweepFolder, the_model: Model
) -> None:
    keras = the_model.model_copy(update={"keras": True})
    folder = sweep.cell(CELL.id)
    locked = {"tensorflow-cpu": "2.15.1", "tf-keras": "2.15.0"}
    save(folder, 1, locked=locked)
    save(folder.loader("tf_keras.load_model"), 2, loader="tf_keras.load_model")
    assert [one.loader for one in saved(sweep, keras).others[CELL.id]] == ["tf_keras.load_model"]


def test_a_cell_that_never_ran_is_not_there(sweep: SweepFolder, the_model: Model) -> None:
    assert saved(sweep, the_model).observations == {}


def test_arrays_that_are_not_what_the_observation_says_are_refused(
    sweep: SweepFolder, the_model: Model
) -> None:
    one = save(sweep.cell(CELL.id), 1)
    np.savez(sweep.cell(CELL.id).outputs, output_0=np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="has the shape"):
        saved(sweep, the_model).outputs(one)
    sweep.cell(CELL.id).repeat.unlink()
    with pytest.raises(ValueError, match=r"repeat\.npz does not exist"):
        saved(sweep, the_model).repeat(one)


def test_arrays_in_use_are_not_read_twice_and_then_let_go(
    sweep: SweepFolder, the_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = npz.NpzReader.read

    def counted(reader: npz.NpzReader, name: str) -> np.ndarray:
        reads.append(name)
        return read(reader, name)

    monkeypatch.setattr(npz.NpzReader, "read", counted)
    one = save(sweep.cell(CELL.id), 1)
    seen = saved(sweep, the_model)
    kept = seen.outputs(one)
    assert seen.outputs(one) is kept
    assert reads == ["output_0"]
    del kept
    gc.collect()
    seen.outputs(one)
    assert reads == ["output_0"] * 2


def test_users_files_are_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "expected.npz"
    np.savez(path, y=np.zeros(2, np.float32), text=np.array([b"a"]))
    tensors = read_tensors(path)
    assert list(tensors) == ["y", "text"]
    assert tensors["text"] == StringTensor((1,), (b"a",))
    first = read_first(path)
    assert first is not None
    assert first.shape == (2,)
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match=r"expected\.npz is not a whole zip archive"):
        read_tensors(path)


KEPT = Variation(name=FLOAT64, same=False, kept=True)


def test_a_float64_run_is_read_with_types_of_its_own(sweep: SweepFolder, the_model: Model) -> None:
    folder = sweep.cell(CELL.id)
    assert saved(sweep, the_model).float64(save(folder, 1.0)) is None
    one = save(folder, 1.0, variations=(KEPT,))
    folder.variations.mkdir()
    np.savez(folder.variation(FLOAT64), output_0=np.full(2, 1.5, np.float64))
    found = saved(sweep, the_model).float64(one)
    assert found is not None
    assert (found["y"].dtype, value(found)) == ("float64", 1.5)


@pytest.mark.parametrize(
    "array", [np.zeros(2, np.float32), np.zeros(3), np.array([None, None]), np.zeros(2, np.int64)]
)
def test_a_float64_run_that_is_none_is_refused(
    array: np.ndarray, sweep: SweepFolder, the_model: Model
) -> None:
    folder = sweep.cell(CELL.id)
    one = save(folder, 1.0, variations=(KEPT,))
    folder.variations.mkdir()
    np.savez(folder.variation(FLOAT64), output_0=array, allow_pickle=True)
    with pytest.raises(ValueError, match=r"output|float64.npz"):
        saved(sweep, the_model).float64(one)


def test_a_float64_run_that_is_cut_off_or_a_link_is_refused(
    sweep: SweepFolder, the_model: Model
) -> None:
    folder = sweep.cell(CELL.id)
    one = save(folder, 1.0, variations=(KEPT,))
    folder.variations.mkdir()
    folder.variation(FLOAT64).symlink_to(folder.outputs)
    with pytest.raises(ValueError, match=r"float64.npz"):
        saved(sweep, the_model).float64(one)
    folder.variation(FLOAT64).unlink()
    folder.variation(FLOAT64).write_bytes(folder.outputs.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"float64.npz"):
        saved(sweep, the_model).float64(one)
