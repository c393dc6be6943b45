from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.environments.engine import Attempt
from harness.environments.request import Places, requests_text

PLACES = Places(model='/a "model"', files="/in")


def attempt(request: str, name: str = "n") -> Attempt:
    return Attempt(name=name, request=request, model=Path("/somewhere"))


def filled(value: object) -> object:
    text = requests_text([(attempt(json.dumps(value)), PLACES)])
    return json.loads(text)["attempts"][0]["request"]


def test_attempts_keep_their_order_and_places() -> None:
    one, two = attempt('{"m": "{model}"}', "b"), attempt('{"m": "{model}/x"}', "a")
    text = requests_text([(one, PLACES), (two, Places("/other", "/files"))])
    assert json.loads(text) == {
        "schema": 1,
        "taken": True,
        "attempts": [
            {"name": "b", "request": {"m": '/a "model"'}},
            {"name": "a", "request": {"m": "/other/x"}},
        ],
    }


def test_placeholders_are_replaced_wherever_they_begin_a_string() -> None:
    request = {"model": "{model}", "inner": [{"inputs": "{files}/inputs.npz"}], "n": 3}
    assert filled(request) == {
        "model": '/a "model"',
        "inner": [{"inputs": "/in/inputs.npz"}],
        "n": 3,
    }


@pytest.mark.parametrize(
    "value", ["a {model}", "{model}s", "{other}/x", "/{model}", "", None, True, 1.5]
)
def test_nothing_else_is_touched(value: object) -> None:
    assert filled([value, {"{model}": value}]) == [value, {"{model}": value}]


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(json.JSONDecodeError):
        requests_text([(attempt("{model}"), PLACES)])
