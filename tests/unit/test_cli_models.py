"""Several models in one command, as a user meets it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.fakes import fails
from tests.support.model_files import write_saved_model
from tests.support.shell import NEW, OLD, Shell


@pytest.fixture
def two(shell: Shell) -> Shell:
    write_saved_model(shell.folder / "other")
    return shell


def test_environments_are_made_once_for_all_models(two: Shell) -> None:
    assert two("matrix", "tiny", "other") == 0
    assert sorted(two.engine.built) == [OLD, NEW]
    assert sorted(two.engine.ran) == [OLD, NEW]
    for name in ("tiny", "other"):
        folder = (two.folder / "results" / name / "latest").resolve()
        assert {"sweep.json", "table.json", "table.md"} <= {path.name for path in folder.iterdir()}


def test_tables_stand_one_after_the_other_under_their_names(two: Shell) -> None:
    assert two("matrix", "tiny", "other") == 0
    first, second = two.out.split("\nother\n=====\n\n")
    assert first.startswith("tiny\n====\n\nEngine ")
    assert second.startswith("Engine ")
    for text, name in ((first, "tiny"), (second, "other")):
        assert f"\nResults    results/{name}/" in text
        assert f"\nDeploy {NEW}, image image:{NEW}" in text


def test_what_the_models_sum_up_to_is_said_last(two: Shell) -> None:
    assert two("matrix", "tiny", "other") == 0
    assert "\n2 models: read and run, of those tried\n" in two.out


def test_one_model_has_no_heading(shell: Shell) -> None:
    assert shell("matrix", "tiny") == 0
    assert shell.out.startswith("Engine ")


def test_markdown_of_several_models_is_one_page_after_the_other(two: Shell) -> None:
    assert two("matrix", "tiny", "other", "--format", "markdown") == 0
    headings = [line for line in two.out.splitlines() if line.startswith("# ")]
    assert headings == ["# tiny", "# other"]


def test_json_of_several_models_is_an_array(two: Shell) -> None:
    assert two("matrix", "tiny", "other", "--format", "json") == 0
    tables = json.loads(two.out)
    assert [table["model"]["name"] for table in tables] == ["tiny", "other"]
    text = (two.folder / "results/other/latest/table.json").read_text()
    assert tables[1] == json.loads(text)
    two("matrix", "tiny", "--format", "json")
    assert json.loads(two.out)["model"]["name"] == "tiny"


def test_lines_of_progress_name_the_model_where_there_are_several(two: Shell) -> None:
    two("matrix", "tiny", "other", "--jobs", "1")
    lines = two.err.splitlines()
    assert f"[2/4] tiny (+1) {OLD}: running" in lines
    assert f"[4/4] other {OLD}: completed, inference 0.25 s" in lines
    two("matrix", "tiny", "--jobs", "1")
    assert f"[2/2] {OLD}: completed, inference 0.25 s, reused" in two.err.splitlines()


@pytest.mark.parametrize("noise", ["off", "full"])
def test_what_is_asked_of_noise_reaches_the_first_loader(two: Shell, noise: str) -> None:
    two("matrix", "tiny", "--noise", noise)
    requests = [json.loads(attempt.request) for run in two.engine.runs for attempt in run.attempts]
    told = {request["loader"]: request.get("noise", "off") for request in requests}
    assert told.pop("saved_model.load") == noise
    assert set(told.values()) == {"off"}


def test_fail_on_counts_for_any_model(two: Shell) -> None:
    two.engine.behaviours = {f"other/{NEW}": fails}
    assert two("matrix", "tiny", "other", "--fail-on", "failed") == 1
    assert "failed at load" in two.out
    assert two("matrix", "tiny", "other", "--fail-on", "diverged") == 0


def test_everything_wrong_with_any_model_is_told_at_once(two: Shell) -> None:
    np.savez(two.folder / "other" / "inputs.npz", imge=np.zeros((2, 8, 8, 1), np.float32))
    assert two("matrix", "nowhere", "tiny", "other") == 2
    assert "error: nowhere: does not exist\n" in two.err
    assert "other/inputs.npz: 'imge' is not an input of the model\n" in two.err
    assert two.engine.built == []
    assert not (two.folder / "results").exists()


def test_models_whose_results_would_share_a_place_are_refused(shell: Shell) -> None:
    write_saved_model(shell.folder / "apart" / "Tiny")
    assert shell("matrix", "tiny", "apart/Tiny") == 2
    assert shell.err == (
        "error: apart/Tiny: its results would lie in the same place, Tiny, as those of tiny\n"
        "  allowed: models of different names\n"
        "  hint: give it another name with `name:` in its model.yaml\n"
    )
    (shell.folder / "apart/Tiny/model.yaml").write_text("name: apart\n")
    assert shell("matrix", "tiny", "apart/Tiny") == 0
    assert {path.name for path in (shell.folder / "results").iterdir()} == {"tiny", "apart"}


def test_a_model_that_is_given_twice_is_refused(shell: Shell) -> None:
    assert shell("matrix", "tiny", "./tiny/") == 2
    assert shell.err == "error: tiny: is given twice\n"


def test_a_reference_that_one_model_cannot_have_is_exit_6_before_anything_runs(
    two: Shell,
) -> None:
    np.savez(two.folder / "other" / "expected.npz", probabilities=np.zeros((2, 2), np.float32))
    assert two("matrix", "tiny", "other", "--reference", "expected") == 6
    assert "error: tiny: reference: 'expected' was asked for" in two.err
    assert "other: " not in two.err
    assert two.engine.built == []


def test_a_reference_that_one_model_has_not_got_leaves_the_others_their_tables(
    two: Shell,
) -> None:
    two.engine.behaviours = {f"other/{OLD}": fails}
    assert two("matrix", "tiny", "other", "--reference", OLD) == 6
    assert two.out.startswith("tiny\n====\n")
    assert "other\n=====" not in two.out
    assert f"error: other: reference: cell {OLD!r} has no outputs" in two.err
    assert (two.folder / "results/tiny/latest/table.json").is_file()
    assert two("report", "tiny") == 0
    two.engine.forget()
    assert two("matrix", "tiny", "other") == 0
    assert two.engine.attempted == []


def test_a_model_that_was_swept_with_others_is_taken_over_alone(two: Shell) -> None:
    two("matrix", "tiny", "other")
    two.engine.forget()
    assert two("matrix", "other") == 0
    assert two.engine.attempted == []


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5"])
def test_jobs_below_one_are_refused_before_anything_begins(shell: Shell, jobs: str) -> None:
    assert shell("matrix", "tiny", "--jobs", jobs) == 2
    assert shell.err == (
        f"error: argument --jobs: {jobs!r} is no number of environments\n"
        "  allowed: 1 or more\n"
        "  help: harness matrix --help\n"
    )
    assert not (shell.folder / "results").exists()
