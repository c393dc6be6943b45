"""The files of one cell: whole or not there, and taken over with all that belongs to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.observation import Ending, Observation, Stage, Variation
from harness.store.layout import CellFolder, SweepFolder
from harness.store.observations import (
    Arrays,
    forget,
    forget_further,
    load_log,
    load_observation,
    save_observation,
    take_over,
)
from harness.untrusted import UntrustedFileError
from tests.support.fakes import cell
from tests.support.observed import observation as completed

CELL = cell()


def timed_out() -> Observation:
    return completed(CELL, ending=Ending.TIMEOUT, stage=Stage.LOAD)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    return SweepFolder(tmp_path / "results" / "tiny" / "20260101T000000Z")


@pytest.fixture
def folder(sweep: SweepFolder) -> CellFolder:
    return sweep.cell(CELL.id)


@pytest.fixture
def written(tmp_path: Path) -> Arrays:
    """What a run wrote."""
    paths = {name: tmp_path / f"{name}.npz" for name in ("outputs", "repeat", "preprocessed")}
    for name, path in paths.items():
        path.write_text(name)
    return Arrays(**paths)


VARIED = [Variation(name="ulp-1", same=False, kept=True), Variation(name="threads-1", same=True)]


def varied(tmp_path: Path) -> Arrays:
    """What a run wrote that was varied."""
    paths = {name: tmp_path / f"{name}.npz" for name in ("outputs", "variation-ulp-1")}
    for name, path in paths.items():
        path.write_text(name)
    return Arrays(outputs=paths["outputs"], variations={"ulp-1": paths["variation-ulp-1"]})


def test_variations_are_kept_moved_and_taken_over(
    sweep: SweepFolder, folder: CellFolder, tmp_path: Path
) -> None:
    one = completed(CELL, variations=VARIED)
    written = varied(tmp_path)
    save_observation(folder, one, log="log", arrays=written)
    assert not written.variations["ulp-1"].exists()
    later = SweepFolder(sweep.path.with_name("20260102T000000Z")).cell(CELL.id)
    taken = take_over(folder, one, later)
    for place, kept in ((folder, one), (later, taken)):
        assert load_observation(place) == kept
        assert [path.name for path in place.variations.iterdir()] == ["ulp-1.npz"]
        assert place.variation("ulp-1").read_text() == "variation-ulp-1"


def test_variations_of_the_observation_before_are_gone(
    sweep: SweepFolder, folder: CellFolder, tmp_path: Path
) -> None:
    save_observation(folder, completed(CELL, variations=VARIED), log="", arrays=varied(tmp_path))
    save_observation(folder, timed_out(), log="")
    assert not folder.variations.exists()
    save_observation(folder, completed(CELL, variations=VARIED), log="", arrays=varied(tmp_path))
    source = SweepFolder(sweep.path.with_name("20260102T000000Z")).cell(CELL.id)
    save_observation(source, timed_out(), log="")
    take_over(source, timed_out(), folder)
    assert not folder.variations.exists()


def files(folder: CellFolder) -> set[str]:
    return {path.name for path in folder.path.iterdir()}


def test_half_an_observation_is_none(folder: CellFolder) -> None:
    save_observation(folder, timed_out(), log="log")
    text = folder.observation.read_text()
    folder.observation.write_text(text[: len(text) // 2])
    assert load_observation(folder) is None


def test_everything_is_kept_and_comes_back(folder: CellFolder, written: Arrays) -> None:
    save_observation(folder, completed(CELL), log="log", lock="lock", arrays=written)
    assert load_observation(folder) == completed(CELL)
    assert load_log(folder) == "log"
    assert folder.lock.read_text() == "lock"
    for kept in (folder.outputs, folder.repeat, folder.preprocessed):
        assert kept.read_text() == kept.stem


def test_what_a_run_wrote_is_moved(folder: CellFolder, written: Arrays) -> None:
    save_observation(folder, completed(CELL), log="log", arrays=written)
    assert not any(
        path.exists()
        for path in (written.outputs, written.repeat, written.preprocessed)
        if path is not None
    )


def test_an_observation_that_lost_its_outputs_is_none(folder: CellFolder, written: Arrays) -> None:
    save_observation(folder, completed(CELL), log="log", arrays=written)
    folder.outputs.unlink()
    assert load_observation(folder) is None


def test_an_observation_that_lost_what_was_preprocessed_is_none(
    folder: CellFolder, written: Arrays
) -> None:
    save_observation(folder, completed(CELL, preprocessed=()), log="log", arrays=written)
    assert load_observation(folder) is not None
    folder.preprocessed.unlink()
    assert load_observation(folder) is None


def test_what_a_second_inference_gave_was_not_always_kept(
    folder: CellFolder, written: Arrays
) -> None:
    arrays = Arrays(outputs=written.outputs)
    save_observation(folder, completed(CELL, deterministic=False), log="log", arrays=arrays)
    assert load_observation(folder) is not None


def test_an_observation_of_before_there_were_loaders_is_still_read(folder: CellFolder) -> None:
    save_observation(folder, timed_out(), log="log")
    old = json.loads(folder.observation.read_text())
    for key in ("preprocessed", "restored", "training", "variations"):
        del old[key]
    del old["seconds"]["preprocess"]
    folder.observation.write_text(json.dumps(old))
    assert load_observation(folder) == timed_out()


def test_an_observation_replaces_all_of_the_one_before(folder: CellFolder, written: Arrays) -> None:
    save_observation(folder, completed(CELL), log="log", arrays=written)
    save_observation(folder, timed_out(), log="other log")
    assert files(folder) == {"observation.json", "probe.log"}
    assert load_log(folder) == "other log"


def test_outputs_that_are_a_link_are_never_followed(folder: CellFolder, tmp_path: Path) -> None:
    link = tmp_path / "outputs.npz"
    link.symlink_to("/etc/hostname")
    with pytest.raises(UntrustedFileError):
        save_observation(folder, completed(CELL), log="log", arrays=Arrays(outputs=link))
    assert load_observation(folder) is None


@pytest.mark.parametrize("place", ["cell", "loader", "equal inputs"])
def test_taking_over_marks_the_copy_and_leaves_the_source(
    sweep: SweepFolder, written: Arrays, place: str
) -> None:
    later = SweepFolder(sweep.path.with_name("20260102T000000Z"))
    source, target = (
        {"cell": cell, "loader": cell.loader("session"), "equal inputs": cell.equal_inputs}[place]
        for cell in (sweep.cell(CELL.id), later.cell(CELL.id))
    )
    save_observation(source, completed(CELL), log="log", lock="lock", arrays=written)
    before = files(source)
    taken = take_over(source, completed(CELL), target)
    assert taken.cached
    assert load_observation(target) == taken
    assert files(target) == before == files(source)
    assert load_observation(source) == completed(CELL)
    assert source.sweep == sweep
    assert target.sweep == later


def test_taking_over_leaves_nothing_of_what_was_there(
    sweep: SweepFolder, folder: CellFolder, written: Arrays
) -> None:
    source = SweepFolder(sweep.path.with_name("20260102T000000Z")).cell(CELL.id)
    save_observation(source, timed_out(), log="log")
    save_observation(folder, completed(CELL), log="other", lock="lock", arrays=written)
    take_over(source, timed_out(), folder)
    assert files(folder) == {"observation.json", "probe.log"}


def test_forgetting_removes_what_is_there(folder: CellFolder, written: Arrays) -> None:
    forget(folder)
    save_observation(folder, completed(CELL), log="log", arrays=written)
    for further in (folder.loader("session"), folder.loader("TFSMLayer"), folder.equal_inputs):
        save_observation(further, timed_out(), log="log")
    forget_further(folder)
    assert load_observation(folder) is not None
    assert folder.further() == ()
    assert load_observation(folder.equal_inputs) is None
    forget(folder)
    assert not folder.path.exists()
