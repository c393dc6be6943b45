from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.errors import ModelError
from harness.model.model import Model, Task, TaskKind
from harness.model.reading import read_model
from tests.support.graph_files import write_graph

DIGITS = Path(__file__).parents[3] / "examples" / "digits" / "savedmodel"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A SavedModel with the output `probabilities`."""
    return Path(shutil.copytree(DIGITS, tmp_path / "m"))


def read(folder: Path, text: str) -> Model:
    (folder / "model.yaml").write_text(text)
    return read_model(folder)


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ModelError) as caught:
        read(folder, text)
    return str(caught.value).replace(str(folder), "M")


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("seed: 1", {}),
        ("task: regression", {"*": Task(kind=TaskKind.REGRESSION)}),
        ("task: auto", {"*": Task()}),
        ("threshold: 0.25", {"*": Task(threshold=0.25)}),
        (
            "task: multilabel\nthreshold: 0.25\noutputs: {probabilities: {threshold: 0.75}}",
            {
                "*": Task(kind=TaskKind.MULTILABEL, threshold=0.25),
                "probabilities": Task(kind=TaskKind.MULTILABEL, threshold=0.75),
            },
        ),
        (
            "threshold: 0.25\noutputs: {probabilities: {task: multilabel}}",
            {
                "*": Task(threshold=0.25),
                "probabilities": Task(kind=TaskKind.MULTILABEL, threshold=0.25),
            },
        ),
        (
            "outputs: {probabilities: {threshold: 0.75}}",
            {"probabilities": Task(kind=TaskKind.MULTILABEL, threshold=0.75)},
        ),
        (
            "threshold: 0.25\noutputs: {probabilities: {task: embedding}}",
            {"*": Task(threshold=0.25), "probabilities": Task(kind=TaskKind.EMBEDDING)},
        ),
    ],
)
def test_what_is_told(folder: Path, text: str, tasks: dict[str, Task]) -> None:
    model = read(folder, text)
    assert model.tasks == tasks
    assert not any("not used" in note for note in model.notes)


def test_tasks_have_to_fit_the_outputs_and_thresholds_the_tasks(folder: Path) -> None:
    text = """task: regression
threshold: 0.5
outputs:
  probability: {task: classification}
  probabilities: {task: embedding, threshold: 1}
"""
    assert problems(folder, text) == (
        "M/model.yaml:2 threshold: the task regression has no threshold\n"
        "  allowed: with the tasks auto, classification, multilabel\n"
        "M/model.yaml:5 outputs.probabilities.threshold: the task embedding has no threshold\n"
        "  allowed: with the tasks auto, classification, multilabel\n"
        "M/model.yaml:4 outputs.probability: 'probability' is not an output of the model\n"
        "  allowed: probabilities\n"
        "  hint: did you mean 'probabilities'?"
    )


def test_a_task_alone_names_no_tensor_of_a_graph(tmp_path: Path) -> None:
    write_graph(tmp_path / "m.pb")
    model = read(tmp_path, "outputs: {scores: {task: multilabel}}")
    assert set(model.fetches) == {"scores", "class"}
    assert model.tasks == {"scores": Task(kind=TaskKind.MULTILABEL)}
    told = "outputs: {z: {tensor: 'logits:0', task: classification}}"
    model = read(tmp_path, told)
    assert model.fetches == {"z": "logits:0"}
    assert model.tasks == {"z": Task(kind=TaskKind.CLASSIFICATION)}


def test_a_task_of_what_is_no_output_of_a_graph(tmp_path: Path) -> None:
    write_graph(tmp_path / "m.pb")
    text = "outputs:\n  z: {tensor: 'logits:0'}\n  scores: {task: multilabel}\n"
    assert problems(tmp_path, text) == (
        "M/model.yaml:3 outputs.scores: 'scores' is not an output of the model\n"
        "  allowed: z\n"
        "  hint: those with a `tensor` are all the outputs there are"
    )
