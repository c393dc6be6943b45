"""What is asked of a registry, what of its answers is believed, and what is said where it fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import docker
import pytest
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from harness.environments.docker import names
from harness.environments.docker.building import registry as registry_module
from harness.environments.docker.building.origin import difference, note_pulled, pulled_from
from harness.environments.docker.building.recipe import Recipe
from harness.environments.docker.building.registry import Answer, Registry
from harness.environments.docker.daemon import Daemon
from harness.environments.engine import CellFailure, Lock
from harness.observation import Base, Ending, Stage

PREFIX = "registry.example/team/"
DIGEST = "sha256:" + "d" * 64
LOCK = Lock(
    text="",
    packages={"tensorflow-cpu": "2.15.1"},
    digest="l1",
    distribution="tensorflow-cpu",
    installer="uv 1",
    python="3.11",
)
BASE = Base(kind="host-slice", reference="base:py3.11", digest="sha256:b")
WANTED = Recipe(
    dockerfile="FROM base:py3.11\nENV SET_HERE=1\n",
    install="",
    left_out=("a", "b"),
    lock=LOCK,
    base=BASE,
)
LABELS = {
    names.ROLE: "environment",
    names.LOCK: "l1",
    names.LEFT_OUT: "a b",
    f"{names.ENVIRONMENTS}.base-digest": "sha256:b",
}
BASE_IMAGE = {"Config": {"Env": ["PATH=/bin"]}, "RootFS": {"Layers": ["one"]}}


def made(**config: object) -> dict[str, Any]:
    """An image as it is when it was built from `WANTED`, with other settings."""
    settings = {"Labels": LABELS, "Env": ["PATH=/bin", "SET_HERE=1"], **config}
    return {"Config": settings, "RootFS": {"Layers": ["one", "two"]}}


class FakeImage:
    def __init__(self, store: FakeImages, identity: str, attrs: dict[str, Any]) -> None:
        self.store, self.id, self.attrs = store, identity, attrs

    def tag(self, repository: str, tag: str) -> bool:
        self.store.here[f"{repository}:{tag}"] = self
        return True

    def reload(self) -> None:
        """Nothing changes by itself."""


class FakeImages:
    """The images of a machine, and what one registry has, by digest."""

    def __init__(self) -> None:
        self.here: dict[str, FakeImage] = {}
        self.there: dict[str, FakeImage] = {}
        self.calls: list[str] = []
        self.trouble: list[Exception] = []
        """Raised, one by one, when the registry is asked for something."""
        self.lines: list[dict[str, Any]] = [{"status": "Waiting"}]
        """What a transfer says, before its end."""

    def get(self, name: str) -> FakeImage:
        for reference, image in self.here.items():
            if name in {reference, image.id}:
                return image
        raise ImageNotFound(f"No such image: {name}")

    def remove(self, name: str) -> None:
        self.calls.append(f"remove {name}")
        del self.here[name]

    def get_registry_data(self, name: str) -> FakeImage:
        self.calls.append(f"ask {name}")
        self._fail()
        repository = name.rpartition(":")[0]
        for reference in self.there:
            if reference.startswith(f"{repository}@"):
                return FakeImage(self, reference.partition("@")[2], {})
        raise NotFound("manifest unknown")

    def pull(self, reference: str, **_: object) -> Iterator[dict[str, Any]]:
        self.calls.append(f"pull {reference}")
        yield from self.lines
        self.here[reference] = self.there[reference]

    def push(self, repository: str, tag: str, **_: object) -> Iterator[dict[str, Any]]:
        self.calls.append(f"push {repository}:{tag}")
        self._fail()
        assert f"{repository}:{tag}" in self.here
        yield from self.lines
        yield {"aux": {"Digest": DIGEST}}

    def _fail(self) -> None:
        if self.trouble:
            raise self.trouble.pop(0)


class FakeClient:
    def __init__(self, images: FakeImages) -> None:
        self.images = self.api = images


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeImages:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(registry_module, "_PAUSE_SECONDS", 0.0)
    images = FakeImages()
    images.here[BASE.reference] = FakeImage(images, "sha256:base", BASE_IMAGE)
    return images


def registry(images: FakeImages, prefix: str | None = PREFIX, *, podman: bool = False) -> Registry:
    client = cast("docker.DockerClient", FakeClient(images))
    daemon = Daemon(
        client=client,
        hasty=client,
        version="1",
        machine="x86_64",
        cpus=2,
        security=(),
        podman=podman,
    )
    return Registry(daemon, prefix, threading.Event())


def sound(_: str) -> CellFailure | None:
    return None


def unsound(_: str) -> CellFailure | None:
    return CellFailure(
        stage=Stage.BUILD, ending=Ending.EXCEPTION, type="NotAsLocked", message="one\ntwo"
    )


def silent(phrase: str) -> None:
    """A progress nobody sees."""


def has(images: FakeImages, attrs: dict[str, Any]) -> str:
    """Put an image into the registry; return the reference by digest."""
    reference = f"{PREFIX}{names.ENVIRONMENTS}@{DIGEST}"
    images.there[reference] = FakeImage(images, "sha256:pulled", attrs)
    return reference


def test_without_a_prefix_nothing_is_asked(images: FakeImages) -> None:
    assert registry(images, None).take(WANTED, sound, silent) == Answer()
    assert registry(images, None).give(WANTED.tag, silent) == Answer()
    assert images.calls == []


def test_an_image_is_pulled_by_digest_and_gets_its_name(images: FakeImages) -> None:
    reference = has(images, made())
    said: list[str] = []
    assert registry(images).take(WANTED, sound, said.append) == Answer(reference)
    assert images.calls == [
        f"ask {PREFIX}{WANTED.tag}",
        f"pull {reference}",
        f"remove {reference}",
    ]
    assert images.here[WANTED.tag].id == "sha256:pulled"
    assert pulled_from(WANTED, "sha256:pulled") == reference
    assert said == [f"asking {PREFIX}", f"pulling from {PREFIX}", "checking what was pulled"]


def test_a_reference_that_was_there_stays(images: FakeImages) -> None:
    reference = has(images, made())
    images.here[reference] = images.there[reference]
    assert registry(images).take(WANTED, sound, silent) == Answer(reference)
    assert reference in images.here


def test_podman_pulls_by_name_and_the_digest_is_read_afterwards(images: FakeImages) -> None:
    name, by_digest = f"{PREFIX}{WANTED.tag}", f"{PREFIX}{names.ENVIRONMENTS}@{DIGEST}"
    images.there[name] = FakeImage(images, "sha256:pulled", made() | {"RepoDigests": [by_digest]})
    assert registry(images, podman=True).take(WANTED, sound, silent) == Answer(by_digest)
    assert images.calls == [f"pull {name}", f"remove {name}"]


def test_podman_says_in_words_that_there_is_none(images: FakeImages) -> None:
    images.lines = [{"error": "reading manifest x in registry.example/y: manifest unknown"}]
    assert registry(images, podman=True).take(WANTED, sound, silent) == Answer()


def test_what_the_registry_does_not_have_is_nothing_to_speak_of(images: FakeImages) -> None:
    assert registry(images).take(WANTED, sound, silent) == Answer()
    assert images.calls == [f"ask {PREFIX}{WANTED.tag}"]


def test_an_image_of_another_content_is_refused_and_removed(images: FakeImages) -> None:
    reference = has(images, made())
    assert registry(images).take(WANTED, unsound, silent) == Answer(
        note=f"refused what {reference} is: one; two; built here instead"
    )
    assert set(images.here) == {BASE.reference}
    assert pulled_from(WANTED, "sha256:pulled") is None


def test_the_content_of_an_image_with_wrong_labels_is_not_looked_at(images: FakeImages) -> None:
    reference = has(images, made(Labels={}))

    def never(_: str) -> CellFailure | None:
        raise AssertionError("a container of it was started")

    answer = registry(images).take(WANTED, never, silent)
    assert answer == Answer(
        note=f"refused what {reference} is: its label {names.ROLE} is missing,"
        " not 'environment'; built here instead"
    )


def test_a_registry_that_fails_twice_is_left_in_peace(images: FakeImages) -> None:
    images.trouble = [APIError("connection refused"), APIError("connection refused")]
    asked = registry(images)
    answers = [asked.take(WANTED, sound, silent) for _ in range(4)]
    note = f"{PREFIX} gave no image (connection refused): it was built here"
    assert answers == [Answer(note=note)] * 4
    assert len(images.calls) == 2


def test_one_failure_is_forgotten_once_it_answers(images: FakeImages) -> None:
    asked = registry(images)
    for _ in range(3):
        images.trouble = [APIError("connection reset")]
        assert asked.take(WANTED, sound, silent).note is not None
        assert asked.take(WANTED, sound, silent) == Answer()


def test_a_transfer_that_fails_names_no_credentials(images: FakeImages) -> None:
    has(images, made())
    images.lines = [{"status": "x"}, {"error": "Get https://me:secret@registry.example/: denied"}]
    note = registry(images).take(WANTED, sound, silent).note
    assert note is not None
    assert "denied" in note
    assert "secret" not in note


def test_an_image_is_given_once(images: FakeImages) -> None:
    images.here[WANTED.tag] = FakeImage(images, "sha256:built", made())
    asked = registry(images)
    given = Answer(f"{PREFIX}{names.ENVIRONMENTS}@{DIGEST}")
    assert [asked.give(WANTED.tag, silent) for _ in range(2)] == [given, given]
    assert images.calls == [f"push {PREFIX}{WANTED.tag}", f"remove {PREFIX}{WANTED.tag}"]
    assert set(images.here) == {BASE.reference, WANTED.tag}


def test_what_podman_calls_a_digest_is_not_taken_for_one(images: FakeImages) -> None:
    images.here[WANTED.tag] = FakeImage(images, "sha256:built", made())
    answer = registry(images, podman=True).give(WANTED.tag, silent)
    assert answer == Answer(f"{PREFIX}{WANTED.tag}")


def test_a_push_that_fails_once_is_made_again(images: FakeImages) -> None:
    images.here[WANTED.tag] = FakeImage(images, "sha256:built", made())
    images.trouble = [DockerException("connection reset")]
    assert registry(images).give(WANTED.tag, silent).reference is not None
    assert [call.split()[0] for call in images.calls] == ["push", "remove", "push", "remove"]


def test_a_push_that_fails_is_said_and_leaves_no_name_behind(images: FakeImages) -> None:
    images.here[WANTED.tag] = FakeImage(images, "sha256:built", made())
    images.lines = [{"error": "denied: requested access to the resource is denied"}]
    asked = registry(images)
    note = f"not pushed to {PREFIX}: denied: requested access to the resource is denied"
    assert [asked.give(WANTED.tag, silent) for _ in range(3)] == [Answer(note=note)] * 3
    assert len(images.calls) == 2 * 4  # two images, two tries, each a push and a remove
    assert set(images.here) == {BASE.reference, WANTED.tag}


def test_a_registry_that_says_nothing_is_given_up(
    images: FakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(images, made())
    done = threading.Event()

    def pull(*_: object, **__: object) -> Iterator[dict[str, Any]]:
        yield {"status": "Downloading"}
        done.wait(60)

    monkeypatch.setattr(images, "pull", pull)
    monkeypatch.setattr(registry_module, "_PATIENCE_SECONDS", 1.0)
    answer = registry(images).take(WANTED, sound, silent)
    done.set()
    assert answer.note == f"{PREFIX} gave no image (nothing came for 1 s): it was built here"


def test_an_image_that_was_built_from_the_recipe_has_no_difference() -> None:
    assert difference(made(), WANTED, BASE_IMAGE) is None
    assert difference(made(), WANTED, None) is None


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ({}, f"its label {names.ROLE} is missing, not 'environment'"),
        (made(Labels=None), f"its label {names.ROLE} is missing, not 'environment'"),
        (
            made(Labels=LABELS | {names.LOCK: "l2"}),
            f"its label {names.LOCK} is 'l2', not 'l1'",
        ),
        (
            made(Labels=LABELS | {names.LOCK: "\x1b[31m" + "x" * 999}),
            f"its label {names.LOCK} is '\\x1b[31m" + "x" * 90 + "…, not 'l1'",
        ),
        (
            made(Labels=LABELS | {f"{names.ENVIRONMENTS}.cuda": "nvidia/cuda"}),
            f"its label {names.ENVIRONMENTS}.cuda is 'nvidia/cuda', not missing",
        ),
        (made() | {"RootFS": {"Layers": ["two"]}}, "it is not built on base:py3.11"),
        (made() | {"RootFS": None}, "it is not built on base:py3.11"),
        (
            made(Volumes={"/x": {}}),
            "its setting Volumes is {'/x': {}}, unlike its base's",
        ),
        (
            made(Env=["PATH=/bin", "LD_PRELOAD=/x"]),
            "it sets the variable 'LD_PRELOAD', which nothing it is made from does",
        ),
        (
            made(Env=["PATH=/elsewhere"]),
            "it sets the variable 'PATH', which nothing it is made from does",
        ),
    ],
)
def test_what_differs_is_said(image: dict[str, Any], said: str) -> None:
    assert difference(image, WANTED, BASE_IMAGE) == said


def test_only_the_image_that_was_pulled_counts_as_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert pulled_from(WANTED, "sha256:i") is None
    note_pulled(WANTED, "sha256:i", "registry.example/x@sha256:d")
    assert pulled_from(WANTED, "sha256:i") == "registry.example/x@sha256:d"
    assert pulled_from(WANTED, "sha256:built here since") is None
    for damaged in ("", "[]", '{"image": "sha256:i"}'):
        (tmp_path / "docker" / "pulled" / f"{WANTED.identity}.json").write_text(damaged)
        assert pulled_from(WANTED, "sha256:i") is None
