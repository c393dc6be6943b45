"""What an attempt is told, and the files it is given."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cell import Flags
from harness.environments.engine import Attempt
from harness.model.loaders import LOADERS
from harness.model.model import Code, Format, Model
from harness.sweep.readings import attempt_name
from harness.sweep.request import Inputs, material, request_text
from tests.support.fakes import cell, model


def asked(the_model: Model, inputs: Inputs = "generated", **flags: Any) -> dict[str, Any]:
    the_cell = cell(flags=Flags(name="some", **flags)) if flags else cell()
    request: dict[str, Any] = json.loads(
        request_text(the_cell, the_model, "saved_model.load", cpus=2.5, inputs=inputs)
    )
    return request


@pytest.fixture
def beside(tmp_path: Path) -> dict[str, Path]:
    """Every file that can lie beside a model."""
    files = {}
    for name in ("inputs.npz", "raw.npz"):
        files[name] = tmp_path / name
        np.savez(files[name], x=np.zeros(3))
    for name in ("build.py", "custom_objects.py", "preprocess.py"):
        files[name] = tmp_path / name
        files[name].write_text(f"# {name}\n")
    return files


def coded(beside: dict[str, Path]) -> Code:
    return Code(
        build=beside["build.py"],
        custom_objects=beside["custom_objects.py"],
        preprocess=beside["preprocess.py"],
    )


def test_a_plain_model_is_told_what_it_was_always_told(tmp_path: Path) -> None:
    the_model = model(
        tmp_path,
        signature="serving_default",
        seed=3,
        dimensions={"x": (2, 3)},
        ranges={"x": (0.0, 1.0)},
    )
    assert asked(the_model) == {
        "schema": 1,
        "loader": "saved_model.load",
        "model": "{model}",
        "inputs": None,
        "raw": None,
        "build": None,
        "custom_objects": None,
        "preprocess": None,
        "signature": "serving_default",
        "tags": None,
        "feeds": {},
        "fetches": {},
        "seed": 3,
        "batch_size": 8,
        "dimensions": {"x": [2, 3]},
        "ranges": {"x": [0.0, 1.0]},
        "device": "cpu",
        "intra_op_threads": 2,
        "inter_op_threads": 2,
        "repeats": 2,
    }


def test_flags_set_the_threads(tmp_path: Path) -> None:
    request = asked(model(tmp_path), intra_op_threads=1)
    assert (request["intra_op_threads"], request["inter_op_threads"]) == (1, 2)


def test_graphs_and_checkpoints_are_told_apart(tmp_path: Path) -> None:
    request = asked(
        model(
            tmp_path,
            format=Format.META_GRAPH,
            prefix="model.ckpt-10",
            tags=("serve", "gpu"),
            feeds={"x": "x:0"},
            fetches={"y": "y:0"},
        )
    )
    assert request["model"] == "{model}/model.ckpt-10"
    assert request["tags"] == ["serve", "gpu"]
    assert (request["feeds"], request["fetches"]) == ({"x": "x:0"}, {"y": "y:0"})


def test_without_anything_inputs_are_generated(tmp_path: Path) -> None:
    given = material(model(tmp_path))
    assert (given.inputs, given.files, given.digests) == ("generated", {}, {})


def test_recorded_inputs_are_fed(tmp_path: Path, beside: dict[str, Path]) -> None:
    the_model = model(tmp_path, inputs=beside["inputs.npz"])
    given = material(the_model)
    assert (given.inputs, given.files) == ("recorded", {"inputs.npz": beside["inputs.npz"]})
    assert asked(the_model, given.inputs)["inputs"] == "{files}/inputs.npz"


def test_raw_inputs_go_through_preprocess(tmp_path: Path, beside: dict[str, Path]) -> None:
    the_model = model(
        tmp_path, inputs=beside["inputs.npz"], raw=beside["raw.npz"], code=coded(beside)
    )
    given = material(the_model)
    assert given.inputs == "raw"
    assert given.files == {name: path for name, path in beside.items() if name != "inputs.npz"}
    request = asked(the_model, given.inputs)
    assert request["inputs"] is None
    for key, name in (
        ("raw", "raw.npz"),
        ("build", "build.py"),
        ("custom_objects", "custom_objects.py"),
        ("preprocess", "preprocess.py"),
    ):
        assert request[key] == f"{{files}}/{name}"


def test_the_references_inputs_go_past_preprocess(tmp_path: Path, beside: dict[str, Path]) -> None:
    the_model = model(tmp_path, raw=beside["raw.npz"], code=coded(beside))
    given = material(the_model, beside["inputs.npz"])
    assert given.inputs == "reference"
    assert given.files["inputs.npz"] == beside["inputs.npz"]
    assert "raw.npz" not in given.files
    request = asked(the_model, given.inputs)
    assert request["inputs"] == "{files}/inputs.npz"
    assert request["raw"] is None
    assert request["preprocess"] is None


def test_preprocess_without_raw_inputs_is_not_asked_for(
    tmp_path: Path, beside: dict[str, Path]
) -> None:
    the_model = model(tmp_path, code=coded(beside))
    given = material(the_model)
    assert given.inputs == "generated"
    assert asked(the_model, given.inputs)["preprocess"] is None


def test_a_changed_file_has_another_digest(tmp_path: Path, beside: dict[str, Path]) -> None:
    the_model = model(tmp_path, code=coded(beside))
    before = material(the_model).digests
    beside["build.py"].write_text("# changed\n")
    after = material(the_model).digests
    assert {name for name in before if before[name] != after[name]} == {"build.py"}


def test_attempts_have_safe_and_different_names() -> None:
    names = [attempt_name(number, loader) for number in (0, 1) for loader in LOADERS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in names)
    assert attempt_name(0, "saved_model.load") == "m0-saved-model-load"
    assert Attempt(name=names[0], request="{}", model=Path("m")).files == {}
