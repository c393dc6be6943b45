"""Images given to a registry and taken from it, with a real daemon and a real registry."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.environments.docker import names
from harness.environments.docker.building import registry as registry_module
from harness.environments.docker.building.cli import Cli
from harness.environments.docker.daemon import Daemon, find_image
from harness.environments.docker.engine import DockerEngine, connect
from harness.environments.engine import Environment
from harness.environments.options import Options
from harness.observation import Ending, Image
from tests.integration.engine_contract import Probe, make, tiny_cell
from tests.support.apart import apart_from_others
from tests.support.registry import dead_address, image_registry
from tests.support.require import docker_daemon

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def daemon() -> Daemon:
    return docker_daemon()


@pytest.fixture(scope="module", autouse=True)
def _apart(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Other names than the harness's own, so that only what these tests made is removed."""
    with (
        pytest.MonkeyPatch.context() as patch,
        apart_from_others(daemon, tmp_path_factory.mktemp("cache")),
    ):
        patch.setattr(registry_module, "_PAUSE_SECONDS", 0.01)
        yield


@pytest.fixture(scope="module")
def registry(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The prefix of a registry that is empty at first."""
    with image_registry(tmp_path_factory.mktemp("registry")) as address:
        yield f"{address}/team/"


def engine(**options: str) -> DockerEngine:
    made = connect(Options(**options))  # type: ignore[arg-type]
    assert isinstance(made, DockerEngine), made
    return made


def image_of(environment: Environment) -> Image:
    assert environment.facts.image is not None
    return environment.facts.image


@pytest.fixture(scope="module")
def pushed(registry: str) -> Environment:
    """The environment of the tiny cell, built here and given to the registry."""
    return make(engine(push=registry), tiny_cell())


@pytest.fixture
def wiped(pushed: Environment, daemon: Daemon) -> Environment:
    """The same, gone from this machine."""
    for name in (pushed.location, image_of(pushed).digest):
        if find_image(daemon, name) is not None:
            daemon.client.images.remove(name)
    assert find_image(daemon, image_of(pushed).digest) is None
    return pushed


def seen_in(made: DockerEngine, environment: Environment, folder: Path) -> object:
    folder.mkdir()
    folder.chmod(0o755)
    probe = Probe(made, environment, folder)
    outcome = probe("import six; save([six.__version__, six.__file__, sys.version])")
    assert outcome.ending is Ending.COMPLETED, outcome
    return probe.seen()


def test_an_image_is_given_by_digest_and_nothing_else_stays(
    pushed: Environment, registry: str, daemon: Daemon
) -> None:
    image = image_of(pushed)
    repository, _, digest = str(image.pushed).partition("@")
    assert repository == f"{registry}{names.ENVIRONMENTS}"
    assert digest.startswith("sha256:")
    assert daemon.client.images.get(image.tag).tags == [image.tag]
    found = daemon.client.images.get_registry_data(f"{registry}{image.tag}")
    assert found.id == digest
    assert pushed.notes == ()


def test_an_image_that_is_there_is_given_too(pushed: Environment, registry: str) -> None:
    said: list[str] = []
    again = engine(push=registry)
    lock = again.lock(tiny_cell(), (), said.append)
    environments = [again.build(tiny_cell(), lock, said.append) for _ in range(2)]  # type: ignore[arg-type]
    for environment in environments:
        assert isinstance(environment, Environment), environment
        assert environment.reused
        assert image_of(environment) == image_of(pushed)
    assert said.count(f"pushing to {registry}") == 1


def test_push_wipe_pull_is_the_same_image(
    registry: str,
    daemon: Daemon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    pushed: Environment = request.getfixturevalue("pushed")
    tmp_path.chmod(0o755)
    before = seen_in(engine(), pushed, tmp_path / "before")
    said = DockerEngine(daemon, Cli(None, "classic")).clean()  # BuildKit's copy of its layers too
    assert find_image(daemon, image_of(pushed).digest) is None, said
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    puller = engine(pull=registry)
    pulled = make(puller, tiny_cell())
    assert pulled.facts.builder == "pulled"
    assert image_of(pulled) == image_of(pushed)
    assert (pulled.identity, pulled.notes, pulled.reused) == (pushed.identity, (), False)
    known = daemon.client.images.get(pulled.location).attrs["RepoDigests"]
    assert [each for each in known if each.startswith(registry)] == []
    assert seen_in(puller, pulled, tmp_path / "after") == before
    # What a later run, with nothing asked of a registry, knows of it.
    later = make(engine(), tiny_cell())
    assert (later.facts, later.reused) == (pulled.facts, True)


def test_what_a_registry_does_not_have_is_built(registry: str, daemon: Daemon) -> None:
    environment = make(engine(pull=registry), tiny_cell("1.15.0"))
    assert environment.facts.builder in {"buildkit", "classic"}
    assert (environment.notes, image_of(environment).pushed) == ((), None)
    daemon.client.images.remove(environment.location)


def changed(daemon: Daemon, image: str, change: str, script: str = "pass") -> str:
    """An image made of another: after `script`, with `change` of its settings."""
    container = daemon.client.containers.create(image, ["python", "-c", script])
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0, container.logs()
        return str(container.commit(changes=change).id)
    finally:
        container.remove(force=True)


def other_lock(daemon: Daemon, tag: str) -> str:
    return changed(daemon, tag, f"LABEL {names.LOCK}=0000")


def other_settings(daemon: Daemon, tag: str) -> str:
    return changed(daemon, tag, "ENV LD_PRELOAD=/tmp/evil.so")


def other_base(daemon: Daemon, tag: str) -> str:
    """All in one layer, with the right labels: not on the base that its label names."""
    container = daemon.client.containers.create(tag)
    labels = daemon.client.images.get(tag).labels
    changes = [f'LABEL {name}="{value}"' for name, value in labels.items()]
    try:
        data = b"".join(container.export())
    finally:
        container.remove()
    answer = daemon.client.api.import_image_from_data(data, changes=changes)
    return answer.rpartition('"sha256:')[2].partition('"')[0]


_OTHER_PACKAGE = """
import glob, shutil
(folder,) = glob.glob("/usr/local/lib/python3*/site-packages/six-1.16.0.dist-info")
text = open(folder + "/METADATA").read().replace("Version: 1.16.0", "Version: 1.15.0")
open(folder + "/METADATA", "w").write(text)
shutil.copytree(folder, folder.replace("1.16.0", "1.15.0"))
shutil.rmtree(folder)
"""


def other_package(daemon: Daemon, tag: str) -> str:
    return changed(daemon, tag, "LABEL a=b", _OTHER_PACKAGE)


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (other_lock, "its label "),
        (other_settings, "it sets the variable 'LD_PRELOAD', which nothing it is made from does"),
        (other_base, "it is not built on "),
        (other_package, "six 1.15.0 is installed, 1.16.0 is locked"),
    ],
)
def test_an_image_that_is_not_what_its_tag_says_is_refused(
    tamper: Callable[[Daemon, str], str],
    why: str,
    registry: str,
    daemon: Daemon,
    request: pytest.FixtureRequest,
) -> None:
    pushed: Environment = request.getfixturevalue("pushed")
    tag = image_of(pushed).tag
    if find_image(daemon, tag) is None:
        make(engine(), tiny_cell())
    tampered = tamper(daemon, tag)
    repository, _, word = tag.rpartition(":")
    prefix = f"{registry}{uuid.uuid4().hex[:8]}/"
    daemon.client.images.get(tampered).tag(f"{prefix}{repository}", word)
    daemon.client.images.push(f"{prefix}{repository}", word)
    daemon.client.images.remove(f"{prefix}{tag}", force=True)
    request.getfixturevalue("wiped")
    if find_image(daemon, tampered) is not None:
        daemon.client.images.remove(tampered)
    environment = make(engine(pull=prefix), tiny_cell())
    assert environment.facts.builder in {"buildkit", "classic"}
    (note,) = environment.notes
    assert note.startswith(f"refused what {prefix}{repository}@sha256:")
    assert why in note
    assert note.endswith("; built here instead")
    assert find_image(daemon, tampered) is None
    assert image_of(environment).pushed is None


def test_a_silent_registry_is_said_and_the_image_built(wiped: Environment, daemon: Daemon) -> None:
    prefix = f"{dead_address()}/"
    environment = make(engine(pull=prefix, push=prefix), tiny_cell())
    assert environment.facts.builder in {"buildkit", "classic"}
    no_image, not_pushed = environment.notes
    assert no_image.startswith(f"{prefix} gave no image (")
    assert "connection refused" in no_image
    assert no_image.endswith("): it was built here")
    assert not_pushed.startswith(f"not pushed to {prefix}: ")
    assert "connection refused" in not_pushed
    image = image_of(environment)
    assert image.pushed is None
    assert daemon.client.images.get(image.tag).tags == [image.tag]
