"""CUDA without a GPU, for real: NVIDIA's wheels in a venv, and libraries taken out of an image.

The venv tests prove the check itself: TensorFlow 2.15.1 with the real libraries of its own wheels
(2.4 GB from the package index), and with another cuDNN. The Docker tests prove that `cuda.sh` takes
what it should out of an image laid out as NVIDIA's are, with both builders; the libraries in it are
empty files, so they say nothing of CUDA.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cell import Cell, Device, Distribution
from harness.environments.docker.building.image_folder import image_path
from harness.environments.docker.daemon import Daemon, import_archive
from harness.environments.docker.engine import DockerEngine
from harness.environments.engine import CellFailure, Environment, Lock
from harness.environments.gpu import gpu_names
from harness.environments.options import Options
from tests.integration.engine_contract import PYTHON, silent
from tests.integration.test_docker_engine import cli
from tests.support.apart import apart_from_others
from tests.support.require import docker_daemon

MODEL = Path(__file__).parents[2] / "examples" / "digits" / "savedmodel"
MATRIX = """\
schema: 1
tensorflow: ["2.15.1"]
python: ["3.11"]
device: [cuda]
pins: {default: {}, cudnn-9: {nvidia-cudnn-cu12: "9.1.0.70"}}
limits: {timeout: 180, memory: 4g, cpus: 1, output: 100m}
"""

pytestmark = pytest.mark.skipif(bool(gpu_names()), reason="this machine has a GPU")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """The rows of a sweep by the name of their pins; the venvs, of 5 GB each, are removed."""
    folder = tmp_path_factory.mktemp("cuda")
    (folder / "matrix.yaml").write_text(MATRIX)
    command = [
        *(sys.executable, "-m", "harness", "matrix", str(MODEL), "--matrix", "matrix.yaml"),
        *("--results", "results", "--engine", "venv", "--check-cuda", "--jobs", "1"),
    ]
    try:
        completed = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"HARNESS_CACHE": str(folder / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr
        (table,) = (folder / "results").glob("*/latest/table.json")
        yield {row["pins"]: row for row in json.loads(table.read_text())["cells"]}
    finally:
        shutil.rmtree(folder / "cache", ignore_errors=True)


@pytest.mark.tensorflow
def test_what_a_release_brings_fits(rows: dict[str, dict[str, Any]]) -> None:
    row = rows["default"]
    assert (row["verdict"], row["stage"]) == ("skipped", "load")
    assert row["reason"]["code"] == "no-gpu"
    cuda = row["cuda"]
    assert (cuda["wanted"], cuda["wanted_cudnn"]) == ("12.2", "8.9.4")
    assert cuda["own_check"] is True
    found = {one["name"]: one["version"] for one in cuda["libraries"]}
    assert list(found) == [
        "libcudart.so.12",
        "libcublas.so.12",
        "libcublasLt.so.12",
        "libcufft.so.11",
        "libcusolver.so.11",
        "libcusparse.so.12",
        "libcudnn.so.8",
    ]
    assert (found["libcudart.so.12"], found["libcudnn.so.8"]) == ("12.2", "8.9.4")
    for one in cuda["libraries"]:
        assert "/site-packages/nvidia/" in one["path"]
        assert not one["outside"]
        assert one["error"] is None
    assert "cudnn 8.9.4" in row["reason"]["evidence"]


@pytest.mark.tensorflow
def test_a_wrong_cudnn_fails_with_no_gpu_to_say_so(rows: dict[str, dict[str, Any]]) -> None:
    row = rows["cudnn-9"]
    assert (row["verdict"], row["stage"]) == ("failed", "import")
    assert row["reason"]["code"] == "cudnn-wrong-major"
    assert row["reason"]["remedy"]
    assert row["cuda"]["own_check"] is False
    found = {one["name"]: one for one in row["cuda"]["libraries"]}
    assert found["libcudnn.so.8"]["path"] is None
    assert "cannot open shared object file" in found["libcudnn.so.8"]["error"]
    assert found["libcudnn.so.9"]["version"] == "9.1.0"
    assert not found["libcudnn.so.9"]["needed"]


IMAGE = "tensorflow-environment-matrix-test-cuda:1"
TARGETS = "usr/local/cuda-11.2/targets/x86_64-linux/lib"
SYSTEM = "usr/lib/x86_64-linux-gnu"
FILES = (
    f"{TARGETS}/libcudart.so.11.2.152",
    f"{TARGETS}/libcublas.so.11",
    f"{TARGETS}/libcublasLt.so.11",
    f"{TARGETS}/libnpps.so.11",
    f"{SYSTEM}/libc.so.6",
)
CUDNN = (f"{SYSTEM}/libcudnn.so.8.1.1", f"{SYSTEM}/libcudnn_ops_infer.so.8")
LINKS = {
    f"{TARGETS}/libcudart.so.11.0": "libcudart.so.11.2.152",
    "usr/local/cuda-11.2/lib64": "targets/x86_64-linux/lib",
    "usr/local/cuda": "/etc/alternatives/cuda",
    "etc/alternatives/cuda": "/usr/local/cuda-11.2",
    f"{SYSTEM}/libcudnn.so.8": "libcudnn.so.8.1.1",
}


@pytest.fixture(scope="module")
def daemon() -> Daemon:
    return docker_daemon()


@pytest.fixture
def image(daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The root of an image like NVIDIA's, which is the one for CUDA 11.2 and cuDNN 8.1."""
    root = tmp_path / "root"
    for name in (*FILES, *CUDNN):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for name, target in LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    pinned = yaml.safe_load(image_path("bases.yaml").read_text())
    pinned["cuda"] = [{"cuda": "11.2", "cudnn": "8.1", "images": [IMAGE]}]
    (tmp_path / "bases.yaml").write_text(yaml.safe_dump(pinned))
    monkeypatch.setenv("HARNESS_BASES", str(tmp_path / "bases.yaml"))
    with apart_from_others(daemon, tmp_path / "cache"):
        yield root
    daemon.client.images.remove(IMAGE, force=True)


def load(daemon: Daemon, root: Path) -> None:
    archive = root.with_name("cuda.tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(root, arcname=".")
    repository, _, tag = IMAGE.partition(":")
    import_archive(daemon, archive, repository=repository, tag=tag, changes=())


def build(daemon: Daemon, builder: str) -> Environment | CellFailure:
    """Build a cell of 2.8.4 whose TensorFlow is the package six."""
    distribution = Distribution(
        name="six", version="1.16.0", released=datetime(2021, 5, 5, tzinfo=UTC)
    )
    cell = Cell(tensorflow="2.8.4", python=PYTHON, device=Device.CUDA, distribution=distribution)
    engine = DockerEngine(daemon, cli(builder), Options(check_cuda=True))
    lock = engine.lock(cell, (), silent)
    assert isinstance(lock, Lock), lock
    return engine.build(cell, lock, silent)


_LISTED = """
import json, os
folder = "/usr/local/cuda/lib64"
found = {name: open(os.path.join(folder, name)).read() for name in os.listdir(folder)}
print(json.dumps([os.environ["LD_LIBRARY_PATH"], found]))
"""


@pytest.mark.docker
@pytest.mark.parametrize("builder", ["buildkit", "classic"])
def test_libraries_are_taken_out_of_an_image(daemon: Daemon, image: Path, builder: str) -> None:
    load(daemon, image)
    environment = build(daemon, builder)
    assert isinstance(environment, Environment), environment
    assert not environment.gpu
    assert environment.facts.base.cuda == f"{IMAGE}@{daemon.client.images.get(IMAGE).id}"
    said = daemon.client.containers.run(
        environment.location, ["-c", _LISTED], entrypoint="python", remove=True
    )
    path, found = json.loads(said)
    assert path == "/usr/local/cuda/lib64"
    assert found == {
        "libcudart.so.11.0": FILES[0],
        "libcudart.so.11.2.152": FILES[0],
        "libcublas.so.11": FILES[1],
        "libcublasLt.so.11": FILES[2],
        "libcudnn.so.8": CUDNN[0],
        "libcudnn.so.8.1.1": CUDNN[0],
        "libcudnn_ops_infer.so.8": CUDNN[1],
    }


@pytest.mark.docker
def test_an_image_without_cudnn_is_refused(daemon: Daemon, image: Path) -> None:
    for name in (*CUDNN, f"{SYSTEM}/libcudnn.so.8"):
        (image / name).unlink()
    load(daemon, image)
    failure = build(daemon, "package")
    assert isinstance(failure, CellFailure)
    assert "the CUDA image has no libcudnn" in f"{failure.message}\n{failure.log}"
