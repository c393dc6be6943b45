"""Which CUDA a release was tested with, and where a cell takes it from."""

from __future__ import annotations

import pytest

from harness.cell import Cell
from harness.environments.cuda import system_cuda, versions_for
from harness.environments.docker.bases.pinned import load_bases
from harness.plan.wheels import brings_cuda


def cell(tensorflow: str, device: str) -> Cell:
    return Cell.model_validate({"tensorflow": tensorflow, "python": "3.10", "device": device})


def test_patches_of_a_release_were_tested_with_one_pair() -> None:
    assert versions_for("2.8.4") == versions_for("2.8.0") == ("11.2", "8.1")
    assert versions_for("1.15.5") == ("10.0", "7.4")
    assert versions_for("2.10.1") == ("11.2", "8.1")  # not that of 2.1
    assert versions_for("3.0.0") is None


@pytest.mark.parametrize(
    ("tensorflow", "device", "wanted"),
    [
        ("2.8.4", "cuda", ("11.2", "8.1")),
        ("2.13.1", "cuda", ("11.8", "8.6")),
        ("2.14.0", "cuda", None),
        ("2.8.4", "cpu", None),
    ],
)
def test_what_a_cell_needs_beside_its_packages(
    tensorflow: str, device: str, wanted: tuple[str, str] | None
) -> None:
    assert system_cuda(cell(tensorflow, device)) == wanted


def test_every_release_without_wheels_of_cuda_has_an_image_to_take_it_from() -> None:
    releases = ["1.15.5", *(f"2.{minor}.0" for minor in range(14))]
    assert not any(brings_cuda(release) for release in releases)
    for release in releases:
        versions = versions_for(release)
        assert versions is not None
        assert load_bases().of_cuda(versions.cuda, versions.cudnn), release
