from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ModelError
from harness.model.loaders import LOADERS
from harness.model.model import Format, TaskKind
from harness.model.settings import (
    InputSettings,
    OutputSettings,
    Settings,
    ToleranceSettings,
    load_settings,
)


def load(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "model.yaml").write_text(text)
    return load_settings(tmp_path / "model.yaml")


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(ModelError) as caught:
        load(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_everything_it_can_say(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
format: saved_model
path: export/1
name: my-model_2.0
signature: serving_default
tags: [serve, gpu]
loaders: [session, saved_model.load]
seed: 7
batch_size: 2
inputs:
  x: {tensor: "a/x:0", shape: [2, 3], range: [-1, 1e2]}
task: classification
threshold: 0.25
outputs:
  z: {tensor: softmax}
  e: {task: embedding}
  s: {threshold: -1}
tolerances:
  y: {atol: 1e-5}
  "*": {rtol: 0}
requirements: ["tensorflow-text>=2.8; python_version<'3.9'", scipy]
""",
    )
    expected = Settings(
        format=Format.SAVED_MODEL,
        path="export/1",
        name="my-model_2.0",
        signature="serving_default",
        tags=("serve", "gpu"),
        loaders=("session", "saved_model.load"),
        seed=7,
        batch_size=2,
        inputs={
            "x": InputSettings(tensor="a/x:0", shape=(2, 3), range=[-1, 100])  # type: ignore[arg-type]
        },
        task=TaskKind.CLASSIFICATION,
        threshold=0.25,
        outputs={
            "z": OutputSettings(tensor="softmax"),
            "e": OutputSettings(task=TaskKind.EMBEDDING),
            "s": OutputSettings(threshold=-1),
        },
        tolerances={"y": ToleranceSettings(atol=1e-5), "*": ToleranceSettings(rtol=0)},
        requirements=("tensorflow-text>=2.8; python_version<'3.9'", "scipy"),
    )
    assert settings.model_dump() == expected.model_dump()
    assert settings.inputs["x"].range == (-1.0, 100.0)


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Settings()


def test_all_problems_at_once_with_their_places(tmp_path: Path) -> None:
    text = """fromat: keras
format: h5
path: ../other
name: a/b
seed: -1
batch_size: 0
inputs:
  x:
    shape: [2, three]
    rang: [0, 1]
    range: [1, 0]
tolerances:
  y: {atol: lots}
requirements:
  - "x @ https://example.invalid/x.whl"
  - ./local
  - tensorflow-cpu==2.10
"""
    assert problems(tmp_path, text) == (
        "model.yaml:1 fromat: unknown key\n"
        "  allowed: format, path, name, signature, tags, loaders, seed, batch_size, inputs, "
        "task, threshold, outputs, tolerances, requirements\n"
        "  hint: did you mean 'format'?\n"
        "model.yaml:2 format: 'h5' is not a format\n"
        "  allowed: saved_model, keras, hdf5, hdf5_weights, checkpoint, meta_graph, graph_def, "
        "tflite\n"
        "  hint: did you mean 'hdf5'?\n"
        "model.yaml:3 path: '../other' is not below model.yaml\n"
        "  allowed: paths relative to model.yaml's folder\n"
        "model.yaml:4 name: 'a/b' cannot name a folder\n"
        "  allowed: A-Z, a-z, 0-9, dots, dashes, underscores\n"
        "model.yaml:5 seed: '-1' is out of range\n"
        "  allowed: whole numbers from 0 to 4294967295\n"
        "model.yaml:6 batch_size: '0' is out of range\n"
        "  allowed: whole numbers from 1 to 2147483647\n"
        "model.yaml:9 inputs.x.shape[1]: 'three' is out of range\n"
        "  allowed: whole numbers from 1 to 2147483647\n"
        "model.yaml:10 inputs.x.rang: unknown key\n"
        "  allowed: tensor, shape, range\n"
        "  hint: did you mean 'range'?\n"
        "model.yaml:11 inputs.x.range: a list is not a range\n"
        "  allowed: [low, high] with low below high\n"
        "model.yaml:13 tolerances.y.atol: 'lots' is not a number\n"
        "  allowed: finite numbers such as 0.5 or 1e-5\n"
        "model.yaml:15 requirements[0]: 'x @ https://example.invalid/x.whl' names an address\n"
        '  allowed: a package with or without versions (PEP 508), such as "tensorflow-text" or '
        '"x>=2"\n'
        "  hint: packages come from the index only\n"
        "model.yaml:16 requirements[1]: './local' is not a requirement\n"
        '  allowed: a package with or without versions (PEP 508), such as "tensorflow-text" or '
        '"x>=2"\n'
        "model.yaml:17 requirements[2]: 'tensorflow-cpu==2.10' cannot be required\n"
        '  allowed: a package with or without versions (PEP 508), such as "tensorflow-text" or '
        '"x>=2"\n'
        "  hint: the matrix says which TensorFlow"
    )


@pytest.mark.parametrize("value", ["[1]", "[1, 1]", "[a, 2]", "[nan, 2]", "[0, inf]", "3", "{}"])
def test_ranges_that_are_none(tmp_path: Path, value: str) -> None:
    text = problems(tmp_path, f"inputs: {{x: {{range: {value}}}}}")
    assert text.startswith("model.yaml:1 inputs.x.range: ")


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "x"])
def test_tolerances_that_are_none(tmp_path: Path, value: str) -> None:
    text = problems(tmp_path, f"tolerances: {{'*': {{rtol: {value}}}}}")
    assert text.startswith("model.yaml:1 tolerances.*.rtol: ")


def test_not_a_mapping(tmp_path: Path) -> None:
    assert problems(tmp_path, "- a\n") == (
        "model.yaml: is not a mapping of keys to values\n"
        "  allowed: format, path, name, signature, tags, loaders, seed, batch_size, inputs, "
        "task, threshold, outputs, tolerances, requirements"
    )


def test_not_yaml(tmp_path: Path) -> None:
    assert problems(tmp_path, "a: [").startswith("model.yaml:1 column 5: is not YAML: ")


def test_not_text(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ModelError, match=r"model\.yaml: is not UTF-8 text"):
        load_settings(tmp_path / "model.yaml")


def test_far_too_large(tmp_path: Path) -> None:
    assert problems(tmp_path, "#" * (1024**2 + 1)) == "model.yaml: is larger than 1048576 bytes"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match=r"model\.yaml: is a symbolic link, not a file"):
        load_settings(tmp_path / "model.yaml")


def test_loaders_tags_and_tensors_that_are_none(tmp_path: Path) -> None:
    text = """tags: []
loaders: [sesion, session, session]
inputs: {x: {tensor: ":0"}}
outputs:
  a: {}
  b: {tensor: "a b"}
  c: {tensr: "a:0"}
"""
    loaders = ", ".join(LOADERS)
    assert problems(tmp_path, text) == (
        "model.yaml:2 loaders[2]: 'session' is there already: model.yaml:2 loaders[1]\n"
        "  hint: keep one of them\n"
        "model.yaml:1 tags: is empty\n"
        "  allowed: at least one\n"
        "model.yaml:2 loaders[0]: 'sesion' is not a loader\n"
        f"  allowed: {loaders}\n"
        "  hint: did you mean 'session'?\n"
        "model.yaml:3 inputs.x.tensor: ':0' names no tensor\n"
        "  allowed: NODE:INDEX such as dense/Softmax:0, or NODE\n"
        "model.yaml:5 outputs.a: says nothing\n"
        "  allowed: at least one of tensor, task, threshold\n"
        "model.yaml:6 outputs.b.tensor: 'a b' names no tensor\n"
        "  allowed: NODE:INDEX such as dense/Softmax:0, or NODE\n"
        "model.yaml:7 outputs.c.tensr: unknown key\n"
        "  allowed: tensor, task, threshold\n"
        "  hint: did you mean 'tensor'?"
    )


def test_an_empty_tag(tmp_path: Path) -> None:
    assert problems(tmp_path, 'tags: [serve, ""]') == (
        "model.yaml:1 tags[1]: '' is not a tag\n  allowed: texts such as serve"
    )


def test_tasks_and_thresholds_that_are_none(tmp_path: Path) -> None:
    text = """task: clasification
threshold: high
outputs:
  a: {task: binary}
  b: {threshold: nan}
  c: {tresh: 1}
  d: {task: 3}
"""
    tasks = "auto, classification, multilabel, regression, embedding"
    assert problems(tmp_path, text) == (
        "model.yaml:1 task: 'clasification' is not a task\n"
        f"  allowed: {tasks}\n"
        "  hint: did you mean 'classification'?\n"
        "model.yaml:2 threshold: 'high' is not a number\n"
        "  allowed: finite numbers such as 0.5 or 1e-5\n"
        "model.yaml:4 outputs.a.task: 'binary' is not a task\n"
        f"  allowed: {tasks}\n"
        "  hint: a binary classifier is 'classification'\n"
        "model.yaml:5 outputs.b.threshold: 'nan' is not a number\n"
        "  allowed: finite numbers such as 0.5 or 1e-5\n"
        "model.yaml:6 outputs.c.tresh: unknown key\n"
        "  allowed: tensor, task, threshold\n"
        "  hint: did you mean 'threshold'?\n"
        "model.yaml:7 outputs.d.task: '3' is not a task\n"
        f"  allowed: {tasks}"
    )
