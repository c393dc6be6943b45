from __future__ import annotations

import pytest

from harness.explain.explain import explain
from harness.observation import Ending, Failure
from tests.support.fakes import cell
from tests.support.observed import observation


def said(locked: dict[str, str], kind: str = "NoGPU", engine: str = "venv") -> str:
    seen = observation(
        cell(),
        ending=Ending.SKIPPED,
        failure=Failure(type=kind, message="no NVIDIA GPU here"),
        locked=locked,
        engine=engine,
    )
    return explain(seen).evidence


def test_what_could_be_checked_without_a_gpu() -> None:
    evidence = said({"nvidia-cudnn-cu12": "8.9.4.25", "tensorflow": "2.15.1"})
    assert "its 2 packages can be resolved" in evidence
    assert "CUDA would come with them: nvidia-cudnn-cu12 8.9.4.25" in evidence


def test_a_release_that_takes_the_systems_cuda() -> None:
    assert "takes the system's" in said({"tensorflow": "2.10.1"}, "NoCudaBase")
    assert "CUDA" not in said({"tensorflow": "2.10.1"}, "NoInterpreter")


@pytest.mark.parametrize("distribution", ["tensorflow", "tensorflow-gpu"])
def test_a_release_whose_cuda_an_image_has(distribution: str) -> None:
    told = said({distribution: "2.0.4"}, engine="docker")
    assert "CUDA 10.0 and cuDNN 7.4 would be taken from an image" in told


def test_nothing_was_checked() -> None:
    assert "checked" not in said({})
