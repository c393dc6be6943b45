"""The Docker engine, for real: a daemon, images built with every builder there is, containers."""

from __future__ import annotations

import gc
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from docker.transport.unixconn import UnixHTTPConnection

from harness.cell import Cell, Device, Distribution, Resolution
from harness.environments.docker import names
from harness.environments.docker.bases.archive import write_archive
from harness.environments.docker.bases.choose import Bases, movable_interpreter
from harness.environments.docker.bases.host_slice import EPOCH, make_root
from harness.environments.docker.building import build as image_build
from harness.environments.docker.building.cli import Cli, find_cli
from harness.environments.docker.daemon import Daemon
from harness.environments.docker.engine import DockerEngine, connect
from harness.environments.engine import CellFailure, Engine, Environment, Lock
from harness.environments.gpu import gpu_names
from harness.environments.owner import LABEL
from harness.observation import Base, Ending
from tests.integration.engine_contract import (
    MEGABYTE,
    PYTHON,
    EngineContract,
    Probe,
    silent,
    tiny_cell,
)
from tests.support.apart import apart_from_others
from tests.support.require import docker_daemon, missing
from tests.support.servers import (
    Files,
    image_files,
    package_index,
    serving,
    socket_proxy,
    wheel,
)

pytestmark = pytest.mark.docker

MARKER = "marker-of-a-secret"
BUILDERS = ("buildkit", "classic", "package")
SOCKET = "/var/run/docker.sock"


@pytest.fixture(scope="session")
def daemon() -> Daemon:
    return docker_daemon()


def cli(builder: str) -> Cli:
    """A command line of this machine that builds with `builder`."""
    if builder == "package":
        return Cli(None, "classic")
    for folder in os.environ["PATH"].split(os.pathsep):
        program = shutil.which("docker", path=folder)
        found = find_cli({**os.environ, "HARNESS_DOCKER_CLI": program}) if program else None
        if found is not None and found.program is not None:
            if builder == "classic":
                return Cli(found.program, "classic")
            if found.builder == "buildkit":
                return found
    return missing(builder, f"no docker on the path builds with {builder}")


def connect_or_close(self: UnixHTTPConnection) -> None:
    """Connect as the docker package does, but leave no socket behind where that fails."""
    self.sock = socket.socket(socket.AF_UNIX)
    self.sock.settimeout(self.timeout)
    try:
        self.sock.connect(self.unix_socket)
    except OSError:
        self.sock.close()
        raise


@pytest.fixture(params=BUILDERS)
def each_builder(request: pytest.FixtureRequest, daemon: Daemon) -> DockerEngine:
    return DockerEngine(daemon, cli(request.param))


@pytest.fixture(scope="class")
def apart(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Names of their own for what the tests make and remove."""
    with apart_from_others(daemon, tmp_path_factory.mktemp("cache")):
        yield


class TestDockerEngine(EngineContract):
    KILLED_ITS_PARENT = Ending.SIGNAL

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _needs_a_daemon(cls, daemon: Daemon) -> None:
        """Skips the class, or fails it, where there is none."""

    @classmethod
    def new_engine(cls) -> Engine:
        engine = connect()
        assert isinstance(engine, DockerEngine), engine
        return engine

    def test_it_says_how_it_isolates(self, engine: Engine) -> None:
        assert engine.describe().endswith(
            "; sandbox: no network, read-only, not root, no capabilities"
        )

    def test_a_run_is_locked_in(self, probe: Probe) -> None:
        outcome = probe(
            """
            import socket
            library = os.path.dirname(os.__file__)
            def tried(action):
                try:
                    action()
                except OSError as error:
                    return type(error).__name__
                return "worked"
            with open("/proc/self/status") as stream:
                status = dict(line.split(":", 1) for line in stream)
            save({
                "interfaces": [name for _, name in socket.if_nameindex()],
                "lookup": tried(lambda: socket.getaddrinfo("pypi.org", 443)),
                "network": tried(lambda: socket.create_connection(("1.1.1.1", 53), 2)),
                "root": tried(lambda: open("/written", "w")),
                "packages": tried(lambda: open(os.path.join(library, "x"), "w")),
                "model": tried(lambda: open(os.path.join(REQUEST["model"], "x"), "w")),
                "probe": tried(lambda: open(os.path.join(os.path.dirname(sys.argv[0]), "x"), "w")),
                "files": tried(lambda: open(REQUEST["inputs"], "w")),
                "beside": tried(lambda: open(OUT + ".x", "w")),
                "uid": os.getuid(),
                "capabilities": status["CapEff"].strip(),
                "no new privileges": status["NoNewPrivs"].strip(),
                "first process": open("/proc/1/comm").read().strip(),
            })
            """
        )
        assert outcome.ending is Ending.COMPLETED, outcome
        seen = probe.seen()
        assert isinstance(seen, dict)
        assert seen.pop("uid") == (os.getuid() or 65534)
        assert seen.pop("network") in {"OSError", "TimeoutError"}
        assert seen.pop("first process") == "python"
        read_only = {"root", "packages", "model", "probe", "files", "beside"}
        assert {seen.pop(place) for place in read_only} <= {"OSError", "PermissionError"}
        assert seen == {
            "interfaces": ["lo"],
            "lookup": "gaierror",
            "capabilities": "0000000000000000",
            "no new privileges": "1",
        }

    def test_the_probe_is_out_of_reach_of_what_it_runs(self, probe: Probe) -> None:
        outcomes = probe.many(
            {
                "looks": """
                    def tried(action):
                        try:
                            action()
                        except OSError as error:
                            return type(error).__name__
                        return "worked"
                    os.kill(1, signal.SIGKILL)
                    os.kill(1, signal.SIGSTOP)
                    os.kill(os.getppid(), signal.SIGSTOP)
                    save([
                        tried(lambda: open(f"/proc/{process}/{file}", mode))
                        for process in (1, os.getppid())
                        for file, mode in (("mem", "r+b"), ("environ", "r"), ("fd/1", "w"))
                    ])
                    """,
                "kills": "os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)",
                "after": "save(1)",
            }
        )
        assert [outcome.ending for outcome in outcomes] == [
            *(Ending.COMPLETED, Ending.SIGNAL, Ending.COMPLETED)
        ]
        assert probe.seen("looks") == ["PermissionError"] * 6
        assert outcomes[1].message == "it killed the process that had started it"

    def test_files_only_this_user_can_read_are_seen(self, probe: Probe) -> None:
        (probe.model / "model.txt").chmod(0o600)
        probe.inputs.chmod(0o600)
        probe.model.chmod(0o700)
        outcome = probe(
            """
            with open(os.path.join(REQUEST["model"], "model.txt")) as model:
                with open(REQUEST["inputs"]) as inputs:
                    save([model.read(), inputs.read(), REQUEST["model"]])
            """
        )
        assert outcome.ending is Ending.COMPLETED, outcome
        assert probe.seen() == ["a model", "some inputs", "/models/only"]

    def test_a_model_that_is_gone_is_no_failure_of_the_model(
        self, probe: Probe, tmp_path: Path
    ) -> None:
        probe.model = tmp_path / "gone"
        outcome = probe("save(1)")
        assert outcome.ending is Ending.INFRASTRUCTURE
        assert "gone" in outcome.message

    def test_a_child_out_of_memory_is_said(self, probe: Probe) -> None:
        outcome = probe(
            """
            subprocess.call([sys.executable, "-c", "x = bytearray(2**30)"])
            save("went on")
            """,
            memory_bytes=128 * MEGABYTE,
        )
        assert (outcome.ending, probe.seen()) == (Ending.COMPLETED, "went on")
        assert outcome.message == "a process that the probe started was killed for want of memory"

    def test_a_run_is_on_as_many_cpus_as_it_may_use(self, probe: Probe, daemon: Daemon) -> None:
        if not daemon.shares_cpus:
            pytest.skip("the daemon runs on other CPUs")
        probe("save(len(os.sched_getaffinity(0)))")
        assert probe.seen() == 1

    def test_no_container_is_left(self, probe: Probe, daemon: Daemon) -> None:
        probe("pass")
        probe("time.sleep(60)", timeout_seconds=1)
        left = daemon.client.containers.list(
            all=True, filters={"label": f"{names.CELL}=tf1.16.0-cpu"}
        )
        assert left == []

    # The docker package forgets to close a connection that the other side has closed.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_a_daemon_that_goes_away_is_infrastructure(
        self,
        environment: Environment,
        daemon: Daemon,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if not Path(SOCKET).exists() or "DOCKER_HOST" in os.environ:
            pytest.skip("the daemon does not listen where this test can stand between")
        monkeypatch.setattr(UnixHTTPConnection, "connect", connect_or_close)
        stand_in = tmp_path / "d.sock"
        with socket_proxy(stand_in, SOCKET) as proxy:
            monkeypatch.setenv("DOCKER_HOST", f"unix://{stand_in}")
            tmp_path.chmod(0o755)
            probe = Probe(self.new_engine(), environment, tmp_path)

            def cut_when_it_runs() -> None:
                while not (probe.out / "only" / "seen.json").exists():
                    time.sleep(0.05)
                proxy.cut()

            thread = threading.Thread(target=cut_when_it_runs)
            thread.start()
            outcome = probe("save(1); time.sleep(600)", timeout_seconds=120)
            thread.join()
            assert outcome.ending is Ending.INFRASTRUCTURE
            assert probe("save(2)").ending is Ending.INFRASTRUCTURE
            said = probe._engine.remove_leftovers()
            assert said[0].startswith("could not look for leftovers: ")
        for container in daemon.client.containers.list(
            filters={"label": f"{names.SWEEP}=contract"}
        ):
            container.remove(force=True)
        gc.collect()

    def test_a_killed_harness_leaves_nothing_for_ever(
        self, engine: Engine, environment: Environment, daemon: Daemon, tmp_path: Path
    ) -> None:
        tmp_path.chmod(0o755)
        harness = subprocess.Popen(
            [sys.executable, "-c", _DOOMED, environment.model_dump_json(), tmp_path],
            cwd=Path(__file__).parents[2],
        )
        started = tmp_path / "other" / "out" / "only" / "seen.json"
        while not started.exists():
            assert harness.poll() is None
            time.sleep(0.05)
        harness.send_signal(signal.SIGKILL)
        harness.wait()
        removed = engine.remove_leftovers()
        assert sum(line.startswith("removed container ") for line in removed) == 1
        assert any(LABEL in line for line in removed if line.startswith("removed /"))
        assert engine.remove_leftovers() == ()

    @pytest.mark.skipif(bool(gpu_names()), reason="this machine has a GPU")
    def test_without_a_gpu_nothing_is_built_for_one(self, engine: Engine) -> None:
        lock = engine.lock(tiny_cell(), (), silent)
        assert isinstance(lock, Lock)
        failure = engine.build(tiny_cell(device=Device.CUDA), lock, silent)
        assert isinstance(failure, CellFailure)
        assert (failure.ending, failure.type) == (Ending.SKIPPED, "NoGPU")


# Runs a probe that never ends, and is killed while it does.
_DOOMED = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from harness.environments.docker.engine import connect
    from harness.environments.engine import Environment
    from tests.integration.engine_contract import Probe
    environment = Environment.model_validate_json(sys.argv[1])
    folder = Path(sys.argv[2]) / "other"
    folder.mkdir()
    probe = Probe(connect(), environment, folder)
    probe("save(1); time.sleep(600)", timeout_seconds=600)
    """
)


# What TensorFlow and its dependencies import of the standard library's native code.
_COMPLETE = """
import bz2, ctypes, hashlib, lzma, platform, pwd, os, socket, sqlite3, ssl, sys, uuid, zlib
assert ssl.create_default_context() and hashlib.sha256(b"") and zlib.compress(b"")
assert ctypes.CDLL("libstdc++.so.6") and ctypes.CDLL("libgomp.so.1")
assert os.path.exists(sqlite3.__spec__.cached), "no bytecode"
print(platform.python_version(), sys.prefix, pwd.getpwuid(os.getuid()).pw_name, "ä", sep="\\n")
"""


def thing_cell() -> Cell:
    """A cell whose TensorFlow is a package of the test's own index, which has no dates."""
    distribution = Distribution(
        name="tinything", version="1.0", released=datetime(2021, 1, 1, tzinfo=UTC)
    )
    return Cell(
        tensorflow="1.0", python=PYTHON, resolution=Resolution.TODAY, distribution=distribution
    )


def thing_lock(content: bytes) -> Lock:
    digest = hashlib.sha256(content).hexdigest()
    return Lock(
        text=f"tinything==1.0 --hash=sha256:{digest}\n",
        packages={"tinything": "1.0"},
        digest=uuid.uuid4().hex,  # each test has an image of its own
        distribution="tinything",
        installer="uv",
        python=PYTHON,
    )


@pytest.fixture
def secret_network(apart: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """An index on this machine that wants a password, and certificates of the user's own."""
    content = wheel("tinything")
    files = Files(
        package_index("tinything", content, "tinything-1.0-py3-none-any.whl"),
        credentials=f"me:{MARKER}",
    )
    certificates = tmp_path / "certificates.pem"
    certificates.write_text(f"# {MARKER}\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))
    monkeypatch.setattr(image_build, "_PAUSES_SECONDS", (0.0, 0.0))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with serving(files) as port:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://me:{MARKER}@127.0.0.1:{port}/simple")
        yield files


def saved(daemon: Daemon, reference: str) -> Iterator[bytes]:
    """Everything an image is made of: every file of every layer, its history, its settings."""
    image = daemon.client.images.get(reference)
    yield json.dumps([image.history(), image.attrs]).encode()
    with tarfile.open(fileobj=io.BytesIO(b"".join(image.save()))) as archive:
        for entry in archive:
            stream = archive.extractfile(entry)
            if stream is not None:
                data = stream.read()
                yield gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


@pytest.mark.usefixtures("apart")
class TestBuilding:
    def test_no_secret_is_in_an_image(
        self, each_builder: DockerEngine, secret_network: Files, daemon: Daemon, tmp_path: Path
    ) -> None:
        content = secret_network.content["/files/tinything-1.0-py3-none-any.whl"][1]
        said: list[str] = []
        environment = each_builder.build(thing_cell(), thing_lock(content), said.append)
        assert isinstance(environment, Environment), environment
        assert any("tinything" in path for path in secret_network.asked)
        everything = b"".join(saved(daemon, environment.location))
        assert b"version = '1.0'" in everything  # the search finds what is there
        assert MARKER.encode() not in everything
        assert MARKER not in environment.model_dump_json()
        assert "installing packages" in said
        stages = daemon.client.images.list(filters={"label": f"{names.ROLE}=stage"}, all=True)
        assert stages == []
        outcome = self.probe(each_builder, environment, tmp_path)(
            "import tinything; save([tinything.version, tinything.__cached__,"
            " os.listdir('/run'), os.listdir('/tmp')])"
        )
        assert outcome.ending is Ending.COMPLETED, outcome
        version, cached, run, temporary = json.loads((tmp_path / "out/only/seen.json").read_text())
        assert (version, temporary) == ("1.0", [])
        assert cached.startswith("/usr/local/lib/")
        assert set(run) <= {"lock", names.FOLDER.rpartition("/")[2]}

    @staticmethod
    def probe(engine: Engine, environment: Environment, folder: Path) -> Probe:
        folder.chmod(0o755)
        return Probe(engine, environment, folder)

    @pytest.mark.parametrize("python", ["3.6", "3.9", "3.13"])
    def test_an_interpreter_of_this_machine_becomes_a_base(
        self, daemon: Daemon, python: str, tmp_path: Path
    ) -> None:
        interpreter = movable_interpreter(python)
        if interpreter is None:
            missing(f"python{python}", f"no CPython {python} on this machine that can be moved")
        base = Bases(daemon, prefix="registry.invalid/").get(python, silent)
        assert isinstance(base, Base), base
        assert base.kind == "host-slice"
        output = daemon.client.containers.run(
            base.reference,
            ["python3", "-c", _COMPLETE],
            network_mode="none",
            read_only=True,
            remove=True,
            user="65534:65534",
        )
        assert output.decode().splitlines() == [interpreter.version, "/usr/local", "nobody", "ä"]
        assert Bases(daemon, prefix="registry.invalid/").get(python, silent) == base
        (tmp_path / "root").mkdir()
        make_root(interpreter, tmp_path / "root")
        again = write_archive(tmp_path / "root", tmp_path / "again.tar", mtime=EPOCH)
        assert base.digest == f"sha256:{again}"

    def test_another_builder_of_the_same_image_finds_it(
        self, each_builder: DockerEngine, secret_network: Files, daemon: Daemon
    ) -> None:
        content = secret_network.content["/files/tinything-1.0-py3-none-any.whl"][1]
        lock = thing_lock(content)
        first = each_builder.build(thing_cell(), lock, silent)
        other = DockerEngine(daemon, each_builder._cli)
        again = other.build(thing_cell(), lock, silent)
        assert isinstance(first, Environment), first
        assert isinstance(again, Environment), again
        assert (first.reused, again.reused, again.build_seconds) == (False, True, 0)
        assert first.facts == again.facts

    def test_of_many_builders_of_one_image_one_works(
        self, each_builder: DockerEngine, secret_network: Files
    ) -> None:
        content = secret_network.content["/files/tinything-1.0-py3-none-any.whl"][1]
        locks = [thing_lock(content), thing_lock(content)] * 2
        built: list[Environment | CellFailure] = []

        def build(lock: Lock) -> None:
            built.append(each_builder.build(thing_cell(), lock, silent))

        threads = [threading.Thread(target=build, args=(lock,)) for lock in locks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        environments = [one for one in built if isinstance(one, Environment)]
        assert sorted(one.reused for one in environments) == [False, False, True, True], built
        assert len({one.location for one in environments}) == 2

    @pytest.mark.parametrize(
        ("broken", "kind"),
        [
            ("password", "IndexUnavailable"),
            ("file", "IndexUnavailable"),
            ("hash", "DamagedDownload"),
        ],
    )
    def test_a_network_that_fails_is_infrastructure(
        self, each_builder: DockerEngine, secret_network: Files, broken: str, kind: str
    ) -> None:
        path = "/files/tinything-1.0-py3-none-any.whl"
        lock = thing_lock(secret_network.content[path][1])
        match broken:
            case "password":
                secret_network.credentials = "me:another"
            case "file":
                del secret_network.content[path]
            case "hash":
                secret_network.content[path] = ("application/octet-stream", wheel("tinything", "2"))
        failure = each_builder.build(thing_cell(), lock, silent)
        assert isinstance(failure, CellFailure)
        assert (failure.ending, failure.type) == (Ending.INFRASTRUCTURE, kind), failure.log
        assert MARKER not in failure.model_dump_json()
        stages = each_builder._daemon.client.images.list(
            filters={"label": f"{names.ROLE}=stage"}, all=True
        )
        assert stages == []

    def test_a_package_that_cannot_be_built_is_the_cells_own(
        self, each_builder: DockerEngine, secret_network: Files
    ) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, text in {
                "pyproject.toml": "[build-system]\nrequires = []\n"
                "build-backend = 'broken'\nbackend-path = ['.']\n",
                "broken.py": "raise SystemExit('it needs a compiler')\n",
                "PKG-INFO": "Metadata-Version: 1.0\nName: tinything\nVersion: 1.0\n",
            }.items():
                entry = tarfile.TarInfo(f"tinything-1.0/{name}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        secret_network.content |= package_index(
            "tinything", buffer.getvalue(), "tinything-1.0.tar.gz"
        )
        failure = each_builder.build(thing_cell(), thing_lock(buffer.getvalue()), silent)
        assert isinstance(failure, CellFailure)
        assert (failure.ending, failure.type) == (Ending.EXCEPTION, "BuildFailed"), failure.log
        assert "it needs a compiler" in failure.message

    def test_a_build_can_be_stopped(
        self, each_builder: DockerEngine, secret_network: Files
    ) -> None:
        lock = thing_lock(secret_network.content["/files/tinything-1.0-py3-none-any.whl"][1])
        silence = threading.Event()
        held = secret_network.content

        class Slow(dict[str, tuple[str, bytes]]):
            def get(self, key: str, default: object = None) -> tuple[str, bytes]:  # type: ignore[override]
                silence.wait(60)
                return held.get(key, ("", b""))

        secret_network.content = Slow(held)
        before = len(secret_network.asked)

        def stop_when_it_waits() -> None:
            while len(secret_network.asked) == before:
                time.sleep(0.05)
            each_builder.stop()

        thread = threading.Thread(target=stop_when_it_waits)
        thread.start()
        started = time.monotonic()
        failure = each_builder.build(thing_cell(), lock, silent)
        silence.set()
        thread.join()
        assert isinstance(failure, CellFailure)
        assert (failure.ending, failure.type) == (Ending.INFRASTRUCTURE, "Stopped")
        assert time.monotonic() - started < 50
        assert isinstance(each_builder.build(thing_cell(), lock, silent), CellFailure)

    def test_cleaning_removes_what_was_made_and_nothing_else(
        self, each_builder: DockerEngine, secret_network: Files, daemon: Daemon
    ) -> None:
        content = secret_network.content["/files/tinything-1.0-py3-none-any.whl"][1]
        environment = each_builder.build(thing_cell(), thing_lock(content), silent)
        assert isinstance(environment, Environment), environment
        theirs = f"someone-elses-{os.getpid()}"
        empty = io.BytesIO()
        tarfile.open(fileobj=empty, mode="w").close()
        daemon.client.api.import_image_from_data(empty.getvalue(), repository=theirs, tag="none")
        container = daemon.client.containers.create(environment.location, ["true"])
        container.commit(repository=theirs, tag="built-on-ours")
        container.remove()
        made = {
            tag
            for image in daemon.client.images.list(filters={"label": names.ROLE})
            for tag in image.tags
            if not tag.startswith(theirs)
        }
        assert any(tag.startswith(f"{names.BASES}:") for tag in made)
        assert any(tag.startswith(f"{names.INSTALLERS}:") for tag in made)
        try:
            said = each_builder.clean()
            assert {f"removed image {tag}" for tag in made} <= {
                line.split(" (")[0] for line in said
            }
            assert {tag for image in daemon.client.images.list(theirs) for tag in image.tags} == {
                f"{theirs}:none",
                f"{theirs}:built-on-ours",
            }
            records = daemon.client.api.df()["BuildCache"] or []
            assert not [record for record in records if names.FOLDER in record["Description"]]
            assert each_builder.clean() == ()
        finally:
            for tag in ("none", "built-on-ours"):
                daemon.client.images.remove(f"{theirs}:{tag}")

    def test_a_base_from_a_registry_is_pinned_by_digest(
        self,
        each_builder: DockerEngine,
        secret_network: Files,
        daemon: Daemon,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if not daemon.shares_cpus:
            pytest.skip("the daemon cannot reach a registry of this test")
        bases = tmp_path / "bases.yaml"
        bases.write_text(f'schema: 1\npython: {{"{PYTHON}": "python:{PYTHON}-slim"}}\n')
        monkeypatch.setenv("HARNESS_BASES", str(bases))
        content = secret_network.content["/files/tinything-1.0-py3-none-any.whl"][1]
        lock = thing_lock(content)
        made = each_builder.build(thing_cell(), lock, silent)
        assert isinstance(made, Environment), made
        answers, digest = image_files(
            daemon.client.images.get(made.facts.base.reference), "library/python", f"{PYTHON}-slim"
        )
        registry = Files(answers)
        with serving(registry) as port:
            prefix = f"127.0.0.1:{port}/library/"
            monkeypatch.setenv("HARNESS_BASE_REGISTRY", prefix)
            engine = DockerEngine(daemon, each_builder._cli)
            assert f"bases {prefix}python:X.Y-slim from a registry, by digest" in engine.describe()
            assert engine.unobtainable(frozenset({PYTHON})) == {}
            environment = engine.build(thing_cell(), lock, silent)
            assert isinstance(environment, Environment), environment
            assert environment.facts.base.kind == "registry"
            assert environment.facts.base.digest == digest
            assert environment.facts.base.reference == f"{prefix}python:{PYTHON}-slim@{digest}"
            assert environment.identity != made.identity
            assert f"/v2/library/python/manifests/{digest}" in registry.asked
            absent = engine.unobtainable(frozenset({"3.5"}))["3.5"]
            assert absent.startswith(f"the registry has no {prefix}python:3.5-slim; ")
        said = engine.clean()
        left = [line for line in said if line.startswith("left ")]
        assert left == [
            f"left {environment.facts.base.reference}: pulled from a registry, others may use it"
        ]
        daemon.client.images.remove(f"{prefix}python@{digest}")
