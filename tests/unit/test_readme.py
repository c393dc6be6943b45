"""What the README names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from harness.arguments import parse
from harness.errors import UsageError
from harness.verdict import Verdict

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def sessions() -> set[str]:
    functions = ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body
    return {
        node.name
        for node in functions
        if isinstance(node, ast.FunctionDef)
        and any("session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def test_every_session_is_there() -> None:
    named = {
        word for line in re.findall(r"nox -s ((?:[a-z]+ ?)+)", README) for word in line.split()
    }
    assert {"matrix", "tests", "cells", "report", "clean", "lint", "types", "bench"} <= named
    assert named & sessions() == named - {"and"}


def test_both_commands_stand_there_word_for_word() -> None:
    install = "python3 -m pip install nox && python3 -m nox -s"
    assert f"\n    {install} matrix -- examples/digits/savedmodel\n" in README
    assert f"\n    {install} tests\n" in README
    assert (ROOT / "examples/digits/savedmodel/saved_model.pb").is_file()


def test_the_gate_is_a_valid_command_line() -> None:
    gate = re.search(r"`nox -s matrix -- (MODEL_DIR --fail-on [^`]+)`", README)
    assert gate is not None
    assert parse(["matrix", *gate[1].split()]).fail_on == ["failed", "diverged"]


def refused(option: str) -> bool:
    """Tell whether `harness matrix` knows no such option, whatever it thinks of the value."""
    try:
        parse(["matrix", "model", option, "1"])
    except UsageError as error:
        return f"'{option}' means nothing here" in str(error)
    return False


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", README))))
def test_every_option_is_known(option: str) -> None:
    assert not refused(option)
    assert refused(f"{option}-not")


def test_every_linked_file_is_there() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("https://"):
            assert (ROOT / link).exists(), link


def test_every_verdict_is_explained() -> None:
    explained = set(re.findall(r"^\| `([a-z]+)` \|", README, re.M))
    assert {verdict.value for verdict in Verdict} <= explained
