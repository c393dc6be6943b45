from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness.observation import Stage
from harness.report.machine import render_json, table_schema
from harness.report.table import Table
from harness.verdict import Verdict
from tests.support.tables import (
    KEPT,
    LOST,
    NO_SAVED_MODEL,
    Row,
    causes_rows,
    declared,
    distance,
    ran,
    sweep_rows,
    sweep_table,
)

SCHEMA = Path(__file__).parents[3] / "docs" / "table.schema.json"

# What other tools rely on; fields may be added, none may go.
CONTRACT = json.loads("""
{"schema": 1, "model": {"name": "", "digest": "", "format": ""}, "engine": "docker", "sweep": "",
 "reference": {"cell": "tf2.15.1-py3.11-cpu", "why": ""},
 "cells": [{"id": "", "tensorflow": "", "python": "", "device": "cpu", "resolution": "",
   "pins": "", "flags": "", "verdict": "identical", "stage": null,
   "reason": {"code": "", "message": "", "evidence": "", "remedy": ""},
   "divergence": {"max_abs": 0.0, "max_rel": 0.0, "max_ulp": 0, "decisions_changed": 0,
     "outputs": {}},
   "noise_floor": {"max_abs": 0.0, "max_ulp": 0},
   "loader": "", "loaders": [{"name": "", "verdict": "", "stage": null, "reason": null}],
   "remedies": [{"change": "", "verdict": ""}],
   "accuracy": null, "deterministic": true,
   "actual": {"tensorflow": "", "python": "", "numpy": "", "keras": "", "cuda": null,
     "cudnn": null, "device": "", "cpu": "", "distribution": "tensorflow-cpu"},
   "image": {"tag": "", "digest": ""},
   "seconds": {"build": 0.0, "import": 0.0, "load": 0.0, "infer": 0.0}, "cached": false}],
 "recommendation": {"cell": "", "image": "", "why": ""}}
""")


def no_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")


def written(table: Table) -> Any:
    return json.loads(render_json(table), parse_constant=no_constant)


def cells(table: Table) -> dict[str, Any]:
    return {cell["id"]: cell for cell in written(table)["cells"]}


def lacking(wanted: object, found: object, where: str = "table") -> list[str]:
    """Return the fields of `wanted` that `found` lacks; null stands for a whole value."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        gone = [f"{where}.{key}" for key in wanted if key not in found]
        return gone + [
            field
            for key in wanted.keys() & found.keys()
            for field in lacking(wanted[key], found[key], f"{where}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(found, list):
        return [field for item in found for field in lacking(wanted[0], item, f"{where}[]")]
    return []


def test_every_field_that_tools_rely_on_is_there() -> None:
    assert lacking(CONTRACT, written(sweep_table())) == []


def test_the_contract_check_can_fail() -> None:
    table = written(sweep_table())
    del table["cells"][5]["divergence"]["max_ulp"]
    assert lacking(CONTRACT, table) == ["table.cells[].divergence.max_ulp"]


def test_one_row_for_each_cell_in_the_order_of_the_plan() -> None:
    rows = sweep_rows()
    assert [row.id for row in sweep_table(rows).cells] == [row.planned.cell.id for row in rows]


def test_a_cell_that_agrees_has_no_reason_and_one_that_failed_no_divergence() -> None:
    found = cells(sweep_table())
    assert found["tf2.15.1-py3.11-cpu"]["reason"] is None
    assert found["tf2.4.4-py3.8-cpu-today"]["divergence"] is None
    assert found["tf2.4.4-py3.8-cpu-today"]["stage"] == "import"


def test_a_cell_that_never_ran_claims_nothing() -> None:
    found = cells(sweep_table())["tf2.4.4-py3.11-cpu"]
    assert found["verdict"] == "unavailable"
    assert found["loader"] == ""
    assert found["loaders"] == []
    assert set(found["actual"].values()) == {None}
    assert set(found["seconds"].values()) == {None}
    assert found["image"] is None


def test_the_loader_that_ran_stands_among_the_loaders() -> None:
    found = cells(sweep_table())["tf2.20.0-py3.13-cpu"]
    assert found["loader"] == "saved_model.load"
    assert found["loaders"] == [
        {
            "name": "saved_model.load",
            "verdict": "failed",
            "stage": "load",
            "reason": found["reason"],
            "divergence": None,
            "training": None,
        }
    ]


def test_every_loader_has_an_entry_with_its_distance() -> None:
    found = cells(sweep_table(causes_rows()))
    first, session, *_ = found["tf2.4.4-py3.8-cpu"]["loaders"]
    assert (first["name"], first["verdict"]) == ("saved_model.load", "equivalent")
    assert (session["name"], session["verdict"]) == ("session", "diverged")
    assert session["divergence"] == {
        "max_abs": 0.31,
        "max_rel": 0.31,
        "max_ulp": 3_700_000,
        "decisions_changed": 5,
    }
    refused = found["tf2.21.0-py3.13-cpu"]["loaders"][2]
    assert (refused["stage"], refused["divergence"]) == ("load", None)
    assert refused["reason"]["code"] == NO_SAVED_MODEL.code


def test_what_is_measured_apart_from_the_verdict() -> None:
    found = cells(sweep_table(causes_rows()))
    noisy = found["tf2.4.4-py3.8-cpu"]
    assert (noisy["deterministic"], noisy["noise_floor"]["max_abs"]) == (False, 0.1)
    assert noisy["preprocess"]["max_abs"] == 0.002
    assert noisy["equal_inputs"]["max_abs"] == 1.2e-07
    assert noisy["scores"]["top_k"] == 1.0
    assert found["tf1.15.5-py3.7-cpu"]["loaders"][2]["training"] == LOST.model_dump()
    assert noisy["loaders"][3]["training"] == KEPT.model_dump()


def test_warnings_of_all_loaders_stand_in_the_row_once() -> None:
    row = ran(
        declared("2.15.1", "3.11"),
        Verdict.IDENTICAL,
        warnings=("one", "two"),
        others=causes_rows()[2].judgement.loaders[1:],
    )
    others = [
        other.model_copy(update={"warnings": ("two", f"of {other.loader}")}) for other in row.others
    ]
    found = cells(sweep_table((row._replace(others=tuple(others)),)))
    assert found["tf2.15.1-py3.11-cpu"]["warnings"] == [
        "one",
        "two",
        "of session",
        "of keras.load_model",
        "of keras.load_model.compiled",
    ]


def test_other_inputs_are_noted_where_the_outputs_agree() -> None:
    found = cells(sweep_table(causes_rows()))
    said = "preprocess.py gives other inputs here, though the outputs agree: input 'image': differs"
    assert found["tf2.4.4-py3.8-cpu"]["warnings"][0].startswith(said)
    # Where they do not, the reason says it; where the inputs are the same, there is nothing to say.
    assert found["tf1.15.5-py3.7-cpu"]["warnings"] == []
    assert found["tf2.21.0-py3.13-cpu"]["warnings"] == []


def test_the_distribution_is_what_was_installed_not_what_was_planned() -> None:
    row = ran(declared("2.15.1", "3.11"), Verdict.FAILED, stage=Stage.RESOLVE, environment=None)
    found = cells(sweep_table((row,)))["tf2.15.1-py3.11-cpu"]
    assert found["actual"]["distribution"] is None


def test_the_recommendation_names_the_image_of_its_cell() -> None:
    assert written(sweep_table())["recommendation"] == {
        "cell": "tf2.15.1-py3.11-cpu",
        "image": "tensorflow-environment-matrix:3.110c4f",
        "why": "the newest cell with default pins and flags of the 3 (of 11) that agree with the"
        " reference: it is the reference itself",
    }


def test_no_recommendation_has_neither_cell_nor_image() -> None:
    table = sweep_table(recommendation=(None, "no cell agrees"))
    assert written(table)["recommendation"] == {
        "cell": None,
        "image": None,
        "why": "no cell agrees",
    }


def test_the_venv_engine_recommends_no_image() -> None:
    row = ran(declared("2.15.1", "3.11"), Verdict.IDENTICAL, environment=None)
    table = written(sweep_table((row,), recommendation=("tf2.15.1-py3.11-cpu", "it agrees")))
    assert table["recommendation"]["image"] is None


def test_a_distance_that_is_not_finite_is_null() -> None:
    far = ran(
        declared("2.15.1", "3.11"),
        Verdict.DIVERGED,
        divergence=distance(float("inf"), 2**64, 0, "diverged"),
    )
    found = cells(sweep_table((far,)))["tf2.15.1-py3.11-cpu"]["divergence"]
    assert found["max_abs"] is None
    assert found["max_ulp"] == 2**64


@pytest.mark.parametrize("rows", [sweep_rows(), causes_rows()])
def test_what_was_written_can_be_read_again(rows: tuple[Row, ...]) -> None:
    table = sweep_table(rows)
    assert Table.model_validate_json(render_json(table)) == table


def test_the_published_schema_is_current() -> None:
    assert SCHEMA.read_text() == table_schema(), (
        "docs/table.schema.json is not what harness.report.machine.table_schema() returns"
    )


def test_excluded_cells_and_notes_are_kept() -> None:
    table = written(sweep_table())
    assert table["excluded"] == [
        {"id": "tf2.5.3-py3.9-cpu", "reason": "its wheels need AVX-512 on our machines"}
    ]
    assert table["notes"] == ["tensorflow >=2.4: 2.14 is left out, it was yanked"]
