"""Environments of three releases with models each of them made, and the probe run in them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cell import Cell, Distribution, Flags
from harness.environments.engine import Attempt, Environment, Limits, Lock, Run, RunOutcome
from harness.environments.venv.engine import VenvEngine
from harness.npz import read_npz
from harness.observation import Ending, Failure, ProbeReport
from harness.probe import probe as probe_module
from harness.tensor import NumericTensor, Tensor, decode_outputs
from tests.integration.engine_contract import MEGABYTE, silent

PROBE = Path(probe_module.__file__)
MAKER = Path(__file__).with_name("probe_models.py")
FILES = Path(__file__).with_name("probe_files")

RELEASES = {
    "2.4.4": ("3.8", datetime(2021, 11, 1, tzinfo=UTC)),
    "2.15.1": ("3.11", datetime(2024, 3, 8, tzinfo=UTC)),
    "2.21.0": ("3.13", datetime(2026, 3, 6, tzinfo=UTC)),
}
"""The first, the middle and the newest Keras."""

REQUIREMENTS = {"2.21.0": ("tf-keras==2.21.*",)}


@dataclass(frozen=True)
class Place:
    """An environment, the models it has made and where runs write."""

    environment: Environment
    models: Path
    folder: Path

    def new(self) -> Path:
        """A folder that is empty."""
        folder = self.folder / str(len(list(self.folder.iterdir())))
        folder.mkdir()
        return folder


@dataclass(frozen=True)
class Asked:
    """One attempt that is asked for."""

    model: str
    """Below the models of the release."""
    loader: str
    of: str = ""
    """The release whose model it is; empty: the one that reads it."""
    files: Mapping[str, Path] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)

    def attempt(self, name: str, version: str) -> Attempt:
        """Return what the engine is told; by default a request of one thread."""
        files = dict(self.files)
        request: dict[str, Any] = {
            "schema": 1,
            "loader": self.loader,
            "intra_op_threads": 1,
            "inter_op_threads": 1,
            "batch_size": 3,
        }
        for key in ("inputs.npz", "raw.npz", "build.py", "custom_objects.py", "preprocess.py"):
            if key in files:
                request[key.split(".")[0]] = f"{{files}}/{key}"
        return Attempt(
            name=name,
            request=json.dumps({**request, "model": f"{{model}}/{self.model}", **self.request}),
            model=place(self.of or version).models,
            files=files,
        )


@dataclass(frozen=True)
class Seen:
    """What came of an attempt."""

    report: ProbeReport
    outcome: RunOutcome
    folder: Path

    @property
    def outputs(self) -> dict[str, Tensor]:
        """The outputs by name."""
        assert self.report.completed, self.outcome.log
        arrays = read_npz(self.folder / "outputs.npz", max_bytes=MEGABYTE, what="outputs.npz")
        return decode_outputs(self.report.outputs, arrays)

    @property
    def failure(self) -> Failure:
        """The failure, which must be there."""
        assert self.report.failure is not None, self.outcome.log
        return self.report.failure

    def array(self, name: str) -> np.ndarray:
        """An output that is no string."""
        tensor = self.outputs[name]
        assert isinstance(tensor, NumericTensor)
        return tensor.array


@cache
def built(version: str, python: str, released: datetime) -> Environment:
    """Return the environment of a release; skips the test where its Python cannot be had."""
    cell = Cell(
        tensorflow=version,
        python=python,
        distribution=Distribution(name=_package(version), version=version, released=released),
    )
    engine = VenvEngine()
    if why := engine.unobtainable(frozenset({python})):
        pytest.skip(str(why))
    lock = engine.lock(cell, REQUIREMENTS.get(version, ()), silent)
    assert isinstance(lock, Lock), lock
    environment = engine.build(cell, lock, silent)
    assert isinstance(environment, Environment), environment
    return environment


def _package(version: str) -> str:
    return "tensorflow" if version == "1.15.5" else "tensorflow-cpu"


@cache
def place(version: str) -> Place:
    """Return the environment of a release with its models; skips the test where there is none."""
    environment = built(version, *RELEASES[version])
    folder = _folder(version)
    made = Place(environment, folder / "models", folder)
    made.models.mkdir()
    completed = subprocess.run(
        [Path(environment.location) / "bin" / "python", MAKER, made.models],
        env={"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return made


_base: list[pytest.TempPathFactory] = []


@pytest.fixture(scope="session", autouse=True)
def base(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where models and runs lie: a module of tests imports this fixture."""
    _base.append(tmp_path_factory)


def _folder(version: str) -> Path:
    return _base[0].mktemp(version)


def run(
    version: str,
    asked: Mapping[str, Asked],
    *,
    engine: VenvEngine | None = None,
    out: Path | None = None,
    cut_short: bool = False,
) -> dict[str, Seen]:
    """Run the probe once for all that is asked, as the harness does.

    `cut_short`: attempts may end otherwise than a probe does after their reports are complete.
    """
    here = place(version)
    out = out or here.new()
    outcomes = (engine or VenvEngine()).run(
        here.environment,
        Run(
            cell="cell",
            sweep="sweep",
            probe=PROBE,
            attempts=tuple(one.attempt(name, version) for name, one in asked.items()),
            out=out,
            flags=Flags(name="f", variables={"TF_CPP_MIN_LOG_LEVEL": "2"}),
            limits=Limits(
                timeout_seconds=180,
                memory_bytes=4096 * MEGABYTE,
                cpus=1,
                output_bytes=100 * MEGABYTE,
            ),
        ),
        silent,
    )
    seen = {}
    for name, outcome in zip(asked, outcomes, strict=True):
        report = read_report(out / name)
        assert cut_short or report.completed == (outcome.ending is Ending.COMPLETED), outcome.log
        assert report.completed == (out / name / "outputs.npz").exists()
        seen[name] = Seen(report, outcome, out / name)
    return seen


def read_report(folder: Path) -> ProbeReport:
    """The report, as strictly as the harness reads it."""
    return ProbeReport.model_validate_json((folder / "report.json").read_bytes())
