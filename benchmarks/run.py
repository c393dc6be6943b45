"""Measures the harness against doing the same by hand, side by side, as ratios.

    nox -s bench                 judging: quick, runs nothing
    nox -s bench -- --judging-large
                                 judging with outputs of 4 GB: takes minutes, 9 GB of disk and 20
                                 of memory, most of it for what it is compared with
    nox -s bench -- --sweep      also sweeps of examples/digits: against a bare loop over the same
                                 environments, and of several models at once against one by one
                                 (makes the environments first, which takes minutes and 4 GB)
    nox -s bench -- --images 4   images: see benchmarks/images.py

Machines are shared and noisy: each pair is measured in turns, and the median ratio is what counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from cells import cell_of
from classes import many_cells
from judging import judging
from turns import side_by_side

from harness.cell import Cell
from harness.environments.engine import Attempt, Environment, Lock
from harness.environments.request import Places, requests_text
from harness.environments.venv.engine import VenvEngine
from harness.model.loaders import loaders
from harness.model.model import Model
from harness.model.reading import read_model
from harness.pipeline import PROBE
from harness.sweep.request import request_text
from images import images

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "examples" / "digits" / "savedmodel"
RELEASES = (("2.8.4", "3.10"), ("2.15.1", "3.11"), ("2.21.0", "3.13"))


def environments(engine: VenvEngine) -> list[tuple[Cell, Environment]]:
    """Make the environments of `RELEASES`, or find them made."""
    made = []
    for version, python in RELEASES:
        cell = cell_of(version, python)
        lock = engine.lock(cell, (), print)
        environment = engine.build(cell, lock, print) if isinstance(lock, Lock) else lock
        if not isinstance(environment, Environment):
            raise SystemExit(environment.message)
        made.append((cell, environment))
    return made


def probe_by_hand(cell: Cell, environment: Environment, model: Model, loader: str) -> None:
    """Run the probe in one environment for one loader, as a shell loop would."""
    with tempfile.TemporaryDirectory() as folder:
        text = request_text(cell, model, loader, cpus=2, inputs="recorded")
        attempt = Attempt(name="by-hand", request=text, model=model.path)
        places = Places(model=str(model.path), files=str(MODEL.parent))
        requests = Path(folder, "requests.json")
        requests.write_text(requests_text([(attempt, places)]))
        Path(folder, "by-hand").mkdir()
        program = (Path(environment.location, "bin", "python"), PROBE)
        subprocess.run(
            [*program, "--requests", requests, "--out", folder, "--attempt", "by-hand"],
            env={"PATH": "/usr/bin:/bin", "HOME": folder, "CUDA_VISIBLE_DEVICES": "-1"},
            capture_output=True,
            check=False,  # some of the loaders fail, as they should
        )


def sweep(*models: Path) -> None:
    """Sweep the environments of `RELEASES` into an empty results folder, one at a time."""
    with tempfile.TemporaryDirectory() as folder:
        matrix = Path(folder, "matrix.yaml")
        versions = ", ".join(f'"{version}"' for version, _ in RELEASES)
        matrix.write_text(f"schema: 1\ntensorflow: [{versions}]\n")
        command = (sys.executable, "-m", "harness", "matrix", *map(str, models), "--engine", "venv")
        places = ("--matrix", str(matrix), "--results", folder, "--jobs", "1")
        subprocess.run([*command, *places], capture_output=True, check=True)


def sweeping() -> None:
    """A sweep over environments that are there, against running the probe in each by hand."""
    model = read_model(MODEL)
    made = environments(VenvEngine())
    read = [
        (cell, environment, loader)
        for cell, environment in made
        for loader in loaders(model, cell.tensorflow, ())
    ]

    def by_hand() -> None:
        for cell, environment, loader in read:
            probe_by_hand(cell, environment, model, loader)

    side_by_side(
        f"sweeping one model, {len(read)} loaders in {len(made)} environments that are there"
        " (plain: a process for each, one after the other)",
        lambda: sweep(MODEL),
        by_hand,
    )


def many_models() -> None:
    """Several models in one command, against one command for each."""
    folder = MODEL.parent
    models = (MODEL, folder / "h5", folder / "keras")

    def one_by_one() -> None:
        for model in models:
            sweep(model)

    side_by_side(
        f"sweeping {len(models)} models in {len(RELEASES)} environments with one command"
        " (plain: one command for each model)",
        lambda: sweep(*models),
        one_by_one,
    )


def main() -> None:
    """Run the benchmarks that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judging-large", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--images", type=int, choices=(4, 8))
    parser.add_argument("--model", type=Path, default=MODEL, help="of --images")
    options = parser.parse_args()
    if options.images:
        images(options.images, options.model)
        return
    judging(large=options.judging_large)
    many_cells()
    if options.sweep:
        sweeping()
        many_models()


if __name__ == "__main__":
    main()
