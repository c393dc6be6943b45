from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from harness.errors import ModelError
from harness.explain.signatures import load_signatures
from harness.model.model import Model
from harness.model.reading import read_model
from harness.npz import read_npz
from harness.plan.matrix import load_matrix
from tests.support.causes import CAUSES, Cause, Expectation, causes, mismatches

README = (CAUSES / "README.md").read_text(encoding="utf-8")
ALL = causes()
RUN = {name: cause for name, cause in ALL.items() if not cause.refused}
REFUSED = {name: cause for name, cause in ALL.items() if cause.refused}

# Codes that are no failure signature's: the judge, the plan or the engine gives them.
OTHERS = {"decisions", "no-gpu", "numbers", "preprocessing-differs"}


def made() -> dict[str, str]:
    """The causes of `make_all.py`, with the name of the environment that makes them."""
    tree = ast.parse((CAUSES / "make_all.py").read_text(encoding="utf-8"))
    (table,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Dict)
        and ast.unparse(node.targets[0]) == "CAUSES"
    ]
    pairs = zip(table.keys, table.values, strict=True)
    return {ast.literal_eval(key): ast.unparse(value) for key, value in pairs if key is not None}


def is_model(folder: Path) -> bool:
    files = (*folder.glob("*"), *folder.glob("savedmodel/saved_model.pb"))
    return any(file.suffix in {".h5", ".keras", ".pb", ".index"} for file in files)


def test_every_model_that_is_there_is_expected_and_the_other_way_round() -> None:
    there = {
        str(folder.relative_to(CAUSES))
        for folder in CAUSES.rglob("*")
        if folder.is_dir() and folder.name not in {"savedmodel", "variables"} and is_model(folder)
    }
    assert there == set(ALL)


def test_every_cause_is_made_by_the_script_and_told_in_the_readme() -> None:
    assert set(made()) == {name.split("/")[0] for name in ALL}
    headings = set(re.findall(r"^### `(\S+)`", README, re.MULTILINE))
    assert headings == set(made())
    for cause in ALL.values():
        assert f"`{cause.path.name}`" in README


def test_everything_is_small() -> None:
    sizes = {file: file.stat().st_size for file in CAUSES.rglob("*") if file.is_file()}
    assert sum(sizes.values()) < 3_000_000
    assert max(sizes.values()) < 100_000


@pytest.mark.parametrize("name", RUN)
def test_models_are_read(name: str) -> None:
    model = read_model(RUN[name].path)
    assert model.inputs is not None or model.raw is not None
    assert model.name == RUN[name].path.name
    for file in (model.inputs, model.raw, model.expected, model.labels):
        if file is not None:
            assert CAUSES in file.parents
            assert read_npz(file, max_bytes=1024**2, what=file.name)


def test_names_below_results_are_unique() -> None:
    names = [cause.path.name for cause in ALL.values()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", REFUSED)
def test_models_are_refused_in_these_words(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_model(REFUSED[name].path)
    for word in REFUSED[name].refused:
        assert word in str(caught.value)


@pytest.mark.parametrize("path", sorted({cause.matrix for cause in ALL.values()}))
def test_matrices_are_small_and_every_pattern_can_fit(path: Path) -> None:
    matrix = load_matrix(path)
    assert len(matrix.tensorflow) <= 4
    using = [cause for cause in RUN.values() if cause.matrix == path]
    assert using
    for cause in using:
        for pattern in cause.cells:
            wanted = re.match(r"tf([\d.]*\d)", pattern)
            assert wanted is None or wanted[1] in matrix.tensorflow, (cause.name, pattern)
            ends = re.search(r"-([a-z]+-\d+)$|\+([a-z0-9-]+)$", pattern)
            sets = {*matrix.pins, *matrix.flags}
            assert ends is None or (ends[1] or ends[2]) in sets, (cause.name, pattern)


def test_reasons_are_known_codes() -> None:
    known = {signature.id for signature in load_signatures()} | OTHERS
    wanted = {
        code
        for cause in RUN.values()
        for expectation in cause.cells.values()
        for row in (expectation, *expectation.loaders.values())
        for code in row.reason
    }
    assert wanted <= known


def test_code_beside_models_is_what_the_model_takes() -> None:
    def code(name: str) -> set[str]:
        model: Model = read_model(ALL[name].path)
        return {key for key, file in model.code if file is not None}

    assert code("custom-layer/layer-present") == {"custom_objects"}
    assert code("custom-layer/layer-missing") == set()
    assert code("weights-only/h5-matching") == {"build"}
    assert code("weights-only/h5-without-build") == set()
    assert code("preprocess-statistics/min-max") == {"preprocess"}


def test_models_hold_no_path_of_the_machine_that_made_them() -> None:
    path = re.compile(rb"/(?:home|root|tmp|opt|usr|work|Users)/|site-packages")
    files = [
        file for file in CAUSES.rglob("*") if file.is_file() and file.suffix not in {".py", ".md"}
    ]
    assert [file for file in files if path.search(file.read_bytes())] == []


def row(**said: object) -> dict[str, object]:
    plain = {"verdict": "failed", "stage": "load", "reason": None, "training": None}
    return {**plain, "deterministic": None, "loaders": [], **said}


def test_a_row_is_held_to_its_expectation() -> None:
    reason = {"code": "a-code", "message": "the class\nGate", "evidence": "", "remedy": ""}
    text = "verdict: failed\nstage: load\nreason: a-code\nwords: [class Gate]\ndeterministic: null"
    wanted = Expectation.model_validate(yaml.safe_load(text))
    assert mismatches(wanted, row(reason=reason)) == []
    other = row(verdict="identical", stage=None, deterministic=True)
    assert mismatches(wanted, other) == [
        "verdict is identical, not failed",
        "stage is None, not load",
        "reason is None, not a-code",
        "'class Gate' is not in ''",
        "deterministic is True, not None",
    ]


def test_a_row_is_held_to_what_its_loaders_must_say() -> None:
    text = """
    verdict: agrees
    training: lost
    training_words: [0 of 8]
    loaders: {one: {verdict: failed}, two: {verdict: agrees}}
    """
    wanted = Expectation.model_validate(yaml.safe_load(text))
    one = {"name": "one", "verdict": "failed", "stage": "load", "reason": None, "training": None}
    training = {"state": "lost", "message": "0 of 8 slot variables"}
    two = {**one, "name": "two", "verdict": "equivalent"}
    said = row(verdict="equivalent", stage=None, training=training, loaders=[one, two])
    assert mismatches(wanted, said) == []
    assert mismatches(wanted, row(verdict="identical", loaders=[two | {"verdict": "failed"}])) == [
        "training is None, not lost",
        "'0 of 8' is not in ''",
        "no loader one among two",
        "two: verdict is failed, not identical or equivalent",
    ]


def test_the_first_pattern_that_fits_counts() -> None:
    agrees = Expectation.model_validate({"verdict": "agrees"})
    cause = Cause(name="x", refused=(), cells={"tf2.4.4-*": agrees, "*-cpu": agrees})
    assert cause.pattern_of("tf2.4.4-py3.8-cpu") == "tf2.4.4-*"
    assert cause.pattern_of("tf2.8.4-py3.8-cpu") == "*-cpu"
    assert cause.pattern_of("tf2.8.4-py3.8-cuda") is None
