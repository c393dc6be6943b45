"""`custom_objects.py` is imported for what that registers, whichever loader reads the model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from probing.report import Report
from probing.user_code import register


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    """What a user's file leaves behind is taken back."""
    path, written = list(sys.path), sys.dont_write_bytecode
    yield
    sys.path[:], sys.dont_write_bytecode = path, written
    sys.modules.pop("custom_objects", None)


def registered(folder: Path, text: str | None) -> list[str]:
    """The warnings of registering what `custom_objects.py` says."""
    report = Report(str(folder))
    request = {"custom_objects": None}
    if text is not None:
        (folder / "custom_objects.py").write_text(text)
        request["custom_objects"] = str(folder / "custom_objects.py")
    register(request, report)
    warnings: list[str] = report.warnings
    return warnings


def test_it_is_imported(tmp_path: Path) -> None:
    assert registered(tmp_path, "import sys\nsys.registered_here = True\n") == []
    assert vars(sys).pop("registered_here")


def test_there_may_be_none(tmp_path: Path) -> None:
    assert registered(tmp_path, None) == []


def test_one_that_cannot_be_imported_is_a_warning(tmp_path: Path) -> None:
    assert registered(tmp_path, "import no_such_package_anywhere\n") == [
        "custom_objects.py cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_package_anywhere'"
    ]
