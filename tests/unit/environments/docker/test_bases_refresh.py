"""Asking for the digest of every tag, listing what there is, and how both are shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker.errors import APIError, NotFound

from harness.environments.docker.bases import debian, slices
from harness.environments.docker.bases.choose import Bases
from harness.environments.docker.bases.listing import ListedBase, find_bases, list_bases
from harness.environments.docker.bases.pinned import load_bases
from harness.environments.docker.bases.refresh import Refreshed, refresh_bases
from harness.environments.docker.bases.registry import Registry
from harness.errors import BasesError, NoEngineError
from tests.support.bases import NOTHING, FakeImages, daemon, pinned_bases

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
SILENT = APIError("500 Server Error", explanation="dial tcp: no such host")

TEXT = f"""\
schema: 1
python:
  "3.6": python:3.6-slim-bullseye
  "3.10": python:3.10-slim-bookworm@{DIGEST}
  "3.11": python:3.11-slim-bookworm@{OTHER}
cuda:
  - cuda: "11.2"
    cudnn: "8.1"
    images:
      - nvidia/cuda:11.2.2-cudnn8-runtime-ubuntu20.04@{DIGEST}
"""


class Answers(FakeImages):
    """A registry that has some tags."""

    def __init__(self, answers: dict[str, object]) -> None:
        super().__init__(None)
        self.answers = answers

    def answer(self, name: str) -> object:
        return self.answers.get(name, NotFound("manifest unknown"))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bases.yaml"
    path.write_text(TEXT, encoding="utf-8")
    monkeypatch.setenv("HARNESS_BASES", str(path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(slices, "movable_interpreter", lambda python: None)
    monkeypatch.setattr(slices, "provide_interpreter", lambda python: f"no CPython {python} here")
    monkeypatch.setattr(debian.Machine, "this", classmethod(lambda cls: NOTHING))
    return path


def refresh(images: FakeImages, prefix: str = "") -> tuple[Refreshed, ...]:
    return refresh_bases(Registry(daemon(images), prefix), load_bases())


def test_every_tag_is_asked_for_and_the_file_rewritten(file: Path) -> None:
    images = Answers(
        {
            "mirror.example/python:3.6-slim-bullseye": OTHER,
            "mirror.example/python:3.10-slim-bookworm": OTHER,
            "mirror.example/python:3.11-slim-bookworm": OTHER,
        }
    )
    cuda = "nvidia/cuda:11.2.2-cudnn8-runtime-ubuntu20.04"
    assert refresh(images, "mirror.example/") == (
        Refreshed(name="python:3.6-slim-bullseye", old=None, new=OTHER),
        Refreshed(name="python:3.10-slim-bookworm", old=DIGEST, new=OTHER),
        Refreshed(name="python:3.11-slim-bookworm", old=OTHER, new=OTHER),
        Refreshed(
            name=cuda, old=DIGEST, new=None, why=f"the registry has no mirror.example/{cuda}"
        ),
    )
    assert sorted(images.asked) == sorted(
        ["mirror.example/" + image.name for image in load_bases().images]
    )
    assert file.read_text(encoding="utf-8") == TEXT.replace(
        "slim-bullseye", f"slim-bullseye@{OTHER}"
    ).replace(f"3.10-slim-bookworm@{DIGEST}", f"3.10-slim-bookworm@{OTHER}")


def test_a_registry_that_is_silent_is_asked_once_and_nothing_is_written(file: Path) -> None:
    images = FakeImages(SILENT)
    with pytest.raises(NoEngineError) as caught:
        refresh(images)
    assert str(caught.value) == (
        "bases: no registry answers (dial tcp: no such host)\n"
        f"  Nothing was written to {file}. Name a registry that has the images with\n"
        "  HARNESS_BASE_REGISTRY, such as mirror.example/library/, or try again later."
    )
    assert len(images.asked) == 1
    assert file.read_text(encoding="utf-8") == TEXT


def test_a_registry_that_falls_silent_leaves_the_file_as_it_was(file: Path) -> None:
    images = Answers({"python:3.6-slim-bullseye": OTHER, "python:3.11-slim-bookworm": SILENT})
    with pytest.raises(NoEngineError, match="no registry answers"):
        refresh(images)
    assert file.read_text(encoding="utf-8") == TEXT


def test_a_registry_with_none_of_them_is_an_error(file: Path) -> None:
    with pytest.raises(NoEngineError, match="the registry has none of the images"):
        refresh(Answers({}))
    assert file.read_text(encoding="utf-8") == TEXT


def test_a_file_that_cannot_be_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("harness.environments.docker.bases.refresh.write_atomically", refuse)
    with pytest.raises(BasesError) as caught:
        refresh(FakeImages(OTHER))
    assert str(caught.value) == (
        f"{file}: cannot be written: Read-only file system\n"
        "  hint: copy it, and name the copy with HARNESS_BASES"
    )


def test_what_every_entry_comes_to(file: Path) -> None:
    images = Answers(
        {
            f"python:3.10-slim-bookworm@{DIGEST}": DIGEST,
            "python:3.11-slim-bookworm": DIGEST,
        }
    )
    images.local = {"python:3.6-slim": {}}
    cuda = "nvidia/cuda:11.2.2-cudnn8-runtime-ubuntu20.04"
    assert list_bases(Bases(daemon(images), prefix="")) == (
        ListedBase(
            wanted="Python 3.6",
            source="local-image",
            reference="python:3.6-slim",
            digest="sha256:local",
        ),
        ListedBase(
            wanted="Python 3.10",
            source="registry",
            reference="python:3.10-slim-bookworm",
            digest=DIGEST,
        ),
        ListedBase(
            wanted="Python 3.11",
            source="registry",
            reference="python:3.11-slim-bookworm",
            digest=DIGEST,
            remark="the registry no longer has python:3.11-slim-bookworm as it is pinned"
            " (sha256:cdcdcdcdcdcd); taken as it is now (sha256:abababababab)",
        ),
        ListedBase(
            wanted="CUDA 11.2 with cuDNN 8.1",
            remark=f"the registry has no {cuda}; no such image on this machine",
        ),
    )
    assert images.pulled == []


def test_without_a_daemon_there_is_nothing_to_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "harness.environments.docker.bases.listing.find_daemon", lambda: "No such file"
    )
    with pytest.raises(NoEngineError, match=r"no Docker daemon answers \(No such file\)"):
        find_bases("auto")


def test_a_daemon_that_goes_away_while_listing(file: Path) -> None:
    class Gone(FakeImages):
        def get(self, name: str) -> object:
            raise ConnectionResetError(104, "Connection reset by peer")

    bases = Bases(daemon(Gone(SILENT)), prefix="", pinned=pinned_bases({"3.11": "python:3.11"}))
    with pytest.raises(NoEngineError, match="the daemon went away"):
        list_bases(bases)
