from __future__ import annotations

from pathlib import Path

from harness.environments.engine import Attempt
from harness.environments.given import Given

A, B = Path("/models/a"), Path("/models/b")
INPUTS = {"inputs.npz": Path("/models/inputs.npz")}
CODE = {"build.py": Path("/models/build.py")}


def attempt(name: str, model: Path, files: dict[str, Path]) -> Attempt:
    return Attempt(name=name, request="{}", model=model, files=files)


def test_what_attempts_share_is_given_once() -> None:
    attempts = [
        attempt("a-load", A, INPUTS | CODE),
        attempt("a-session", A, CODE | INPUTS),
        attempt("b-load", B, INPUTS | CODE),
        attempt("a-equal", A, INPUTS),
    ]
    given = Given.of(attempts)
    assert given.models == {"a-load": A, "b-load": B}
    assert given.files == {"a-load": INPUTS | CODE, "a-equal": INPUTS}
    assert [given.model_of(one) for one in attempts] == ["a-load", "a-load", "b-load", "a-load"]
    assert [given.files_of(one) for one in attempts] == ["a-load", "a-load", "a-load", "a-equal"]


def test_one_file_under_two_names_is_not_the_same() -> None:
    other = {"other.npz": INPUTS["inputs.npz"]}
    given = Given.of([attempt("one", A, INPUTS), attempt("two", A, other)])
    assert given.files == {"one": INPUTS, "two": other}


def test_no_files_are_a_set_of_files_too() -> None:
    alone = attempt("alone", A, {})
    given = Given.of([alone])
    assert (given.files, given.files_of(alone)) == ({"alone": {}}, "alone")
