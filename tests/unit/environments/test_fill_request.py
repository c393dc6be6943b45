from __future__ import annotations

import json

import pytest

from harness.environments.request import fill_request


def filled(value: object, inputs: str | None = "/in") -> object:
    return json.loads(fill_request(json.dumps(value), model='/a "model"', inputs=inputs))


def test_placeholders_are_replaced_wherever_they_begin_a_string() -> None:
    request = {"model": "{model}", "inner": [{"inputs": "{inputs}/inputs.npz"}], "n": 3}
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


def test_without_inputs_their_placeholder_stays() -> None:
    assert filled("{inputs}", inputs=None) == "{inputs}"


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(json.JSONDecodeError):
        fill_request("{model}", model="/m", inputs=None)
