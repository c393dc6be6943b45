"""The command line as a user meets it: output, files and exit codes, over a fake engine."""

from __future__ import annotations

import errno
import json
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from harness import planning
from harness.arguments import help_text
from harness.commands import matrix
from harness.environments.choose import Chosen
from harness.environments.engine import RunOutcome
from harness.environments.keeping.kept import EVERYTHING, Selection
from harness.environments.keeping.uses import Uses, no_longer_used
from harness.errors import IndexUnavailableError, InterruptedSweepError, NoEngineError
from harness.observation import Ending
from harness.plan.index import Index
from harness.report.table import Table
from tests.support.fakes import Attempting, fails, report, write_out
from tests.support.shell import NEW, OLD, Shell


def test_the_whole_job(shell: Shell) -> None:
    assert shell("matrix", "tiny") == 0
    assert sorted(shell.engine.ran) == [OLD, NEW]
    assert shell.err.splitlines()[0] == "docker engine: a fake one"
    assert shell.out.splitlines()[-1].startswith(f"Deploy {NEW}, image image:{NEW}")
    folder = (shell.folder / "results/tiny/latest").resolve()
    assert {path.name for path in folder.iterdir()} == {
        "cells",
        "inputs.npz",
        "sweep.json",
        "table.json",
        "table.md",
    }
    record = json.loads((folder / "sweep.json").read_text())
    assert record["finished"] is not None


def test_the_same_command_again_takes_everything_over(shell: Shell) -> None:
    shell("matrix", "tiny")
    shell.engine.forget()
    assert shell("matrix", "tiny") == 0
    assert shell.engine.ran == []
    assert "2 reused from earlier sweeps" in shell.out
    assert shell("matrix", "tiny", "--fresh") == 0
    assert sorted(shell.engine.ran) == [OLD, NEW]


@pytest.mark.parametrize(
    ("form", "start"),
    [("table", "Engine"), ("markdown", "# "), ("json", "{")],
)
def test_formats(shell: Shell, form: str, start: str) -> None:
    assert shell("matrix", "tiny", "--format", form) == 0
    assert shell.out.startswith(start)


def test_only_selects_cells(shell: Shell) -> None:
    assert shell("matrix", "tiny", "--only", "tensorflow>=2.16", "--only", "device=cpu") == 0
    assert shell.engine.ran == [NEW]


def test_a_selection_of_nothing_is_exit_3(shell: Shell) -> None:
    assert shell("matrix", "tiny", "--only", "tensorflow>=3") == 3
    assert shell.err.splitlines()[1].startswith("error: ")
    assert not (shell.folder / "results").exists()


def test_fail_on_is_exit_1_after_the_table(shell: Shell) -> None:
    shell.engine.behaviours = {OLD: fails}
    assert shell("matrix", "tiny", "--fail-on", "failed", "--fail-on", "diverged") == 1
    assert "failed at load" in shell.out
    assert shell("matrix", "tiny", "--fail-on", "diverged") == 0


def diverges(attempting: Attempting) -> RunOutcome:
    told = report(attempting.cell, loader=attempting.loader)
    write_out(attempting.out, told, np.array([[9, 2], [3, 4]], np.float32))
    return RunOutcome(ending=Ending.COMPLETED, exit_status=0)


def test_a_divergence_changes_decisions_and_is_not_deployed(shell: Shell) -> None:
    shell.engine.behaviours = {NEW: diverges}
    assert shell("matrix", "tiny", "--reference", OLD) == 0
    assert shell.out.splitlines()[-1].startswith(f"Deploy {OLD}")
    rows = {row["id"]: row for row in shell.table()["cells"]}  # type: ignore[attr-defined]
    assert rows[NEW]["verdict"] == "diverged"
    assert rows[NEW]["divergence"]["decisions_changed"] == 1


def test_report_judges_again_against_another_reference(shell: Shell) -> None:
    shell.engine.behaviours = {NEW: diverges}
    shell("matrix", "tiny")
    shell.engine.forget()
    assert shell("report", "tiny", "--reference", NEW, "--format", "json") == 0
    verdicts = {row["id"]: row["verdict"] for row in json.loads(shell.out)["cells"]}
    assert verdicts == {OLD: "diverged", NEW: "identical"}
    assert shell("report") == 0
    assert shell.engine.ran == []


def test_report_of_what_is_not_there_is_exit_5(shell: Shell) -> None:
    assert shell("report") == 5
    assert "no sweep here" in shell.err
    shell("matrix", "tiny")
    assert shell("report", "tinyy") == 5
    assert "did you mean 'tiny'?" in shell.err


@pytest.mark.parametrize("wanted", ["expected", "tf2.15.1-py3.12-cpu"])
def test_a_reference_that_cannot_be_is_exit_6_before_anything_runs(
    shell: Shell, wanted: str
) -> None:
    assert shell("matrix", "tiny", "--reference", wanted) == 6
    assert shell.engine.ran == []


def test_a_reference_without_outputs_is_exit_6_and_keeps_the_observations(shell: Shell) -> None:
    def hangs(attempting: Attempting) -> RunOutcome:
        told = report(attempting.cell, loader=attempting.loader, completed=False, stage="load")
        write_out(attempting.out, told)
        return RunOutcome(ending=Ending.TIMEOUT, exit_status=137)

    shell.engine.behaviours = {OLD: hangs}
    assert shell("matrix", "tiny", "--reference", OLD) == 6
    assert "has no outputs" in shell.err
    assert shell("report", "--reference", "auto") == 0


def test_expected_outputs_are_the_reference(shell: Shell) -> None:
    def answers(attempting: Attempting) -> RunOutcome:
        outputs = [{"name": "probabilities", "dtype": "float32", "shape": [2, 2]}]
        told = report(attempting.cell, loader=attempting.loader, outputs=outputs)
        write_out(attempting.out, told)
        return RunOutcome(ending=Ending.COMPLETED, exit_status=0)

    shell.engine.behaviours = {OLD: answers, NEW: answers}
    expected = np.array([[1, 2], [3, 4]], np.float32)
    np.savez(shell.model / "expected.npz", probabilities=expected + np.float32(1e-6))
    assert shell("matrix", "tiny", "--reference", "expected") == 0
    table = shell.table()
    assert table["reference"] == {"cell": None, "why": "expected.npz beside the model"}
    assert [row["verdict"] for row in table["cells"]] == ["equivalent"] * 2  # type: ignore[attr-defined]


def test_no_engine_is_exit_4(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_wanted: str, _options: object = None) -> Chosen:
        raise NoEngineError("engine docker: no Docker daemon answers")

    monkeypatch.setattr("harness.environments.choose.choose_engine", none)
    assert shell("matrix", "tiny", "--engine", "docker") == 4
    assert shell.err == "error: engine docker: no Docker daemon answers\n"


def test_no_index_is_exit_7(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_environment: object, *, refresh: bool = False) -> Index:
        raise IndexUnavailableError("the package index does not answer")

    monkeypatch.setattr(planning, "read_index", none)
    assert shell("matrix", "tiny") == 7


@pytest.mark.parametrize(
    "arguments",
    [
        ("matrx", "tiny"),
        ("matrix",),
        ("matrix", "tiny", "--engine", "dcoker"),
        ("matrix", "tiny", "--fail-on", "red"),
        ("matrix", "tiny", "--jobs", "0"),
        ("matrix", "tiny", "--only", "tensorflow>>2"),
        ("matrix", "tiny", "--nonsense"),
        ("matrix", "nowhere"),
        ("matrix", "tiny", "--matrix", "nowhere.yaml"),
    ],
)
def test_bad_arguments_are_exit_2_without_a_stack_trace(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    assert shell(*arguments) == 2
    assert "error: " in shell.err
    assert "Traceback" not in shell.err


def test_no_arguments_at_all_are_exit_2_and_show_the_help(shell: Shell) -> None:
    assert shell() == 2
    assert shell.err == help_text()


def test_a_sweep_that_was_stopped_is_no_error(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_arguments: object) -> Table:
        raise InterruptedSweepError("stopped; run it again")

    monkeypatch.setattr(matrix, "run_matrix", stopped)
    assert shell("matrix", "tiny") == 130
    assert shell.err == "docker engine: a fake one\nstopped; run it again\n"


def test_the_table_says_where_the_results_are(shell: Shell) -> None:
    shell("matrix", "tiny")
    folder = (shell.folder / "results/tiny/latest").resolve().relative_to(shell.folder.resolve())
    assert f"\nResults    {folder}\n" in shell.out
    shell("report", "--results", str(shell.folder / "results"))
    assert f"\nResults    {folder}\n" in shell.out


def test_results_that_cannot_be_written_are_exit_5(shell: Shell) -> None:
    (shell.folder / "results").write_text("a file")
    assert shell("matrix", "tiny") == 5
    assert "--results DIR" in shell.err


def test_a_fault_of_our_own_shows_no_stack_trace(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_arguments: object, **_names: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(matrix, "run_matrix", breaks)
    assert shell("matrix", "tiny") == 70
    assert "a fault in the harness itself (ZeroDivisionError: division by zero)" in shell.err
    assert "Traceback" not in shell.err
    kept = Path(shell.err.split("Details are in ")[1].split(":")[0])
    assert "ZeroDivisionError" in kept.read_text()
    kept.unlink()


def test_details_that_cannot_be_written_are_no_stack_trace_either(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_arguments: object, **_names: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(matrix, "run_matrix", breaks)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", breaks)
    assert shell("matrix", "tiny") == 70
    assert shell.err.splitlines()[1:] == [
        "error: a fault in the harness itself (OSError: [Errno 28] No space left on device)",
        "  Observations made so far are kept. Details cannot be written (No space left on device).",
    ]


def test_cells_lists_and_runs_nothing(shell: Shell) -> None:
    assert shell("cells") == 0
    assert OLD in shell.out
    assert NEW in shell.out
    assert shell.engine.ran == shell.engine.built == []


def test_clean_says_that_there_was_nothing(shell: Shell) -> None:
    assert shell("clean", "--engine", "venv") == 0
    assert shell.out == "venv: there is nothing to remove\n"


def test_clean_says_what_it_removed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Selection] = []

    def clean(which: Selection) -> tuple[str, ...]:
        asked.append(which)
        return ("removed an image",)

    monkeypatch.setattr(shell.engine, "clean", clean)
    assert shell("clean") == 0
    assert shell.out == "docker: removed an image\nvenv: removed an image\n"
    assert asked == [EVERYTHING, EVERYTHING]
    shell("clean", "--engine", "docker", "--unused", "--older-than", "2w", "--dry-run")
    assert asked[2:] == [Selection(unused=True, older_than=timedelta(14), dry_run=True)]


def test_a_dry_run_removes_no_leftovers(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell.engine, "remove_leftovers", lambda: ("removed a container",))
    shell("clean", "--engine", "docker", "--dry-run")
    assert "container" not in shell.out
    shell("clean", "--engine", "docker")
    assert shell.out == "docker: removed a container\n"


def test_all_is_not_some(shell: Shell) -> None:
    assert shell("clean", "--all", "--engine", "docker") == 0
    assert shell("clean", "--all", "--unused") == 2
    assert "all is not some of it" in shell.err


def test_images_lists_what_each_engine_keeps(shell: Shell) -> None:
    assert shell("images") == 0
    said = "docker: nowhere\nThere is nothing of the harness.\n"
    assert shell.out == f"{said}\n{said}"
    assert shell("images", "--engine", "docker", "--format", "json") == 0
    assert json.loads(shell.out)["engines"][0]["items"] == []


def test_an_engine_that_is_not_there_is_only_an_error_where_it_was_asked_for(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(wanted: str) -> Chosen:
        if wanted == "docker":
            raise NoEngineError("engine docker: no Docker daemon answers\n  Start Docker.")
        return Chosen(shell.engine, "")

    monkeypatch.setattr("harness.environments.choose.choose_engine", choose)
    assert shell("images") == 0
    assert shell.err == "docker: not listed: engine docker: no Docker daemon answers\n"
    assert shell("images", "--engine", "docker") == 4


def test_who_used_an_environment_is_noted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(shell.folder / "cache"))
    shell("matrix", "tiny")
    shell("matrix", "tiny", "--only", "tensorflow>=2.16")
    noted = Uses("docker").all()
    sweeps = sorted(path.name for path in (shell.folder / "results/tiny").glob("2*"))
    assert [[use.sweep for use in noted[f"image:{cell}"]] for cell in (OLD, NEW)] == [
        sweeps[:1],
        sweeps[::-1],
    ]
    assert {(use.model, use.cell) for use in noted[f"image:{NEW}"]} == {("tiny", NEW)}
    assert no_longer_used(noted, noted) == {f"image:{OLD}"}


def test_a_dropped_image_is_said_wherever_it_is_named(shell: Shell) -> None:
    shell.engine.dropped = lambda: frozenset({f"image:{NEW}"})  # type: ignore[method-assign]
    assert shell("matrix", "tiny") == 0
    deploy = shell.out.splitlines()[-1]
    assert deploy.startswith(f"Deploy {NEW}, image image:{NEW} (")
    assert deploy.endswith(", which was dropped and is to be made again")
    again = f"its image was dropped to make room (--disk): --only {NEW} makes it again"
    assert again in " ".join(shell.out.split())
    table = shell.table()
    cells = {cell["id"]: cell["dropped"] for cell in table["cells"]}  # type: ignore[attr-defined]
    assert cells == {OLD: False, NEW: True}
    assert shell("report", "tiny") == 0
    assert shell.out.splitlines()[-1] == deploy


def test_report_of_one_cell_is_all_of_it(shell: Shell) -> None:
    assert shell("matrix", "tiny", "--quiet") == 0
    assert shell("report", "tiny", "--cell", NEW) == 0
    assert shell.out.startswith(f"Cell                {NEW}\n")
    assert "tolerance needed" in shell.out
    assert shell("report", "tiny", "--cell", NEW, "--format", "markdown") == 0
    assert shell.out.startswith(f"```\nCell                {NEW}\n")
    assert shell("report", "tiny", "--cell", NEW, "--format", "json") == 0
    rows: list[dict[str, object]] = shell.table()["cells"]  # type: ignore[assignment]
    assert json.loads(shell.out) == next(row for row in rows if row["id"] == NEW)


def test_report_of_a_cell_that_is_not_there_names_the_nearest(shell: Shell) -> None:
    assert shell("matrix", "tiny", "--quiet") == 0
    assert shell("report", "tiny", "--cell", "tf2.16.1-py3.12-cpu") == 2
    assert shell.err == (
        "error: --cell: there is no cell 'tf2.16.1-py3.12-cpu' in this sweep\n"
        f"  allowed: {OLD}, {NEW}\n"
        f"  hint: did you mean '{NEW}'?\n"
    )
