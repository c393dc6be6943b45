from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from harness.errors import ResultsError
from harness.files import write_atomically
from harness.observation import Ending, Observation, Stage
from harness.store.layout import CellFolder, SweepFolder
from harness.store.observations import save_observation
from harness.store.record import Host, SweepRecord
from harness.store.results import (
    Results,
    keep,
    load_record,
    save_record,
)
from tests.support.fakes import NOW, model, plan
from tests.support.fakes import cell as make_cell
from tests.support.observed import observation as observed

CELL = make_cell()


def its_place(sweep: SweepFolder) -> CellFolder:
    return sweep.cell(CELL.id)


def record(sweep_id: str = "20260101T000000Z", **fields: object) -> SweepRecord:
    the_model = model(Path("/models/tiny"))
    return SweepRecord.model_validate(
        {
            "id": sweep_id,
            "key": "key",
            "owner": "here:1:0.00",
            "harness": "0",
            "started": NOW,
            "model": the_model,
            "matrix": {"schema": 1},
            "plan": plan(CELL),
            "engine": "venv",
            "engine_description": "venv",
            "host": Host.this(),
            "reference": "auto",
            **fields,
        }
    )


def timed_out(key: str) -> Observation:
    return observed(CELL, key=key, ending=Ending.TIMEOUT, stage=Stage.LOAD)


def nobody(_owner: str) -> bool:
    return False


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results", "tiny")


def test_a_record_comes_back_as_it_was(results: Results) -> None:
    folder = results.begin(record())
    assert load_record(folder) == record()


def test_an_unfinished_sweep_is_found_by_its_key(results: Results) -> None:
    folder = results.begin(record())
    assert results.unfinished("key", nobody) == folder
    assert results.unfinished("another key", nobody) is None
    save_record(folder, record(finished=NOW))
    assert results.unfinished("key", nobody) is None


def test_a_sweep_that_another_harness_works_on_is_left_to_it(results: Results) -> None:
    results.begin(record(owner="elsewhere:1:0.00"))
    assert results.unfinished("key", lambda owner: owner == "elsewhere:1:0.00") is None


def test_only_the_newest_sweep_with_a_key_counts(results: Results) -> None:
    results.begin(record("20260101T000000Z"))
    results.begin(record("20260102T000000Z", finished=NOW))
    assert results.unfinished("key", nobody) is None


def test_another_schema_is_said(results: Results) -> None:
    folder = results.begin(record())
    folder.record.write_text('{"schema": 2}')
    with pytest.raises(ResultsError, match="not a record this version can read"):
        load_record(folder)


def test_a_folder_that_is_no_sweep_is_said(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be read"):
        load_record(SweepFolder(tmp_path))


def test_the_newest_observation_that_is_wanted_is_found(results: Results) -> None:
    older = results.begin(record("20260101T000000Z"))
    newer = results.begin(record("20260102T000000Z"))
    for folder, key in ((older, "a"), (newer, "b")):
        save_observation(folder.cell(CELL.id), timed_out(key), log="log")
    found = results.earlier(its_place, lambda seen: seen.key == "a")
    assert found == (older.cell(CELL.id), timed_out("a"))
    newest = results.earlier(its_place, lambda seen: True)
    assert newest == (newer.cell(CELL.id), timed_out("b"))
    assert results.earlier(its_place, lambda seen: seen.key == "c") is None
    at_a_loader = results.earlier(
        lambda sweep: its_place(sweep).loader("session"), lambda seen: True
    )
    assert at_a_loader is None


def test_latest_names_the_newest(results: Results) -> None:
    first = results.begin(record("20260101T000000Z"))
    second = results.begin(record("20260102T000000Z"))
    results.point_latest(first)
    results.point_latest(second)
    assert (results.path / "latest").resolve() == second.path.resolve()
    assert [folder.id for folder in results.sweeps()] == [second.id, first.id]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(ResultsError, match="results cannot be written"):
        Results(tmp_path / "results", "tiny").begin(record())


def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_copy_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "expected.npz", tmp_path / "sweep" / "expected.npz"
    source.write_bytes(b"new")
    target.parent.mkdir()
    target.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ResultsError) as caught:
            keep(source, target)
    assert str(caught.value).startswith(f"{target}: no space left to write results\n")
    assert list(target.parent.iterdir()) == [target]
    assert target.read_bytes() == b"old"
    keep(source, target)
    assert target.read_bytes() == b"new"
    keep(None, target)
    assert not target.exists()


def test_a_place_that_cannot_be_read_is_said() -> None:
    with pytest.raises(ResultsError, match="results cannot be read"):
        Results(Path("x" * 300), "tiny").sweeps()


def test_harnesses_choose_their_sweeps_one_after_the_other(tmp_path: Path) -> None:
    chosen: list[str] = []

    def choose() -> None:
        with Results(tmp_path / "results", "tiny").alone():
            chosen.append("second")

    with Results(tmp_path / "results", "tiny").alone():
        thread = threading.Thread(target=choose)
        thread.start()
        thread.join(0.5)
        chosen.append("first")
    thread.join()
    assert chosen == ["first", "second"]


def test_a_record_of_before_there_were_loaders_and_preprocessing_is_still_read(
    results: Results,
) -> None:
    folder = results.begin(record())
    old = json.loads(folder.record.read_text())
    del old["equal_inputs"]
    known = {"name", "path", "root", "format", "digest", "writer", "signatures", "signature"}
    for key in set(old["model"]) - known - {"inputs", "expected", "labels", "seed", "batch_size"}:
        del old["model"][key]
    for planned in old["plan"]["cells"]:
        del planned["cell"]["pins"]["constraints"]
    folder.record.write_text(json.dumps(old))
    assert load_record(folder) == record()
