"""The command line in a folder of its own, over a fake engine and a small package index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import cli
from tests.support.fakes import FakeEngine
from tests.support.indexes import index, release
from tests.support.model_files import write_saved_model

INDEX = index(
    release("2.15.1", "3.10 3.11", "tensorflow-cpu"),
    release("2.15.1", "3.10 3.11"),
    release("2.16.2", "3.11 3.12", "tensorflow-cpu"),
    release("2.16.2", "3.11 3.12"),
)
OLD, NEW = "tf2.15.1-py3.11-cpu", "tf2.16.2-py3.12-cpu"

MATRIX = 'schema: 1\ntensorflow: [">=2.15"]\n'


class Shell:
    """A folder with a model and a matrix, and the command line run in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.engine = FakeEngine()
        self.model = folder / "tiny"
        self.capsys = capsys
        write_saved_model(self.model)
        (folder / "matrix.yaml").write_text(MATRIX)

    def __call__(self, *arguments: str) -> int:
        self.code = cli.main(arguments)
        self.out, self.err = self.capsys.readouterr()
        return self.code

    def table(self) -> dict[str, object]:
        text = (self.folder / "results/tiny/latest/table.json").read_text()
        table: dict[str, object] = json.loads(text)
        return table
