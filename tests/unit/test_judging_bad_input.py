"""Saved files that are not what they should be: named, `unknown`, no crash and no silent zero."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.shell import NEW, OLD, Shell

SHAPE = (2, 2)


@pytest.fixture
def swept(shell: Shell) -> Shell:
    assert shell("matrix", "tiny", "--quiet", "--reference", NEW) == 0
    return shell


def folder(shell: Shell, cell: str = OLD) -> Path:
    return (shell.folder / "results/tiny/latest").resolve() / "cells" / cell


def row(shell: Shell, *more: str) -> dict[str, Any]:
    """The row of the damaged cell after judging again."""
    assert shell("report", "tiny", "--format", "json", "--cell", OLD, *more) == 0, shell.err
    found: dict[str, Any] = json.loads(shell.out)
    return found


def outputs(**arrays: Any) -> Callable[[Path], object]:
    def write(cell: Path) -> object:
        (cell / "outputs.npz").unlink()
        return np.savez(cell / "outputs.npz", allow_pickle=True, **arrays)

    return write


def cut(share: float) -> Callable[[Path], object]:
    def write(cell: Path) -> object:
        data = (cell / "outputs.npz").read_bytes()
        (cell / "outputs.npz").unlink()
        return (cell / "outputs.npz").write_bytes(data[: int(len(data) * share)])

    return write


def bomb(cell: Path) -> None:
    """A few kB that unpack to more than the arrays are said to have."""
    (cell / "outputs.npz").unlink()
    np.savez_compressed(cell / "outputs.npz", output_0=np.zeros(10**7, np.float32))


def damaged(cell: Path) -> None:
    data = bytearray((cell / "outputs.npz").read_bytes())
    start = data.index(b"}", data.index(b"descr")) + 70
    data[start] ^= 0xFF
    (cell / "outputs.npz").unlink()
    (cell / "outputs.npz").write_bytes(data)


def observation(**changes: Any) -> Callable[[Path], object]:
    def write(cell: Path) -> object:
        told = json.loads((cell / "observation.json").read_text())
        return (cell / "observation.json").write_text(json.dumps(told | changes))

    return write


def fact(name: str = "y", dtype: str = "float32", shape: Any = SHAPE) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": list(shape)}


FINE = np.zeros(SHAPE, np.float32)

UNSOUND: dict[str, tuple[Callable[[Path], object], str]] = {
    "other shape": (outputs(output_0=np.zeros((3, 2), np.float32)), "has the shape (3, 2)"),
    "other dtype": (outputs(output_0=np.zeros(SHAPE)), "is stored as float64"),
    "other kind": (
        outputs(output_0=FINE.astype(">i4")),
        "is stored as int32; float32 must be stored as float32",
    ),
    "one more": (outputs(output_0=FINE, output_1=FINE), "hold the array 'output_1'"),
    "one less": (outputs(), "lack the array 'output_0'"),
    "other name": (outputs(y=FINE), "lack the array 'output_0'"),
    "zero-size": (outputs(output_0=np.zeros((0, 2), np.float32)), "has the shape (0, 2)"),
    "pickle": (outputs(output_0=np.array([[None, 1], [2, 3]])), "stored as a pickle"),
    "bomb": (bomb, "holds 40000128 bytes of arrays; at most 32832 are read"),
    "damaged": (damaged, "is damaged"),
    "no bytes": (cut(0), "is not a whole zip archive"),
    "half-written": (cut(0.5), "is not a whole zip archive"),
    "almost whole": (cut(0.99), "is not a whole zip archive"),
    "described otherwise": (
        observation(outputs=[fact(shape=(4, 1))]),
        "has the shape (2, 2), the report says (4, 1)",
    ),
    "described as strings": (
        observation(outputs=[fact(dtype="string")]),
        "lack the array 'output_0.data', 'output_0.offsets'",
    ),
    "described twice": (observation(outputs=[fact(), fact()]), "lack the array 'output_1'"),
    "a type nobody has": (observation(outputs=[fact(dtype="resource")]), "which is unknown"),
    "nothing described": (observation(outputs=[]), "hold the array 'output_0'"),
}


@pytest.mark.parametrize(("damage", "said"), UNSOUND.values(), ids=UNSOUND)
def test_unsound_outputs_are_unknown_and_say_why(
    swept: Shell, damage: Callable[[Path], object], said: str
) -> None:
    damage(folder(swept))
    found = row(swept)
    assert found["verdict"] == "unknown"
    assert found["reason"]["code"] == "unreadable-outputs"
    assert said in found["reason"]["message"]
    assert found["divergence"] is None


@pytest.mark.parametrize(("damage", "said"), UNSOUND.values(), ids=UNSOUND)
def test_a_reference_with_unsound_outputs_is_refused(
    swept: Shell, damage: Callable[[Path], object], said: str
) -> None:
    damage(folder(swept))
    assert swept("report", "tiny", "--reference", OLD) == 6
    assert swept.err.startswith(f"error: reference: cell '{OLD}' has no outputs: ")
    assert said in swept.err
    assert swept("report", "tiny", "--reference", "auto") == 0  # another one is elected


def test_every_other_cell_is_judged_all_the_same(swept: Shell) -> None:
    cut(0.5)(folder(swept))
    assert swept("report", "tiny", "--format", "json") == 0
    verdicts = {cell["id"]: cell["verdict"] for cell in json.loads(swept.out)["cells"]}
    assert verdicts == {OLD: "unknown", NEW: "identical"}


def link(cell: Path) -> None:
    shutil.move(cell / "outputs.npz", cell / "elsewhere.npz")
    (cell / "outputs.npz").symlink_to(cell / "elsewhere.npz")


def test_a_link_is_not_followed(swept: Shell) -> None:
    link(folder(swept))
    found = row(swept)
    assert (found["verdict"], found["reason"]["code"]) == ("unknown", "unreadable-outputs")
    assert "is a symbolic link" in found["reason"]["message"]


NOT_READ: dict[str, tuple[Callable[[Path], object], str]] = {
    "another schema": (
        observation(schema=2),
        "observation.json is none that this version reads (Input should be 1 at schema)",
    ),
    "unknown fields": (observation(more=1), "(Extra inputs are not permitted at more)"),
    "no JSON": (
        lambda cell: (cell / "observation.json").write_text('{"schema": 1, "cell": "x'),
        "observation.json is none that this version reads (Invalid JSON",
    ),
    "no outputs": (
        lambda cell: (cell / "outputs.npz").unlink(),
        "outputs.npz is not there, without which it is not whole",
    ),
    "a shape of text": (
        observation(outputs=[fact() | {"shape": "2, 2"}]),
        "at outputs.0.shape)",
    ),
    "another cell's": (observation(cell=NEW), f"observation.json is of another cell, '{NEW}'"),
}


@pytest.mark.parametrize(("damage", "said"), NOT_READ.values(), ids=NOT_READ)
def test_an_observation_that_cannot_be_used_is_named(
    swept: Shell, damage: Callable[[Path], object], said: str
) -> None:
    damage(folder(swept))
    found = row(swept)
    assert (found["verdict"], found["reason"]["code"]) == ("unknown", "unreadable-observation")
    assert said in found["reason"]["message"]
    assert found["divergence"] is None
    assert swept("report", "tiny", "--reference", OLD) == 6
    assert said in swept.err


def test_outputs_of_another_model(swept: Shell) -> None:
    """Sound in themselves, but fed other inputs than the reference, or described otherwise."""
    told = json.loads((folder(swept) / "observation.json").read_text())
    observation(inputs=told["inputs"] | {"digest": "of another model"})(folder(swept))
    found = row(swept)
    assert (found["verdict"], found["reason"]["code"]) == ("unknown", "inputs-differ")
    assert found["divergence"] is None


USERS: dict[str, Callable[[Path], object]] = {
    "half-written": lambda path: path.write_bytes(whole()[:200]),
    "empty": lambda path: path.write_bytes(b""),
    "pickle": lambda path: np.savez(path, allow_pickle=True, y=np.array([None, {}])),
    "dates": lambda path: np.savez(path, y=np.zeros(2, "datetime64[s]")),
    "one array": lambda path: path.write_bytes(b"\x93NUMPY" + bytes(200)),
    "damaged": lambda path: path.write_bytes(flipped()),
}


def whole() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, y=np.arange(100, dtype=np.float32))
    return stream.getvalue()


def flipped() -> bytes:
    data = bytearray(whole())
    data[300] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize("name", ["expected.npz", "labels.npz"])
@pytest.mark.parametrize("write", USERS.values(), ids=USERS)
def test_unsound_copies_of_the_users_files_are_errors(
    swept: Shell, name: str, write: Callable[[Path], object]
) -> None:
    path = folder(swept).parents[1] / name
    write(path)
    wanted = "expected" if name == "expected.npz" else NEW
    assert swept("report", "tiny", "--reference", wanted) == 5
    assert swept.err.startswith(f"error: {path}: ")
