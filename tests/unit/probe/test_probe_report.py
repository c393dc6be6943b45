"""The report: always whole, always in the schema, whatever goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probing import parent
from probing.loaders import LOADERS
from probing.machine import installed_packages, learn_machine
from probing.report import Report, peak_memory_bytes, resident_file_bytes, shorten

from harness.observation import ProbeReport, Stage
from harness.probe import probe


def read(folder: Path) -> ProbeReport:
    return ProbeReport.model_validate_json((folder / "report.json").read_bytes())


def run(folder: Path, attempts: object) -> int:
    """Run the attempt `n` in this very process."""
    text = attempts if isinstance(attempts, str) else json.dumps(attempts)
    (folder / "requests.json").write_text(text)
    (folder / "n").mkdir()
    arguments = ["--requests", str(folder / "requests.json"), "--out", str(folder)]
    status: int = probe.main([*arguments, "--attempt", "n"])
    return status


def one(**request: object) -> dict[str, object]:
    """Return requests of one attempt."""
    return {"schema": 1, "attempts": [{"name": "n", "request": {"schema": 1, **request}}]}


def test_every_stage_is_one_of_the_schema(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    for stage in ("start", "import", "preprocess", "load", "prepare", "infer", "collect"):
        report.enter(stage)
        assert read(tmp_path).stage is Stage(stage)
        assert not read(tmp_path).completed
    report.complete()
    assert read(tmp_path).completed
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_every_field_is_one_of_the_schema(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    learn_machine(report)
    report.enter("start")
    written = json.loads((tmp_path / "report.json").read_text())
    fields = {field.alias or name for name, field in ProbeReport.model_fields.items()}
    assert set(written) == fields
    assert written["packages"]["numpy"] == np.__version__
    assert read(tmp_path).actual.cpu
    assert (read(tmp_path).peak_memory_bytes or 0) > 10_000_000


def test_what_another_report_knows_is_learnt(tmp_path: Path) -> None:
    knows, learns = Report(str(tmp_path)), Report(str(tmp_path))
    knows.actual["python"] = "3.6.15"
    knows.seconds["import"] = 1.5
    knows.warnings.append("of the import")
    knows.values["packages"] = {"numpy": "1.18.5"}
    learns.warnings.append("of before")
    learns.learn(knows)
    learns.learn(learns)
    learns.enter("load")
    report = read(tmp_path)
    assert (report.actual.python, report.seconds.import_) == ("3.6.15", 1.5)
    assert (report.packages, report.warnings) == ({"numpy": "1.18.5"}, ["of the import"])


@pytest.mark.parametrize(
    ("attempts", "kind", "message"),
    [
        (one(schema=2, loader="session"), "ValueError", "the request has the schema 2; 1 is read"),
        (
            one(loader="pickle.load"),
            "ValueError",
            f"unknown loader 'pickle.load'; there are: {', '.join(sorted(LOADERS))}",
        ),
        (one(), "ValueError", f"unknown loader ''; there are: {', '.join(sorted(LOADERS))}"),
        (
            one(loader="session", device="tpu"),
            "ValueError",
            "unknown device 'tpu'; there are: cpu, cuda",
        ),
        ("not json", "JSONDecodeError", "Expecting value: line 1 column 1 (char 0)"),
        ({"schema": 2}, "ValueError", "the requests have the schema 2; 1 is read"),
    ],
)
def test_a_bad_request_fails_in_start(
    tmp_path: Path, attempts: object, kind: str, message: str
) -> None:
    assert run(tmp_path, attempts) == 1
    report = read(tmp_path / "n")
    assert report.stage is Stage.START
    assert report.failure is not None
    assert (report.failure.type, report.failure.message) == (kind, message)
    assert "Traceback" in report.failure.traceback
    assert kind in report.failure.traceback


def test_where_tensorflow_is_missing_import_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # set by the probe, and put back
    assert run(tmp_path, one(loader="session")) == 1
    report = read(tmp_path / "n")
    assert (report.stage, report.loader) == (Stage.IMPORT, "session")
    assert report.failure is not None
    assert report.failure.type == "ModuleNotFoundError"
    assert report.actual.numpy == np.__version__
    assert (report.actual.tensorflow, report.seconds.import_) == (None, None)


class _UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_files_that_were_resident_before_a_fork_are_part_of_the_peak() -> None:
    here = peak_memory_bytes(0)
    assert here >= resident_file_bytes() > 0
    assert peak_memory_bytes(resident_file_bytes() + 2**40) > here + 2**39


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(3), "3"),
        (KeyboardInterrupt(), ""),
        (ValueError("a lone surrogate: \udcff"), "a lone surrogate: ?"),
        (ValueError("NUL: \0"), "NUL: \0"),
        (_UnprintableError(), "(the exception has no text)"),
    ],
)
def test_every_exception_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, message: str
) -> None:
    def fail(report: Any, device: str) -> None:
        raise error

    monkeypatch.setattr(parent, "import_tensorflow", fail)
    assert run(tmp_path, one(loader="session")) == 1
    failure = read(tmp_path / "n").failure
    assert failure is not None
    assert (failure.type, failure.message) == (type(error).__name__, message)


def test_nine_kilobytes_are_kept_and_more_is_shortened_in_the_middle() -> None:
    assert shorten("x" * 9_000) == "x" * 9_000
    text = shorten("a" * 20_000 + "b" * 20_000)
    assert text == "a" * 10_000 + "\n[... 10000 characters left out ...]\n" + "b" * 20_000


def test_packages_are_found_by_their_metadata_folders(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (
        first / "tensorflow_cpu-2.4.4.dist-info",
        first / "Keras_Preprocessing-1.1.2.dist-info",
        first / "termcolor-1.1.0-py3.8.egg-info",
        first / "local-1.0+abc.dist-info",
        first / "numpy",
        second / "TensorFlow.CPU-2.3.0.dist-info",
    ):
        folder.mkdir(parents=True)
    assert installed_packages([str(first), str(second), str(tmp_path / "none")]) == {
        "keras-preprocessing": "1.1.2",
        "local": "1.0+abc",
        "tensorflow-cpu": "2.4.4",
        "termcolor": "1.1.0",
    }
