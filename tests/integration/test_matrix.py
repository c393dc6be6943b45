"""The main job, whole: real releases, real environments, both engines, the same verdicts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import docker
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

    def arguments(self, model: Path, *more: str) -> list[str]:
        return [
            *(sys.executable, "-m", "harness", "matrix", str(model)),
            *("--engine", self.engine, "--results", str(self.results), *more),
        ]

    def run(self, model: Path, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(model, *more),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, model: Path, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.arguments(model, *more),
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
