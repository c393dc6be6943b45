from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plan.yaml_positions import MAXIMUM_VALUES, read_yaml


def told(text: str) -> str:
    return "\n".join(str(problem) for problem in read_yaml(text, "m.yaml").problems)


def test_scalars_stay_text() -> None:
    document = read_yaml("a: 3.10\nb: no\nc: 0x10\nd: 2026-01-02\ne: '~'\nf: [1_0]\n", "m.yaml")
    assert document.value == {
        "a": "3.10",
        "b": "no",
        "c": "0x10",
        "d": "2026-01-02",
        "e": "~",
        "f": ["1_0"],
    }
    assert not document.problems


def test_lines() -> None:
    document = read_yaml("a:\n  - x: 1\n\n    y: 2\n", "m.yaml")
    assert dict(document.positions.lines) == {
        ("a",): 1,
        ("a", 0): 2,
        ("a", 0, "x"): 2,
        ("a", 0, "y"): 4,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "m.yaml:1 column 5: is not YAML: mapping values are not allowed here"),
        (
            "schema: 1\ntensorflow:\n- >=2.4\n",
            "m.yaml:3 column 4: is not YAML: while scanning a block scalar, expected chomping or"
            " indentation indicators, but found '='\n"
            '  hint: put specifiers in quotes: ">=2.4"',
        ),
        (
            "a: [1\nb: 2",
            "m.yaml:2 column 2: is not YAML: while parsing a flow sequence,"
            " expected ',' or ']', but got ':'",
        ),
        (
            "a: 1\n---\nb: 2",
            "m.yaml:2 column 1: is not YAML: expected a single document in the stream,"
            " but found another document",
        ),
        ("a: \x07", "m.yaml: is not YAML: unacceptable character #x0007: special characters are"),
        ("a: 1\na: 2\n", "m.yaml:2 a: this key is there already, on line 1"),
        ("[a]: 1\n", "m.yaml:1: a key must be text"),
        ("a:\n", 'm.yaml:1 a: has no value\n  hint: write {}, [] or "" for an empty one'),
        ("a: !secret x", "m.yaml:1 a: the tag !secret means nothing here\n  hint: use quotes"),
        ("a: &b\n  c: *b", "m.yaml:2 a.c: an alias stands for something it is part of"),
        ("[" * 5000, "m.yaml: is nested too deeply"),
    ],
)
def test_told(text: str, message: str) -> None:
    assert told(text).startswith(message)


def test_aliases_serve() -> None:
    document = read_yaml("a: &x {k: v}\nb: *x\n", "m.yaml")
    assert document.value == {"a": {"k": "v"}, "b": {"k": "v"}}


def test_an_alias_bomb_is_told_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 40)]
    message = told("\n".join(lines))
    assert f"more than {MAXIMUM_VALUES} values with aliases expanded" in message
    assert len(message.splitlines()) == 1


@given(st.text(alphabet="ab:-[]{}&*!'\"#|> \n\t,?", max_size=60))
def test_never_raises(text: str) -> None:
    read_yaml(text, "m.yaml")
