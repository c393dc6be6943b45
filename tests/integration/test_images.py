"""Images and mounted environments are what their locks say, for real, with small packages."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import harness
from harness.cell import Cell, Distribution, Resolution
from harness.environments.docker import names
from harness.environments.docker.building import build as image_build
from harness.environments.docker.building import mounted
from harness.environments.docker.building.cli import Cli, find_cli
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.engine import DockerEngine
from harness.environments.engine import CellFailure, Environment, Lock
from harness.environments.options import Options
from harness.observation import Ending
from tests.integration.engine_contract import PYTHON, Probe, make, silent
from tests.support.apart import apart_from_others
from tests.support.require import docker_daemon
from tests.support.servers import Files, package_index, serving, wheel

pytestmark = pytest.mark.docker

MARKER = "marker-of-a-secret"
FILE = "tinything-1.0-py3-none-any.whl"
HEADER = "tensorflow/include/tensorflow/core/public/version.h"
CONTENT = wheel("tinything", "1.0", HEADER, "tensorflow/kept.txt")
LOCK = Lock(
    text=f"tinything==1.0 --hash=sha256:{hashlib.sha256(CONTENT).hexdigest()}\n",
    packages={"tinything": "1.0"},
    digest="0" * 64,
    distribution="tinything",
    installer="uv",
    python=PYTHON,
)

OWN_NETWORK = {name: os.environ.get(name) for name in ("UV_DEFAULT_INDEX", "SSL_CERT_FILE")}
"""How this machine itself reaches an index."""

# What an environment holds, seen by the Python in it.
_SEEN = """
import glob, json, os, site, sys, tinything
packages = site.getsitepackages()[0]
record = glob.glob(os.path.join(packages, "tinything-*", "RECORD"))[0]
try:
    open(os.path.join(packages, "written"), "w")
    raise SystemExit("it can be written")
except OSError:
    pass
save({
    "version": tinything.version,
    "path": sys.path[1:],
    "headers": os.path.exists(os.path.join(packages, "tensorflow/include")),
    "kept": os.path.exists(os.path.join(packages, "tensorflow/kept.txt")),
    "recorded": "tensorflow/include" in open(record).read(),
})
"""


@pytest.fixture(scope="module")
def daemon() -> Daemon:
    return docker_daemon()


@pytest.fixture(scope="module", autouse=True)
def apart(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Names of their own for what the tests make and remove."""
    with apart_from_others(daemon, tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(scope="module", autouse=True)
def index(apart: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """An index on this machine that wants a password, and certificates of the user's own."""
    files = Files(package_index("tinything", CONTENT, FILE), credentials=f"me:{MARKER}")
    certificates = tmp_path_factory.mktemp("network") / "certificates.pem"
    certificates.write_text(f"# {MARKER}\n")
    with serving(files) as port, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificates))
        patch.setenv("UV_HTTP_RETRIES", "0")
        patch.setenv("UV_DEFAULT_INDEX", f"http://me:{MARKER}@127.0.0.1:{port}/simple")
        patch.setattr(image_build, "_PAUSES_SECONDS", (0.0, 0.0))
        patch.setattr(mounted, "_PAUSES_SECONDS", (0.0, 0.0))
        yield files


@pytest.fixture(scope="module")
def engine(daemon: Daemon) -> DockerEngine:
    return DockerEngine(daemon, find_cli())


@pytest.fixture(scope="module")
def explorer(daemon: Daemon) -> DockerEngine:
    """An engine that bakes nothing."""
    return DockerEngine(daemon, Cli(None, "classic"), Options(bake="never"))


def cell(resolution: Resolution = Resolution.TODAY, version: str = "1.0") -> Cell:
    distribution = Distribution(
        name="tinything", version=version, released=datetime(2021, 1, 1, tzinfo=UTC)
    )
    return Cell(tensorflow=version, python=PYTHON, resolution=resolution, distribution=distribution)


def built(engine: DockerEngine, one: Cell, lock: Lock = LOCK) -> Environment:
    made = engine.build(one, lock, silent)
    assert isinstance(made, Environment), made
    return made


def seen(engine: DockerEngine, environment: Environment, folder: Path) -> object:
    folder.mkdir(mode=0o755)
    folder.parent.chmod(0o755)
    probe = Probe(engine, environment, folder)
    outcome = probe(_SEEN)
    assert outcome.ending is Ending.COMPLETED, outcome
    return probe.seen()


def test_cells_with_one_lock_share_one_image(engine: DockerEngine, daemon: Daemon) -> None:
    first = built(engine, cell(Resolution.TODAY))
    other = built(engine, cell(Resolution.AS_RELEASED))
    assert (first.location, other.reused) == (other.location, True)
    assert first.facts.image == other.facts.image
    labels = daemon.client.images.get(first.location).labels
    assert labels[names.ROLE] == "environment"
    assert labels[names.CELL] == f"tf1.0-py{PYTHON}-cpu-today"
    assert labels[names.LOCK] == LOCK.digest
    assert labels[names.VERSION] == harness.__version__
    assert labels[f"{names.ENVIRONMENTS}.base"] == first.facts.base.reference
    assert labels[f"{names.ENVIRONMENTS}.base-digest"] == first.facts.base.digest
    assert "tensorflow/include" in labels[names.LEFT_OUT].split()


def test_a_mounted_environment_sees_what_the_baked_one_sees(
    engine: DockerEngine, explorer: DockerEngine, tmp_path: Path
) -> None:
    baked, first = built(engine, cell()), built(explorer, cell())
    assert (first.facts.builder, first.facts.image, first.reused) == ("mounted", None, False)
    assert first.location == baked.facts.base.reference
    said = seen(engine, baked, tmp_path / "baked")
    assert isinstance(said, dict)
    assert (said["version"], said["headers"], said["kept"], said["recorded"]) == (
        *("1.0", False),
        *(True, True),
    )
    assert seen(explorer, first, tmp_path / "mounted") == said
    again = built(explorer, cell(Resolution.AS_RELEASED))
    assert (again.identity, again.reused) == (first.identity, True)
    assert seen(explorer, again, tmp_path / "again") == said
    assert built(explorer, cell()).mounts == first.mounts


def test_no_secret_stays_in_the_volume(explorer: DockerEngine, daemon: Daemon) -> None:
    made = built(explorer, cell())
    container = daemon.client.containers.create(
        made.location, volumes={names.VOLUME: {"bind": "/volume", "mode": "ro"}}
    )
    try:
        chunks = container.get_archive("/volume")[0]
        content = b"".join(chunks)
    finally:
        container.remove()
    assert b"tinything" in content
    assert MARKER.encode() not in content
    attributes = [daemon.client.volumes.get(names.VOLUME).attrs, made.model_dump()]
    assert MARKER not in json.dumps(attributes, default=str)
    left = daemon.client.containers.list(all=True, filters={"label": f"{names.ROLE}=install"})
    assert left == []


def test_an_image_that_was_changed_is_not_as_locked(engine: DockerEngine, daemon: Daemon) -> None:
    lock = LOCK.model_copy(update={"digest": "1" * 64})
    made = built(engine, cell(), lock)
    image = daemon.client.images.get(made.location)
    script = (
        "import glob, shutil, site; packages = site.getsitepackages()[0]; shutil.move("
        "glob.glob(packages + '/tinything-*')[0], packages + '/tinything-2.0.dist-info')"
    )
    container = daemon.client.containers.create(made.location, ["python", "-c", script])
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0, container.logs()
        repository, _, tag = made.location.rpartition(":")
        container.commit(repository=repository, tag=tag)
    finally:
        container.remove()
    for _ in range(2):  # it is looked at again, since it was not right
        failure = engine.build(cell(), lock, silent)
        assert isinstance(failure, CellFailure)
        assert (failure.type, failure.ending) == ("NotAsLocked", Ending.EXCEPTION)
        assert failure.message == "tinything 2.0 is installed, 1.0 is locked"
        assert failure.packages["tinything"] == "2.0"
    image.tag(repository, tag)
    assert built(engine, cell(), lock).facts.image == made.facts.image


@pytest.mark.parametrize("baked", [True, False])
def test_what_is_installed_is_held_against_the_lock(
    engine: DockerEngine, explorer: DockerEngine, *, baked: bool
) -> None:
    lie = {"packages": {"tinything": "1.0", "other": "3.0"}, "digest": "2" * 64}
    failure = (engine if baked else explorer).build(cell(), LOCK.model_copy(update=lie), silent)
    assert isinstance(failure, CellFailure)
    assert failure.message == "other 3.0 is locked but not installed"


def test_a_network_that_fails_is_infrastructure(explorer: DockerEngine, index: Files) -> None:
    lock = LOCK.model_copy(update={"digest": "3" * 64, "packages": {"tinything": "2.0"}})
    lock = lock.model_copy(update={"text": lock.text.replace("1.0", "2.0")})
    index.credentials, right = "me:another", index.credentials
    try:
        failure = explorer.build(cell(version="2.0"), lock, silent)
    finally:
        index.credentials = right
    assert isinstance(failure, CellFailure)
    assert (failure.ending, failure.type) == (Ending.INFRASTRUCTURE, "IndexUnavailable")
    assert MARKER not in failure.model_dump_json()


def test_an_environment_that_lost_its_volume_is_made_again(
    explorer: DockerEngine, daemon: Daemon, tmp_path: Path
) -> None:
    built(explorer, cell())
    daemon.client.volumes.get(names.VOLUME).remove()
    made = built(explorer, cell())
    assert not made.reused
    seen(explorer, made, tmp_path / "made")


@pytest.mark.tensorflow
def test_tensorflow_computes_in_a_mounted_environment(
    explorer: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in OWN_NETWORK.items():
        if value is None:
            monkeypatch.delenv(variable)
        else:
            monkeypatch.setenv(variable, value)
    released = datetime(2024, 3, 8, tzinfo=UTC)
    release = Distribution(name="tensorflow-cpu", version="2.15.1", released=released)
    one = Cell(tensorflow="2.15.1", python="3.11", distribution=release)
    made = make(explorer, one)
    tmp_path.chmod(0o755)
    probe = Probe(explorer, made, tmp_path)
    outcome = probe(
        """
        import tensorflow as tf
        save([tf.__version__, float(tf.reduce_sum(tf.ones((2, 3))))])
        """,
        memory_bytes=2 * 1024**3,
        timeout_seconds=240,
    )
    assert outcome.ending is Ending.COMPLETED, outcome
    assert probe.seen() == ["2.15.1", 6.0]
