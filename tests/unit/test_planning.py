"""One matrix for several models, of which some tell where they were made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import planning
from harness.plan.index import Index
from tests.support.captures import FACTS, PACKAGES
from tests.support.model_files import write_saved_model
from tests.support.shell import NEW, OLD, Shell

MATRIX = 'schema: 1\ntensorflow: [">=2.15"]\ninclude: [{captured: true}]\n'
CAPTURED = "tf2.15.1-py3.10-cpu-captured"


def capture(model: Path, numpy: str = "1.26.4") -> None:
    """Put beside a model what its capture script would write."""
    (model / "captured.json").write_text(json.dumps(FACTS))
    packages = PACKAGES | {"numpy": numpy}
    lines = [f"{name}=={version}\n" for name, version in packages.items()]
    (model / "captured.lock").write_text("".join(lines))


@pytest.fixture
def two(shell: Shell) -> Shell:
    write_saved_model(shell.folder / "other")
    (shell.folder / "matrix.yaml").write_text(MATRIX)
    return shell


def cells(shell: Shell, name: str) -> set[str]:
    table = json.loads((shell.folder / f"results/{name}/latest/table.json").read_text())
    return {row["id"] for row in table["cells"]}


def test_each_model_has_the_environment_it_was_captured_in(two: Shell) -> None:
    capture(two.model)
    capture(two.folder / "other", numpy="1.25.2")
    assert two("matrix", "tiny", "other") == 0
    for name in ("tiny", "other"):
        assert cells(two, name) == {OLD, NEW, CAPTURED}
    # One environment for both but for what each was captured in.
    assert sorted(two.engine.built) == sorted([OLD, NEW, CAPTURED, CAPTURED])


def test_what_was_captured_of_other_files_is_said(two: Shell) -> None:
    capture(two.model)
    assert two("matrix", "tiny") == 0
    said = " ".join(two.out.split())
    assert "captured.json was made of other files than the model has now" in said


def test_a_model_that_was_not_captured_is_named_where_others_were(two: Shell) -> None:
    capture(two.model)
    assert two("matrix", "tiny", "other") == 2
    assert "matrix.yaml:3 include[0]: the model has no captured.json (other)\n" in two.err


def test_what_is_wrong_with_all_models_is_said_once(two: Shell) -> None:
    capture(two.model)
    (two.folder / "matrix.yaml").write_text(
        'schema: 1\ntensorflow: ["2.99.0"]\ninclude: [{captured: true}]\n'
    )
    assert two("matrix", "tiny", "other") == 2
    assert two.err.count("TensorFlow 2.99.0 is not in the package index") == 1


def test_a_broken_capture_is_told(two: Shell) -> None:
    capture(two.model)
    (two.model / "captured.json").write_text("{}")
    assert two("matrix", "tiny") == 2
    assert "captured.json" in two.err
    assert two.engine.built == []


def test_the_index_is_asked_once_for_all_models(
    two: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture(two.model)
    capture(two.folder / "other")
    asked: list[int] = []
    read = planning.read_index

    def counted(environment: dict[str, str], *, refresh: bool = False) -> Index:
        asked.append(1)
        return read(environment, refresh=refresh)

    monkeypatch.setattr(planning, "read_index", counted)
    assert two("matrix", "tiny", "other") == 0
    assert len(asked) == 1


def test_a_list_of_cells_needs_no_model(two: Shell) -> None:
    assert two("cells") == 0
    assert CAPTURED not in two.out
    assert "planned with a model" in two.out
