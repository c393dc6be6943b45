"""Measures images: against a plain loop of `docker build` with pip and `docker run`, in one run.

    nox -s bench -- --images 4      four environments; 8: eight (8 GB and 20 minutes more)
    nox -s bench -- --images 4 --model DIR
                                    with another model than examples/digits, which takes 50 ms

Both start with the same bases and the same locks, and without wheels, images or observations. The
plain loop is what a careful person writes: `pip install --no-cache-dir` of the hashed lock, one
environment after the other, then the same probe, asked for the same, noise floor and all. What is
made is removed again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cells import cell_of

from harness.cell import Cell
from harness.environments.docker.bases.choose import Bases
from harness.environments.docker.building.cli import find_cli
from harness.environments.docker.building.installer import provide_installer
from harness.environments.docker.daemon import Daemon, find_daemon
from harness.environments.docker.engine import DockerEngine
from harness.environments.engine import Attempt, CellFailure, Limits, Lock
from harness.environments.request import Places, requests_text
from harness.environments.uv import uv_environment
from harness.model.loaders import loaders
from harness.model.model import Model
from harness.model.reading import read_model
from harness.pipeline import PROBE
from harness.plan.matrix import load_matrix
from harness.sizes import shown_size
from harness.sweep.readings import attempt_name
from harness.sweep.request import Varied, material, request_text

__all__ = ["images"]

FOUR = (("2.8.4", "3.9"), ("2.13.1", "3.11"), ("2.15.1", "3.11"), ("2.16.2", "3.12"))
EIGHT = (*FOUR, ("2.4.4", "3.8"), ("2.10.1", "3.10"), ("2.18.1", "3.12"), ("2.21.0", "3.13"))
CPUS = 2
WARM_TURNS = 5

PLAIN_DOCKERFILE = """\
FROM {base}
COPY requirements.lock /requirements.lock
ARG once
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \\
    --mount=type=secret,id=certificates,target=/run/certificates.pem \\
    : $once && python -m ensurepip >/dev/null && \\
    python -m pip install --no-cache-dir --no-deps -q -r /requirements.lock
"""
# The harness with other names: neither images nor wheels of other sweeps are seen, or touched.
APART = """\
import sys
from harness.environments import owner
bases, installers = owner.LABEL + "-base", owner.LABEL + "-uv"
owner.LABEL = sys.argv.pop(1)
from harness.environments.docker import names
names.BASES, names.INSTALLERS = bases, installers
from harness.cli import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One environment of the plain loop."""

    cell: Cell
    lock: Lock
    base: str
    tag: str


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What everything is measured with."""

    daemon: Daemon
    docker: str
    model: Model
    folder: Path
    made: tuple[Made, ...]
    matrix: Path
    """A matrix file of exactly these environments."""
    varied: Varied
    """How the harness varies the inference of each environment's first loader."""


def images(count: int, model: Path) -> None:
    """Measure the set of four or eight environments and print ratios."""
    daemon, cli = find_daemon(), find_cli()
    if isinstance(daemon, str) or cli.program is None or cli.builder != "buildkit":
        raise SystemExit("this needs a Docker daemon and a command line with BuildKit")
    # As people have it, the harness finds its own bytecode.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HARNESS_CACHE"] = str(folder / "seed")
        releases = FOUR if count == len(FOUR) else EIGHT
        matrix = _matrix(folder, releases)
        limits = load_matrix(matrix).limits
        bench = Bench(
            daemon=daemon,
            docker=cli.program,
            model=read_model(model),
            folder=folder,
            made=_seeded(daemon, releases),
            matrix=matrix,
            varied=Varied("quick", Limits.model_validate(limits.model_dump())),
        )
        try:
            _measure(bench)
        finally:
            for made in bench.made:
                _docker(bench, "image", "rm", "--force", made.tag, check=False)


def _matrix(folder: Path, releases: Sequence[tuple[str, str]]) -> Path:
    versions = ", ".join(f'"{version}"' for version, _ in releases)
    pairs = "".join(
        f'  - {{tensorflow: "{version}", python: "{python}"}}\n' for version, python in releases
    )
    path = folder / "matrix.yaml"
    path.write_text(
        f"schema: 1\ntensorflow: [{versions}]\nlimits: {{cpus: {CPUS}}}\n"
        f'exclude:\n  - {{tensorflow: ">=1", reason: "named below"}}\ninclude:\n{pairs}'
    )
    return path


def _measure(bench: Bench) -> None:
    count = len(bench.made)
    plain_builds, plain_runs = _plain_loop(bench)
    plain = plain_builds + plain_runs
    print(f"{count} environments, {CPUS} cores, wheels and images cold")
    print(
        f"  plain loop           {plain:8.1f} s  (builds {plain_builds:.1f}, runs {plain_runs:.1f})"
    )
    with _apart(bench, "baked") as command:
        baked = _seconds([*command, "--results", str(bench.folder / "baked-0")])
        _line("harness, baked", baked, plain, "goal 0.35")
        _sizes(bench, command[3])
        _warm(bench, command)
    with _apart(bench, "mounted") as command:
        options = ("--bake", "never", "--results", str(bench.folder / "mounted-0"))
        _line("harness, mounted", _seconds([*command, *options]), plain, "goal 0.25")


def _line(title: str, ours: float, plain: float, more: str) -> None:
    print(f"  {title:<20} {ours:8.1f} s  ratio {ours / plain:.2f}  ({more})", flush=True)


def _seeded(daemon: Daemon, releases: Sequence[tuple[str, str]]) -> tuple[Made, ...]:
    """Make bases, installer and locks, which both sides start with."""
    engine, bases = DockerEngine(daemon, find_cli()), Bases(daemon)
    provide_installer(daemon)
    made = []
    for version, python in releases:
        cell = cell_of(version, python)
        lock, base = engine.lock(cell, (), print), bases.get(python, print)
        if isinstance(lock, CellFailure) or isinstance(base, CellFailure):
            raise SystemExit(str(lock if isinstance(lock, CellFailure) else base))
        tag = f"plain-loop:{uuid.uuid4().hex[:12]}"
        made.append(Made(cell=cell, lock=lock, base=base.reference, tag=tag))
    return tuple(made)


def _plain_loop(bench: Bench) -> tuple[float, float]:
    """Build and run one after the other; return the seconds of the builds and of the runs."""
    builds = runs = 0.0
    for made in bench.made:
        builds += _timed(partial(_plain_build, bench, made))
        runs += _timed(partial(_plain_run, bench, made, made.tag))
    return builds, runs


def _plain_build(bench: Bench, made: Made) -> None:
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        context = Path(name, "context")
        context.mkdir()
        (context / "Dockerfile").write_text(PLAIN_DOCKERFILE.format(base=made.base))
        (context / "requirements.lock").write_text(made.lock.text)
        settings = uv_environment()
        index, certificates = settings.get("UV_DEFAULT_INDEX"), settings.get("SSL_CERT_FILE")
        lines = ["[global]", "disable-pip-version-check = true"]
        lines += [f"index-url = {index}"] * (index is not None)
        lines += ["cert = /run/certificates.pem"] * (certificates is not None)
        Path(name, "pip.conf").write_text("\n".join(lines) + "\n")
        secrets = {"pip": f"{name}/pip.conf", "certificates": certificates or os.devnull}
        told = [f"--secret=id={key},src={source}" for key, source in secrets.items()]
        once = f"--build-arg=once={uuid.uuid4().hex}"
        _docker(bench, "build", "-q", *told, once, f"--tag={made.tag}", str(context))


def _plain_run(bench: Bench, made: Made, image: str) -> None:
    """Run every loader of the model in one container, asked for what the harness asks it for."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        given = material(bench.model)
        attempts = [
            Attempt(
                name=attempt_name(0, loader),
                request=request_text(
                    made.cell,
                    bench.model,
                    loader,
                    cpus=CPUS,
                    inputs=given.inputs,
                    varied=bench.varied if number == 0 else None,
                ),
                model=bench.model.path,
                files=dict(given.files),
            )
            for number, loader in enumerate(
                loaders(bench.model, made.cell.tensorflow, made.lock.packages)
            )
        ]
        text = requests_text((attempt, Places("/model", "/files")) for attempt in attempts)
        request = {**json.loads(text), "taken": False}  # nobody takes the folders away
        Path(name, "requests.json").write_text(json.dumps(request))
        files = [f"--volume={path}:/files/{seen}:ro" for seen, path in given.files.items()]
        for attempt in attempts:
            Path(name, "out", attempt.name).mkdir(parents=True)
        _docker(
            bench,
            *("run", "--rm", "--network=none", f"--volume={PROBE.parent}:/probe:ro", *files),
            *(f"--volume={bench.model.path}:/model:ro", f"--volume={name}:/run/bench"),
            *("--env=CUDA_VISIBLE_DEVICES=-1", "--env=PYTHONDONTWRITEBYTECODE=1", image),
            *("python", "/probe/probe.py", "--requests", "/run/bench/requests.json"),
            *("--out", "/run/bench/out"),
        )
        for attempt in attempts:
            ended = json.loads(Path(name, "out", attempt.name, "ended.json").read_text())
            if ended["status"] not in (0, 1):
                raise SystemExit(f"{attempt.name} in {image} ended with {ended}")


@contextmanager
def _apart(bench: Bench, how: str) -> Iterator[list[str]]:
    """Yield a command of a harness that finds locks and bases, and nothing else, of others."""
    label = f"bench-{how}-{uuid.uuid4().hex[:8]}"
    cache = bench.folder / label
    shutil.copytree(bench.folder / "seed", cache)
    os.environ["HARNESS_CACHE"] = str(cache)
    os.environ["UV_CACHE_DIR"] = str(cache / "uv-empty")
    command = [sys.executable, "-c", APART, label]
    try:
        yield [
            *(*command, "matrix", str(bench.model.path), "--matrix", str(bench.matrix)),
            *("--engine", "docker"),
        ]
    finally:
        done = subprocess.run(
            [*command, "clean", "--engine", "docker"], capture_output=True, text=True, check=False
        )
        print("  " + (done.stdout.strip().splitlines() or ["nothing cleaned"])[-1])


def _warm(bench: Bench, command: Sequence[str]) -> None:
    """The sweep with its images there, against the bare runs of the same images, packed."""
    done = json.loads(next(bench.folder.glob("baked-0/*/latest/table.json")).read_text())
    tags = {row["tensorflow"]: row["image"]["tag"] for row in done["cells"]}

    def bare() -> None:
        with ThreadPoolExecutor(CPUS) as executor:
            runs = (
                executor.submit(_plain_run, bench, made, tags[made.cell.tensorflow])
                for made in bench.made
            )
            for run in list(runs):
                run.result()

    pairs = []
    for turn in range(WARM_TURNS):
        plain = _timed(bare)
        ours = _seconds([*command, "--results", str(bench.folder / f"warm-{turn}")])
        pairs.append((ours / plain, ours, plain))
    ratio, ours, plain = sorted(pairs)[len(pairs) // 2]
    print(
        f"  warm: bare docker runs, {CPUS} at a time {plain:.1f} s, harness {ours:.1f} s,"
        f" ratio {ratio:.2f}  (goal 1.05; {min(pairs)[0]:.2f} to {max(pairs)[0]:.2f};"
        f" {ours - plain:.1f} s more)",
        flush=True,
    )


def _sizes(bench: Bench, label: str) -> None:
    """Bytes on disk of both sets; what images share is counted once."""
    ours = bench.daemon.client.images.list(name=label)
    plain = [bench.daemon.client.images.get(made.tag) for made in bench.made]
    sizes = [_set_bytes(bench, [str(image.id) for image in group]) for group in (plain, ours)]
    print(
        f"  on disk: plain {shown_size(sizes[0])} in {len(plain)} images,"
        f" harness {shown_size(sizes[1])} in {len(ours)},"
        f" ratio {sizes[1] / sizes[0]:.2f}  (goal 0.8)"
    )


def _set_bytes(bench: Bench, ids: Sequence[str]) -> int:
    """Sum the layers of images, each once: one is known by its digest and those below it."""
    layers: dict[tuple[str, ...], int] = {}
    for identity in ids:
        image = bench.daemon.client.images.get(identity)
        digests = image.attrs["RootFS"]["Layers"]
        sizes = [step["Size"] for step in reversed(image.history()) if step["Size"]]
        if len(sizes) != len(digests):
            raise SystemExit(f"the layers of {identity} cannot be told apart")
        for depth, size in enumerate(sizes, start=1):
            layers[tuple(digests[:depth])] = size
    return sum(layers.values())


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[4:])} failed:\n{done.stderr[-4000:]}")
    return time.perf_counter() - start


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _docker(bench: Bench, *arguments: str, check: bool = True) -> None:
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(
        [bench.docker, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if check and done.returncode != 0:
        raise SystemExit(f"docker {arguments[0]} failed:\n{done.stderr[-4000:]}")
