"""What is said of the command line: help, and what is wrong with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from harness.arguments import help_text, parse
from harness.errors import UsageError

COMMANDS = ("matrix", "cells", "inspect", "capture", "report", "images", "bases", "clean")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def wrong(*arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(arguments)
    return str(caught.value)


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        parse([*arguments, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_the_help_has_a_first_step_and_every_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = help_text()
    assert helped(capsys) == text
    assert "\nstart here:\n  harness matrix path/to/model_dir\n" in text
    codes = [line.split()[0] for line in text.split("exit codes:\n")[1].splitlines()]
    assert codes == ["0", "1", "2", "3", "4", "5", "6", "7", "130"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_one_example_that_can_be_parsed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = helped(capsys, command)
    (example,) = text.split("example:\n")[1].splitlines()
    program, *words = example.replace("'", "").split()
    assert program == "harness"
    assert parse(words).command == command


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_of_a_command_is_explained(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = helped(capsys, command).split("\n\nexample:")[0]
    options = text.split("options:\n")[1].replace("\n" + " " * 10, " ").splitlines()
    assert all(len(line.split()) > 2 for line in options)


def test_a_command_that_is_not_there() -> None:
    assert wrong("matirx", "tiny") == (
        "'matirx' is no command\n"
        "  allowed: matrix, cells, inspect, capture, report, images, bases, clean\n"
        "  hint: did you mean 'matrix'?"
    )
    assert (
        wrong("") == "'' is no command\n"
        "  allowed: matrix, cells, inspect, capture, report, images, bases, clean"
    )


def test_a_model_in_place_of_a_command(place: Path) -> None:
    (place / "tiny").mkdir()
    assert wrong("tiny").endswith("\n  hint: harness matrix tiny")


def test_a_word_that_is_not_allowed() -> None:
    assert wrong("cells", "--engine", "dokcer") == (
        "argument --engine: 'dokcer' is none of them\n"
        "  allowed: auto, docker, venv\n"
        "  hint: did you mean 'docker'?\n"
        "  help: harness cells --help"
    )


def test_an_option_that_is_not_there() -> None:
    assert wrong("cells", "--frsh") == (
        "'--frsh' means nothing here\n  hint: did you mean '--fresh'?\n  help: harness cells --help"
    )
    assert wrong("clean", "x") == "'x' means nothing here\n  help: harness clean --help"


@pytest.mark.parametrize(
    ("word", "hours"), [("12h", 12), ("30d", 30 * 24), ("8w", 8 * 7 * 24), ("0d", 0)]
)
def test_ages(word: str, hours: int) -> None:
    assert parse(["clean", "--older-than", word]).older_than == timedelta(hours=hours)


@pytest.mark.parametrize("word", ["30", "d", "-1d", "1m", "1.5d", "99999d", "\u0661d", ""])
def test_what_is_no_age(word: str) -> None:
    assert wrong("clean", f"--older-than={word}") == (
        f"argument --older-than: {word!r} is no age\n"
        "  allowed: such as 12h, 30d or 8w (hours, days, weeks)\n"
        "  help: harness clean --help"
    )


def test_an_argument_that_is_missing() -> None:
    assert wrong("matrix") == (
        "the following arguments are required: MODEL_DIR\n  help: harness matrix --help"
    )


def test_several_models_can_be_named(place: Path) -> None:
    options = parse(["matrix", "one", "two", "--jobs", "2"])
    assert options.model_dirs == [Path("one"), Path("two")]
    assert options.jobs == 2


def test_noise_is_measured_quickly_unless_said_otherwise(place: Path) -> None:
    assert parse(["matrix", "one"]).noise == "quick"
    assert parse(["matrix", "one", "--noise", "full"]).noise == "full"
    assert wrong("matrix", "one", "--noise", "ful") == (
        "argument --noise: 'ful' is none of them\n"
        "  allowed: off, quick, full\n"
        "  hint: did you mean 'full'?\n"
        "  help: harness matrix --help"
    )


def test_a_number_of_jobs_below_one() -> None:
    assert wrong("matrix", "tiny", "--jobs", "0") == (
        "argument --jobs: '0' is no number of environments\n"
        "  allowed: 1 or more\n"
        "  help: harness matrix --help"
    )


@pytest.mark.parametrize("option", ["--pull", "--push"])
def test_registries(option: str) -> None:
    given = parse(["matrix", "model", option, "registry.example/team"])
    assert getattr(given, option[2:]) == "registry.example/team/"
    assert wrong("matrix", "model", option, "team") == (
        f"argument {option}: 'team' is no prefix of a registry\n"
        "  allowed: a registry's host and, if it has them, port and folders:"
        " registry.example/team/ or localhost:5000/; Docker Hub's is docker.io/NAME/\n"
        "  help: harness matrix --help"
    )
