"""The main job, whole: real releases, real environments, both engines, the same verdicts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import docker
import numpy as np
import pytest

from tests.support.require import docker_daemon

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits"

Engine = Literal["venv", "docker"]

MATRIX = """\
schema: 1
tensorflow: ["2.4.*", "2.15.*", "2.21.*"]
flags: {default: {}, onednn-off: {TF_ENABLE_ONEDNN_OPTS: "0"}}
exclude: [{tensorflow: "!=2.15.1", flags: onednn-off, reason: one release shows it}]
include: [{tensorflow: "2.8.*", resolution: today}]
limits: {timeout: 180, memory: 3g, cpus: 1, output: 100m}
"""

IDS = {
    "tf2.4.4-py3.8-cpu",
    "tf2.8.4-py3.10-cpu-today",
    "tf2.15.1-py3.11-cpu",
    "tf2.15.1-py3.11-cpu+onednn-off",
    "tf2.21.0-py3.13-cpu",
}

pytestmark = [pytest.mark.tensorflow]


@pytest.fixture(
    scope="module",
    params=["venv", pytest.param("docker", marks=pytest.mark.docker)],
)
def engine(request: pytest.FixtureRequest) -> Engine:
    name: Engine = request.param
    if name == "docker":
        docker_daemon()
    return name


class Bench:
    """A folder with a matrix and results, and the command line run in it."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self.engine = engine
        self.results = folder / "results"
        (folder / "matrix.yaml").write_text(MATRIX)

    def arguments(self, models: Sequence[Path], *more: str) -> list[str]:
        return [
            *(sys.executable, "-m", "harness", "matrix", *map(str, models)),
            *("--engine", self.engine, "--results", str(self.results), *more),
        ]

    def run(self, *models_and_options: Path | str) -> subprocess.CompletedProcess[str]:
        models = [each for each in models_and_options if isinstance(each, Path)]
        options = [each for each in models_and_options if isinstance(each, str)]
        return subprocess.run(
            self.arguments(models, *options),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, model: Path, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.arguments([model], *more),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def table(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] = json.loads((self.results / name / "latest/table.json").read_text())
        return table

    def cells(self, name: str) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in self.table(name)["cells"]}


@pytest.fixture(scope="module")
def bench(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp(f"matrix-{engine}"), engine)


@pytest.fixture(scope="module")
def swept(bench: Bench) -> subprocess.CompletedProcess[str]:
    return bench.run(DIGITS / "savedmodel")


def verdicts(cells: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {cell_id: row["verdict"] for cell_id, row in cells.items()}


def test_every_cell_has_its_verdict(bench: Bench, swept: subprocess.CompletedProcess[str]) -> None:
    assert swept.returncode == 0, swept.stderr
    cells = bench.cells("digits-savedmodel")
    assert set(cells) == IDS
    today = cells.pop("tf2.8.4-py3.10-cpu-today")
    assert set(verdicts(cells).values()) <= {"identical", "equivalent"}
    assert all(row["divergence"]["decisions_changed"] == 0 for row in cells.values())
    assert all(row["accuracy"] >= 0.95 for row in cells.values())
    assert (today["verdict"], today["stage"]) == ("failed", "import")
    assert today["reason"]["code"] != "unclassified"
    assert "Unable to convert function return value" in today["reason"]["evidence"]


def test_the_table_says_what_really_ran(
    bench: Bench, swept: subprocess.CompletedProcess[str]
) -> None:
    for row in bench.cells("digits-savedmodel").values():
        if row["verdict"] == "failed":
            continue
        assert row["actual"]["tensorflow"] == row["tensorflow"]
        assert row["actual"]["python"].startswith(row["python"] + ".")
        assert row["actual"]["distribution"] == "tensorflow-cpu"
        assert row["loader"] == "saved_model.load"
        assert (row["image"] is not None) == (bench.engine == "docker")


def test_the_first_line_names_the_engine_and_the_last_the_cell_to_deploy(
    bench: Bench, swept: subprocess.CompletedProcess[str]
) -> None:
    assert swept.stderr.startswith(bench.engine)
    last = swept.stdout.strip().splitlines()[-1]
    table = bench.table("digits-savedmodel")
    assert table["recommendation"]["cell"] == "tf2.21.0-py3.13-cpu"
    assert "\x1b" not in swept.stdout + swept.stderr
    assert last
    if bench.engine == "docker":
        image = docker.from_env().images.get(table["recommendation"]["image"])
        assert image.labels["tensorflow-environment-matrix.role"] == "environment"


def test_a_second_run_takes_every_observation_over(
    bench: Bench, swept: subprocess.CompletedProcess[str]
) -> None:
    before = bench.cells("digits-savedmodel")
    again = bench.run(DIGITS / "savedmodel")
    assert again.returncode == 0, again.stderr
    after = bench.cells("digits-savedmodel")
    assert all(row["cached"] for row in after.values())
    assert verdicts(after) == verdicts(before)


def test_the_saved_sweep_is_judged_again_against_another_reference(
    bench: Bench, swept: subprocess.CompletedProcess[str]
) -> None:
    named = "tf2.4.4-py3.8-cpu"
    told = subprocess.run(
        [
            *(sys.executable, "-m", "harness", "report", "digits-savedmodel"),
            *("--reference", named, "--results", str(bench.results), "--format", "json"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    table = json.loads(told.stdout)
    assert table["reference"]["cell"] == named
    assert {row["id"]: row["verdict"] for row in table["cells"]}[named] == "identical"


def test_fail_on_is_a_gate(bench: Bench, swept: subprocess.CompletedProcess[str]) -> None:
    gate = bench.run(DIGITS / "savedmodel", "--fail-on", "failed")
    assert gate.returncode == 1
    assert gate.stdout


@pytest.mark.parametrize(
    ("name", "loads_in"),
    [
        ("h5", {"tf2.4.4-py3.8-cpu", "tf2.15.1-py3.11-cpu", "tf2.21.0-py3.13-cpu"}),
        ("keras", {"tf2.15.1-py3.11-cpu"}),
    ],
)
def test_keras_files(
    bench: Bench, swept: subprocess.CompletedProcess[str], name: str, loads_in: set[str]
) -> None:
    done = bench.run(DIGITS / name, "--only", "flags=default", "--only", "resolution=as-released")
    assert done.returncode == 0, done.stderr
    for cell_id, row in bench.cells(f"digits-{name}").items():
        if cell_id in loads_in:
            assert row["verdict"] == "equivalent"
            assert row["divergence"]["decisions_changed"] == 0
        else:
            assert (row["verdict"], row["stage"]) == ("failed", "load")
            assert row["reason"]["code"] != "unclassified"


def test_each_loader_is_told(bench: Bench, swept: subprocess.CompletedProcess[str]) -> None:
    loaders = {
        cell_id: [loader["name"] for loader in row["loaders"]]
        for cell_id, row in bench.cells("digits-savedmodel").items()
        if row["verdict"] != "failed"
    }
    with_keras = ["saved_model.load", "session", "keras.load_model"]
    assert loaders["tf2.4.4-py3.8-cpu"] == with_keras
    assert loaders["tf2.15.1-py3.11-cpu"] == with_keras
    assert loaders["tf2.21.0-py3.13-cpu"] == ["saved_model.load", "session", "TFSMLayer"]
    folder = (bench.results / "digits-savedmodel/latest").resolve()
    cell = folder / "cells/tf2.15.1-py3.11-cpu"
    for further in ("session", "keras.load_model"):
        files = {path.name for path in (cell / "loaders" / further).iterdir()}
        assert files == {"observation.json", "outputs.npz", "probe.log"}


def test_two_models_in_one_command_share_environments_and_runs(
    swept: subprocess.CompletedProcess[str], tmp_path: Path, engine: Engine
) -> None:
    both = Bench(tmp_path, engine)
    models = (DIGITS / "savedmodel", DIGITS / "h5")
    done = both.run(*models, "--only", "tensorflow>=2.15", "--only", "flags=default")
    assert done.returncode == 0, done.stderr
    for cell_id in ("tf2.15.1-py3.11-cpu", "tf2.21.0-py3.13-cpu"):
        running = [line for line in done.stderr.splitlines() if line.endswith(": running")]
        assert sum(f"digits-savedmodel (+1) {cell_id}: " in line for line in running) == 1
        for name in ("digits-savedmodel", "digits-h5"):
            assert both.cells(name)[cell_id]["verdict"] == "equivalent"
    locks = {
        name: {row["id"]: row["lock"] for row in both.table(name)["cells"]}
        for name in ("digits-savedmodel", "digits-h5")
    }
    assert locks["digits-savedmodel"] == locks["digits-h5"]
    first, second = done.stdout.split("\ndigits-h5\n=========\n")
    assert first.startswith("digits-savedmodel\n=================\n")
    assert second
    again = both.run(DIGITS / "h5", "--only", "tensorflow>=2.15", "--only", "flags=default")
    assert again.returncode == 0, again.stderr
    assert all(row["cached"] for row in both.cells("digits-h5").values())


PREPROCESS = """\
import sys


def preprocess(raw):
    largest = 16.0 if sys.version_info < (3, 13) else 15.0
    return (raw["scans"] / largest).astype("float32")
"""


def test_preprocessing_that_differs_is_told_from_the_model(
    swept: subprocess.CompletedProcess[str], tmp_path: Path, engine: Engine
) -> None:
    model = tmp_path / "scans"
    model.mkdir()
    shutil.copy(DIGITS / "h5" / "model.h5", model)
    (model / "preprocess.py").write_text(PREPROCESS)
    with np.load(DIGITS / "inputs.npz") as inputs:
        (images,) = inputs.values()
    np.savez(model / "raw.npz", scans=np.round(images * 16))
    bench = Bench(tmp_path, engine)
    reference, other = "tf2.15.1-py3.11-cpu", "tf2.21.0-py3.13-cpu"
    options = ("--only", "tensorflow>=2.15", "--only", "flags=default", "--reference", reference)
    done = bench.run(model, *options)
    assert done.returncode == 0, done.stderr
    cells = bench.cells("scans")
    assert cells[reference]["verdict"] == "identical"
    row = cells[other]
    assert (row["verdict"], row["stage"]) == ("diverged", "preprocess")
    assert row["reason"]["code"] == "preprocessing-differs"
    folder = (bench.results / "scans/latest").resolve()
    assert f"{other} on equal inputs: completed" in done.stderr
    assert f"{reference} on equal inputs" not in done.stderr
    with (
        np.load(folder / "inputs.npz") as fed,
        np.load(folder / "cells" / reference / "preprocessed.npz") as made,
    ):
        assert fed.files == made.files
        assert all((fed[name] == made[name]).all() for name in fed.files)
    equal = json.loads((folder / "cells" / other / "equal-inputs/observation.json").read_text())
    assert (equal["ending"], equal["inputs"]["source"]) == ("completed", "reference")
    again = bench.run(model, *options)
    assert again.returncode == 0, again.stderr
    assert all(row["cached"] for row in bench.cells("scans").values())
    assert bench.cells("scans")[other]["reason"] == row["reason"]


def first_observation(results: Path) -> Path | None:
    return next(iter(results.glob("*/2*/cells/*/observation.json")), None)


@pytest.fixture
def half_done(bench: Bench, tmp_path: Path) -> Iterator[tuple[Bench, subprocess.Popen[bytes]]]:
    """A sweep in a results folder of its own that has observed one cell and goes on."""
    apart = Bench(tmp_path, bench.engine)
    process = apart.start(DIGITS / "savedmodel", "--jobs", "1")
    deadline = time.monotonic() + 300
    while first_observation(apart.results) is None:
        assert process.poll() is None, "the sweep ended before it was stopped"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield apart, process
    if process.poll() is None:
        process.kill()
    process.wait()


def observed(results: Path) -> dict[str, str]:
    files = results.glob("*/2*/cells/*/observation.json")
    return {path.parent.name: json.loads(path.read_text())["observed"] for path in files}


def ours_running(engine: Engine) -> list[str]:
    if engine == "venv":
        return []
    label = "tensorflow-environment-matrix.role=run"
    return [c.id for c in docker.from_env().containers.list(all=True, filters={"label": label})]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_sweep_is_resumed_by_the_same_command(
    half_done: tuple[Bench, subprocess.Popen[bytes]],
    swept: subprocess.CompletedProcess[str],
    number: signal.Signals,
) -> None:
    bench, process = half_done
    os.kill(process.pid, number)
    status = process.wait(60)
    if number is signal.SIGINT:
        assert status == 130
        assert ours_running(bench.engine) == []
    before = observed(bench.results)
    assert 0 < len(before) < len(IDS)
    done = bench.run(DIGITS / "savedmodel", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    after = observed(bench.results)
    assert set(after) == IDS
    assert {cell_id: after[cell_id] for cell_id in before} == before
    assert len(list((bench.results / "digits-savedmodel").glob("2*"))) == 1
    assert ours_running(bench.engine) == []


def test_both_engines_give_the_same_verdicts(
    swept: subprocess.CompletedProcess[str], bench: Bench, request: pytest.FixtureRequest
) -> None:
    seen: dict[str, dict[str, str]] = request.config.stash.setdefault(_SEEN, {})
    seen[bench.engine] = verdicts(bench.cells("digits-savedmodel"))
    if len(seen) == 2:
        assert seen["venv"] == seen["docker"]


_SEEN = pytest.StashKey[dict[str, dict[str, str]]]()
