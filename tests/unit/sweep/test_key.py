"""What must be the same for a sweep to be resumed, and a probe to be the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.sweep.key import folder_digest, sweep_key
from tests.support.fakes import LIMITS, cell, model, plan


def key(folder: Path, **changes: object) -> str:
    asked = {
        "engine": "docker",
        "model": model(folder),
        "files": {"raw.npz": "11"},
        "plan": plan(cell()),
        "limits": LIMITS,
        "noise": "quick",
        **changes,
    }
    return sweep_key(**asked)  # type: ignore[arg-type]


def test_the_same_command_has_the_same_key(tmp_path: Path) -> None:
    assert key(tmp_path) == key(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"engine": "venv"},
        {"files": {"raw.npz": "22"}},
        {"files": {}},
        {"plan": plan(cell(), cell("2.14.1"))},
        {"limits": LIMITS.model_copy(update={"cpus": 1})},
    ],
)
def test_another_command_has_another_key(tmp_path: Path, changes: dict[str, object]) -> None:
    assert key(tmp_path, **changes) != key(tmp_path)


@pytest.mark.parametrize("fields", [{"digest": "1" * 64}, {"name": "other"}, {"prefix": "ckpt-1"}])
def test_another_model_has_another_key(tmp_path: Path, fields: dict[str, object]) -> None:
    assert key(tmp_path, model=model(tmp_path, **fields)) != key(tmp_path)


def test_a_probe_is_all_the_python_in_its_folder(tmp_path: Path) -> None:
    part = tmp_path / "probing" / "part.py"
    part.parent.mkdir()
    part.write_text("pass\n")
    (tmp_path / "probe.py").write_text("pass\n")
    before = folder_digest(tmp_path)
    (tmp_path / "probing" / "part.pyc").write_bytes(b"compiled")
    assert folder_digest(tmp_path) == before
    part.write_text("pass  # changed\n")
    changed = folder_digest(tmp_path)
    part.rename(part.with_name("moved.py"))
    assert len({before, changed, folder_digest(tmp_path)}) == 3
