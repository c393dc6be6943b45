from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import ModelError
from harness.model.captured import captured_elsewhere, read_captured
from harness.model.contents import model_digest, model_files
from harness.model.model import Format, Model, Writer
from tests.support.captures import FACTS, captured


def write(folder: Path, facts: object = FACTS, lock: str = "numpy==1.26.4\n") -> Path:
    path = folder / "captured.json"
    path.write_text(facts if isinstance(facts, str) else json.dumps(facts))
    (folder / "captured.lock").write_text(lock)
    return path


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_captured(path)
    return str(caught.value).replace(str(path.parent), "m")


HINT = (
    "\n  hint: make it anew: `harness capture MODEL_DIR`, and its script where the model was made"
)


def test_both_files(tmp_path: Path) -> None:
    lock = "# a comment\n\nNumPy==1.26.4\nzope.interface==6.0  # why\ntorch==2.1.0+cu118\n"
    path = write(tmp_path, {**FACTS, "path": "/etc/passwd", "packages": {"evil": "1"}}, lock)
    seen = read_captured(path)
    assert seen == captured(
        {"numpy": "1.26.4", "zope-interface": "6.0", "torch": "2.1.0+cu118"}, path=path
    )
    assert seen.path == path


def test_versions_that_no_index_can_have_are_left_out(tmp_path: Path) -> None:
    assert read_captured(write(tmp_path, lock="pytz==2004d\nsix==1.16.0\n")).packages == {
        "six": "1.16.0"
    }


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {**FACTS, "schema": 2, "python": "2.7"},
        "-e git+https://example.invalid/x\nb @ file:///x\n--pre==1\nsix==1.16.0\n",
    )
    assert refused(path) == (
        "m/captured.lock:1: '-e git+https://example.invalid/x' is no package with its version\n"
        "  allowed: name==version\n"
        "m/captured.lock:2: 'b @ file:///x' is no package with its version\n"
        "  allowed: name==version\n"
        "m/captured.lock:3: '--pre==1' is no package with its version\n"
        "  allowed: name==version\n"
        "m/captured.json schema: Input should be 1\n"
        "m/captured.json python: String should match pattern "
        r"'^3\.\d{1,2}\.\d{1,3}[\w.+-]{0,20}$'" + HINT
    )


def test_files_that_are_missing_or_none(tmp_path: Path) -> None:
    path = tmp_path / "captured.json"
    assert refused(path) == f"m/captured.json: is missing\nm/captured.lock: is missing{HINT}"
    write(tmp_path)
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert refused(path) == f"m/captured.json: is a symbolic link, not a file{HINT}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "Invalid JSON: EOF while parsing"),
        ("[1]", "Input should be an object"),
        ("[" * 100_000, "Invalid JSON: recursion limit exceeded"),
        ("\0\x1b[31m", "Invalid JSON: "),
    ],
)
def test_json_that_is_none(tmp_path: Path, text: str, what: str) -> None:
    message = refused(write(tmp_path, text))
    assert message.startswith(f"m/captured.json: {what}")
    assert "\x1b" not in message


def test_files_that_are_too_large(tmp_path: Path) -> None:
    assert refused(write(tmp_path, " " * (4 * 1024**2 + 1))).startswith(
        "m/captured.json: is larger than 4194304 bytes"
    )
    many = "".join(f"p{i}==1\n" for i in range(5_001))
    assert refused(write(tmp_path, lock=many)) == (
        f"m/captured.lock: names more than 5000 packages{HINT}"
    )


def test_a_bad_lock_is_told_in_few_lines(tmp_path: Path) -> None:
    assert refused(write(tmp_path, lock="x y\n" * 1_000)).count("m/captured.lock") == 20


def test_whether_other_files_were_captured(tmp_path: Path) -> None:
    file = tmp_path / "model.h5"
    file.write_bytes(b"\x89HDF\r\n\x1a\n and the rest")
    model = Model(
        name="m",
        path=file,
        root=tmp_path,
        format=Format.HDF5,
        digest="of the files and what lies beside them",
        writer=Writer(),
    )
    digest = model_digest(model_files(file, Format.HDF5), ())
    same = captured(model={"name": "m", "digest": digest})
    assert captured_elsewhere(same, model) is None
    assert captured_elsewhere(captured(path="m/captured.json"), model) == (
        "m/captured.json was made of other files than the model has now: "
        "what was captured and expected.npz may not be this model's"
    )
