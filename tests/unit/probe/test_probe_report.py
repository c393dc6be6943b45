"""The report: always whole, always in the schema, whatever goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.observation import ProbeReport, Stage
from harness.probe import probe


def read(folder: Path) -> ProbeReport:
    return ProbeReport.model_validate_json((folder / "report.json").read_bytes())


def run(folder: Path, request: str) -> int:
    (folder / "request.json").write_text(request)
    status: int = probe.main(["--request", str(folder / "request.json"), "--out", str(folder)])
    return status


def test_every_stage_is_one_of_the_schema(tmp_path: Path) -> None:
    report = probe.Report(str(tmp_path))
    for stage in ("start", "import", "load", "prepare", "infer", "collect"):
        report.enter(stage)
        assert read(tmp_path).stage is Stage(stage)
        assert not read(tmp_path).completed
    report.complete()
    assert read(tmp_path).completed
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_every_field_is_one_of_the_schema(tmp_path: Path) -> None:
    report = probe.Report(str(tmp_path))
    probe.learn_machine(report)
    report.enter("start")
    written = json.loads((tmp_path / "report.json").read_text())
    fields = {field.alias or name for name, field in ProbeReport.model_fields.items()}
    assert set(written) == fields
    assert written["packages"]["numpy"] == np.__version__
    assert read(tmp_path).actual.cpu
    assert (read(tmp_path).peak_memory_bytes or 0) > 10_000_000


@pytest.mark.parametrize(
    ("request_text", "kind", "message"),
    [
        ("not json", "JSONDecodeError", "Expecting value: line 1 column 1 (char 0)"),
        ('{"schema": 2}', "ValueError", "the request has the schema 2; 1 is read"),
        (
            '{"schema": 1, "loader": "pickle.load"}',
            "ValueError",
            "unknown loader 'pickle.load'; there are: keras.load_model, saved_model.load, session",
        ),
    ],
)
def test_a_bad_request_fails_in_start(
    tmp_path: Path, request_text: str, kind: str, message: str
) -> None:
    assert run(tmp_path, request_text) == 1
    report = read(tmp_path)
    assert report.stage is Stage.START
    assert report.failure is not None
    assert (report.failure.type, report.failure.message) == (kind, message)
    assert "Traceback" in report.failure.traceback
    assert report.actual.python


def test_where_tensorflow_is_missing_import_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # set by the probe, and put back
    assert run(tmp_path, '{"schema": 1, "loader": "session"}') == 1
    report = read(tmp_path)
    assert (report.stage, report.loader) == (Stage.IMPORT, "session")
    assert report.failure is not None
    assert report.failure.type == "ModuleNotFoundError"
    assert report.actual.numpy == np.__version__
    assert (report.actual.tensorflow, report.seconds.import_) == (None, None)


class _UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


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
    def fail(report: Any, path: str) -> None:
        raise error

    monkeypatch.setattr(probe, "run", fail)
    assert run(tmp_path, "{}") == 1
    failure = read(tmp_path).failure
    assert failure is not None
    assert (failure.type, failure.message) == (type(error).__name__, message)


def test_nine_kilobytes_are_kept_and_more_is_shortened_in_the_middle() -> None:
    assert probe.shorten("x" * 9_000) == "x" * 9_000
    text = probe.shorten("a" * 20_000 + "b" * 20_000)
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
    assert probe.installed_packages([str(first), str(second), str(tmp_path / "none")]) == {
        "keras-preprocessing": "1.1.2",
        "local": "1.0+abc",
        "tensorflow-cpu": "2.4.4",
        "termcolor": "1.1.0",
    }


def test_signatures_are_chosen_by_name_then_default_then_alone() -> None:
    assert probe.choose_signature("b", {"a": 1, "b": 2}) == "b"
    assert probe.choose_signature(None, {"a": 1, "serving_default": 2}) == "serving_default"
    assert probe.choose_signature(None, {"a": 1, "__saved_model_init_op": 2}) == "a"
    with pytest.raises(ValueError, match="no signature 'serving_default'; it has: a, b"):
        probe.choose_signature(None, {"b": 1, "a": 2})
    with pytest.raises(ValueError, match="no signature 'x'; it has: none"):
        probe.choose_signature("x", {})


def test_the_graph_for_serving_is_loaded() -> None:
    report = SimpleNamespace(warnings=[])
    assert probe.best_tags([], report) == ["serve"]
    assert probe.best_tags([["gpu", "serve"]], report) == ["gpu", "serve"]
    assert probe.best_tags([["train"]], report) == ["train"]
    assert report.warnings == []
    graphs = [["gpu", "serve"], ["serve"], ["train"]]
    assert probe.best_tags(graphs, report) == ["serve"]
    assert report.warnings == [
        "of the graphs with the tags [['gpu', 'serve'], ['serve'], ['train']], ['serve'] is loaded"
    ]
