"""Bases for real: a registry on this machine, the command line, a suite of Debian's packages."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from harness import cli as command_line
from harness.environments.docker.bases import debian
from harness.environments.docker.bases.choose import Bases
from harness.environments.docker.bases.cuda import CudaImage
from harness.environments.docker.bases.debian_suite import SYSTEM, apt_of_this_machine
from harness.environments.docker.building.cli import Cli, find_cli
from harness.environments.docker.daemon import Daemon, find_image
from harness.environments.docker.engine import DockerEngine
from harness.environments.engine import CellFailure
from harness.environments.options import Options
from harness.observation import Base, Ending
from tests.integration.engine_contract import Probe, make, silent, tiny_cell
from tests.support.apart import apart_from_others
from tests.support.bases import pinned_bases
from tests.support.require import docker_daemon, missing
from tests.support.servers import Files, image_files, serving

pytestmark = pytest.mark.docker

MARKER = "marker-of-a-secret"
TAG = "3.11-slim-bookworm"
CUDA = "11.2.2-cudnn8-runtime-ubuntu20.04"
GONE = "sha256:" + "ab" * 32


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = docker_daemon()
    with apart_from_others(daemon, tmp_path_factory.mktemp("cache")):
        yield daemon


class Registry:
    """A registry of this machine that has a Python and a CUDA, each in one file."""

    def __init__(self, daemon: Daemon, stop: Callable[[], None]) -> None:
        self.stop = stop
        self.files = Files({})
        self.digests: dict[str, str] = {}
        self.prefix = ""
        self._daemon = daemon

    def has(self, repository: str, tag: str) -> str:
        """Make an image anew, so that its tag moves; return its digest."""
        local = f"test-{uuid.uuid4().hex}"
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            entry = tarfile.TarInfo("made-for")
            entry.size = len(local)
            tar.addfile(entry, io.BytesIO(local.encode()))
        images = self._daemon.client.images
        self._daemon.client.api.import_image_from_data(
            content.getvalue(), repository=local, tag="once"
        )
        try:
            answers, digest = image_files(images.get(f"{local}:once"), f"mirror/{repository}", tag)
        finally:
            images.remove(f"{local}:once")
        self.files.content.update(answers)
        self.digests[repository] = digest
        return digest


@pytest.fixture
def registry(daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    if not daemon.shares_cpus:
        pytest.skip("the daemon cannot reach a registry of this test")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with ExitStack() as running:
        registry = Registry(daemon, stop=running.close)
        port = running.enter_context(serving(registry.files))
        registry.prefix = f"127.0.0.1:{port}/mirror/"
        monkeypatch.setenv("HARNESS_BASE_REGISTRY", registry.prefix)
        registry.has("python", TAG)
        registry.has("nvidia/cuda", CUDA)
        yield registry
    for image in daemon.client.images.list():
        for reference in image.attrs["RepoDigests"] or ():
            if reference.startswith(registry.prefix):
                daemon.client.images.remove(reference)


class TestRegistry:
    def test_what_is_pinned_is_pulled_by_its_digest(
        self, daemon: Daemon, registry: Registry
    ) -> None:
        pinned = registry.digests["python"]
        moved = registry.has("python", TAG)
        assert moved != pinned
        bases = Bases(daemon, pinned=pinned_bases({"3.11": f"python:{TAG}@{pinned}"}))
        assert bases.obstacle("3.11") is None
        reference = f"{registry.prefix}python:{TAG}@{pinned}"
        assert find_image(daemon, reference) is None
        found = bases.get("3.11", silent)
        assert found == Base(kind="registry", reference=reference, digest=pinned)
        assert find_image(daemon, reference) is not None
        assert f"/v2/mirror/python/manifests/{TAG}" not in registry.files.asked

    def test_what_is_not_pinned_is_asked_for_once_and_remembered(
        self, daemon: Daemon, registry: Registry
    ) -> None:
        not_pinned = pinned_bases({"3.11": f"python:{TAG}"})
        digest = registry.digests["python"]
        bases = Bases(daemon, pinned=not_pinned)
        assert bases.obstacle("3.11") is None
        asked = len(registry.files.asked)
        assert bases.obstacle("3.11") is None
        assert len(registry.files.asked) == asked
        reference = f"{registry.prefix}python:{TAG}@{digest}"
        found = bases.get("3.11", silent)
        assert found == Base(kind="registry", reference=reference, digest=digest)
        registry.stop()
        later = Bases(daemon, "registry", pinned=not_pinned)
        assert later.get("3.11", silent) == found
        assert "no registry answers" in (later.obstacle("3.12") or "")
        assert "no registry answers" in later.describe()

    def test_a_digest_that_is_gone(self, daemon: Daemon, registry: Registry) -> None:
        now = registry.digests["python"]
        bases = Bases(daemon, pinned=pinned_bases({"3.11": f"python:{TAG}@{GONE}"}))
        said: list[str] = []
        found = bases.get("3.11", said.append)
        assert isinstance(found, Base), found
        assert (found.kind, found.digest) == ("registry", now)
        note = (
            f"the registry no longer has python:{TAG} as it is pinned (sha256:abababababab);"
            f" taken as it is now ({now[:19]})"
        )
        assert found.note == note
        assert said[0] == note
        assert bases.describe().endswith(f"; {note}")

    def test_a_tag_that_is_gone_too(self, daemon: Daemon, registry: Registry) -> None:
        bases = Bases(daemon, "registry", pinned=pinned_bases({"3.11": f"python:3.11-x@{GONE}"}))
        failure = bases.get("3.11", silent)
        assert isinstance(failure, CellFailure)
        assert (failure.ending, failure.type) == (Ending.SKIPPED, "NoBase")
        assert failure.message == (
            f"no base of source registry: the registry has no {registry.prefix}python:3.11-x"
        )

    def test_cuda_comes_from_below_the_same_prefix(
        self, daemon: Daemon, registry: Registry
    ) -> None:
        digest = registry.digests["nvidia/cuda"]
        images = [f"nvidia/cuda:11.2.0-gone@{GONE}", f"nvidia/cuda:{CUDA}@{digest}"]
        pinned = pinned_bases({"3.11": f"python:{TAG}"}, {("11.2", "8.1"): images})
        found = Bases(daemon, pinned=pinned).cuda("11.2", "8.1", "2.9.3", silent)
        reference = f"{registry.prefix}nvidia/cuda:{CUDA}@{digest}"
        assert found == CudaImage(reference=reference, digest=digest)
        assert find_image(daemon, reference) is not None


class TestCommand:
    def test_refresh(
        self,
        registry: Registry,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        file = tmp_path / "bases.yaml"
        text = (
            "# ours\nschema: 1\npython:\n"
            f'  "3.11": python:{TAG}@{GONE}  # the usual one\n'
            '  "3.12": python:3.12-slim-bookworm\n'
            'cuda:\n  - cuda: "11.2"\n    cudnn: "8.1"\n    images:\n'
            f"      - nvidia/cuda:{CUDA}\n"
        )
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv("HARNESS_BASES", str(file))
        monkeypatch.setenv("COLUMNS", "200")
        python, cuda = registry.digests["python"], registry.digests["nvidia/cuda"]
        assert command_line.main(["bases", "--refresh"]) == 0
        assert capsys.readouterr().out == (
            f"python:{TAG}: {GONE} -> {python}\n"
            f"nvidia/cuda:{CUDA}: not pinned -> {cuda}\n\n"
            "Left as they were:\n"
            "- python:3.12-slim-bookworm: the registry has no"
            f" {registry.prefix}python:3.12-slim-bookworm\n\n"
            f"{file}: 2 digests changed, 0 as before, 1 not to be had.\n"
        )
        written = text.replace(GONE, python).replace(f"cuda:{CUDA}", f"cuda:{CUDA}@{cuda}")
        assert file.read_text(encoding="utf-8") == written
        assert command_line.main(["bases", "--base", "registry"]) == 0
        listed = capsys.readouterr().out
        row = ["Python", "3.11", "registry", f"{registry.prefix}python:{TAG}", python[:19]]
        assert row in [line.split() for line in listed.splitlines()]
        assert "- Python 3.12: no base of source registry: the registry has no" in listed

    def test_refresh_where_no_registry_answers(
        self,
        daemon: Daemon,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        file = tmp_path / "bases.yaml"
        text = f'schema: 1\npython: {{"3.11": "python:{TAG}"}}\n'
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv("HARNESS_BASES", str(file))
        # Port 9, "discard", where nothing listens.
        monkeypatch.setenv("HARNESS_BASE_REGISTRY", "127.0.0.1:9/")
        assert command_line.main(["bases", "--refresh"]) == 4
        said = capsys.readouterr().err
        assert said.startswith("error: bases: no registry answers (")
        assert f"Nothing was written to {file}." in said
        assert file.read_text(encoding="utf-8") == text


@pytest.fixture(scope="module")
def debian_base(daemon: Daemon) -> Base:
    """A base of bookworm's own Python, made with settings of apt that nobody else must see."""
    if shutil.which("mmdebstrap", path=SYSTEM) is None:
        missing("mmdebstrap", "mmdebstrap is not installed")
    why = debian.obstacle("3.11", debian.Machine.this(), daemon.machine)
    if why is not None:
        missing("mmdebstrap", why)
    apt = apt_of_this_machine()
    secret = f'Acquire::http::User-Agent "{MARKER}";'
    with pytest.MonkeyPatch.context() as patch:
        told = replace(apt, settings=(*apt.settings, secret))
        patch.setattr(debian, "apt_of_this_machine", lambda: told)
        made = Bases(daemon, "debian").get("3.11", silent)
    assert isinstance(made, Base), made
    return made


class TestDebian:
    def test_it_is_made_once(self, daemon: Daemon, debian_base: Base) -> None:
        said: list[str] = []
        assert Bases(daemon, "debian").get("3.11", said.append) == debian_base
        assert said == []
        assert debian_base.kind == "debian"
        short = (debian_base.digest or "").removeprefix("sha256:")[:12]
        assert debian_base.reference.endswith(f"-base:py3.11-debian-{short}")

    def test_nothing_of_this_machine_is_in_it(self, daemon: Daemon, debian_base: Base) -> None:
        image = daemon.client.images.get(debian_base.reference)
        layers = b"".join(image.save())
        assert b"Package: libstdc++6" in layers  # the search finds what is there
        assert MARKER.encode() not in layers
        assert MARKER not in json.dumps([image.history(), image.attrs])

    @pytest.mark.parametrize("builder", ["buildkit", "package"])
    def test_packages_are_installed_into_it(
        self, daemon: Daemon, debian_base: Base, builder: str, tmp_path: Path
    ) -> None:
        cli = find_cli() if builder == "buildkit" else Cli(None, "classic")
        if builder == "buildkit" and cli.builder != "buildkit":
            missing("buildkit", "no docker on the path builds with buildkit")
        engine = DockerEngine(daemon, cli, Options(base="debian"))
        environment = make(engine, tiny_cell(python="3.11"))
        assert environment.facts.base == debian_base
        tmp_path.chmod(0o755)  # a container's user is not ours
        run = Probe(engine, environment, tmp_path)
        outcome = run(
            "import ctypes, distutils, ssl, sqlite3, sys, six;"
            "ctypes.CDLL('libstdc++.so.6'); ctypes.CDLL('libgomp.so.1');"
            "save([sys.executable, sys.version[:4], six.__file__, six.__cached__])"
        )
        folder = "/usr/local/lib/python3.11/dist-packages"
        assert outcome.ending is Ending.COMPLETED, outcome
        assert run.seen() == [
            "/usr/local/bin/python",
            "3.11",
            f"{folder}/six.py",
            f"{folder}/__pycache__/six.cpython-311.pyc",
        ]
