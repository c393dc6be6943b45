from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import MatrixError
from harness.plan.matrix import Matrix, load_matrix


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Matrix]:
    """Write a text as `matrix.yaml`, and load it under that name."""
    monkeypatch.chdir(tmp_path)

    def write_and_load(text: str) -> Matrix:
        Path("matrix.yaml").write_text(text, "utf-8")
        return load_matrix(Path("matrix.yaml"))

    return write_and_load


@pytest.fixture
def refused(load: Callable[[str], Matrix]) -> Callable[[str], str]:
    """Load a text that is wrong, and return what the user is told."""

    def message(text: str) -> str:
        with pytest.raises(MatrixError) as caught:
            load(text)
        return str(caught.value)

    return message
