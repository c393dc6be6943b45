"""Which image CUDA and cuDNN are taken from."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from docker.errors import APIError, NotFound

from harness.environments.docker.bases.choose import Bases
from harness.environments.docker.bases.cuda import CudaImage
from harness.environments.engine import CellFailure
from harness.environments.options import BaseSource
from harness.observation import Ending
from tests.support.bases import FakeImages, daemon, pinned_bases

DIGEST = "sha256:" + "ab" * 32
SILENT = APIError("500 Server Error", explanation="dial tcp: no such host")
NVIDIA = "nvidia/cuda:11.2.2-cudnn8-runtime-ubuntu20.04"
OLDER = "tensorflow/tensorflow:2.5.3-gpu"
NEWER = "tensorflow/tensorflow:2.9.1-gpu"
PINNED = pinned_bases(
    {"3.11": "python:3.11-slim"}, {("11.2", "8.1"): [f"{NVIDIA}@{DIGEST}", OLDER, NEWER]}
)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


class Has(FakeImages):
    """A registry that has only these references."""

    def __init__(self, *names: str) -> None:
        super().__init__(None)
        self.names = names

    def answer(self, name: str) -> object:
        return DIGEST if name in self.names else NotFound("manifest unknown")


def cuda(
    images: FakeImages, wanted: BaseSource = "auto", *, tensorflow: str = "2.9.1", prefix: str = ""
) -> CudaImage | CellFailure:
    bases = Bases(daemon(images), wanted, prefix=prefix, pinned=PINNED)
    return bases.cuda("11.2", "8.1", tensorflow, lambda phrase: None)


def test_nvidias_image_comes_first_by_its_digest() -> None:
    images = Has(f"{NVIDIA}@{DIGEST}", OLDER, NEWER)
    assert cuda(images) == CudaImage(reference=f"{NVIDIA}@{DIGEST}", digest=DIGEST)
    assert images.pulled == [f"nvidia/cuda@{DIGEST}"]


def test_where_nvidia_has_removed_it_the_releases_own_is_taken() -> None:
    images = Has(OLDER, NEWER)
    assert cuda(images) == CudaImage(reference=f"{NEWER}@{DIGEST}", digest=DIGEST)
    assert images.asked == [f"{NVIDIA}@{DIGEST}", NVIDIA, NEWER]


def test_another_release_of_the_pair_serves_too() -> None:
    found = cuda(Has(OLDER, NEWER), tensorflow="2.8.4")
    assert found == CudaImage(reference=f"{OLDER}@{DIGEST}", digest=DIGEST)


def test_a_mirror_has_it_below_its_prefix() -> None:
    found = cuda(Has(f"mirror.example/hub/{OLDER}"), prefix="mirror.example/hub/")
    assert found == CudaImage(reference=f"mirror.example/hub/{OLDER}@{DIGEST}", digest=DIGEST)


def test_an_image_of_this_machine_where_no_registry_answers() -> None:
    images = FakeImages(SILENT, {NEWER: {}})
    assert cuda(images) == CudaImage(reference=NEWER, digest="sha256:local", kind="local-image")
    assert len(images.asked) == 1


def test_where_bases_are_made_here_cuda_still_comes_from_elsewhere() -> None:
    found = cuda(FakeImages(DIGEST), "host-slice")
    assert found == CudaImage(reference=f"{NVIDIA}@{DIGEST}", digest=DIGEST)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("registry", "no registry answers (dial tcp: no such host)"),
        ("local-image", "no such image on this machine"),
        (
            "auto",
            "no registry answers (dial tcp: no such host); no such image on this machine",
        ),
    ],
)
def test_without_any_the_cell_is_skipped_and_it_is_said_what_to_do(
    wanted: BaseSource, why: str
) -> None:
    local = {NEWER: {}} if wanted == "registry" else {}
    found = cuda(FakeImages(SILENT, local), wanted)
    assert isinstance(found, CellFailure)
    assert (found.ending, found.type) == (Ending.SKIPPED, "NoCudaBase")
    assert found.message == (
        "TensorFlow 2.9.1 takes CUDA 11.2 and cuDNN 8.1 from the system, and no image with them is"
        f" to be had: {why}. Give Docker {NVIDIA} or {NEWER} or {OLDER}, or name a registry that"
        " has it with HARNESS_BASE_REGISTRY"
    )


def test_a_pair_that_the_file_does_not_know() -> None:
    bases = Bases(daemon(FakeImages(DIGEST)), prefix="", pinned=PINNED)
    found = bases.cuda("12.9", "9.9", "2.9.1", lambda phrase: None)
    assert isinstance(found, CellFailure)
    assert found.message.endswith("is to be had: bases.yaml names none for them; add one there")


def test_a_pull_that_fails_is_infrastructure() -> None:
    class Broken(FakeImages):
        def pull(self, name: str) -> None:
            raise requests.exceptions.ConnectionError("connection reset")

    found = cuda(Broken(DIGEST))
    assert isinstance(found, CellFailure)
    assert found.ending is Ending.INFRASTRUCTURE
