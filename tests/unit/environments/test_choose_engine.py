"""What can be asked of which engine."""

from __future__ import annotations

import pytest

from harness.environments.choose import choose_engine
from harness.environments.options import Options
from harness.errors import UsageError


@pytest.mark.parametrize("option", ["pull", "push"])
def test_mounted_environments_are_not_in_registries(option: str) -> None:
    options = Options.model_validate({"bake": "never", option: "registry.example/"})
    with pytest.raises(UsageError) as caught:
        choose_engine("docker", options)
    assert str(caught.value) == (
        f"--{option} is about images, and with `--bake never` there are none\n"
        "  Leave one of the two options out."
    )


def test_mounted_environments_are_not_counted_as_images() -> None:
    with pytest.raises(UsageError, match=r"^--disk is about images"):
        choose_engine("docker", Options(bake="never", disk_bytes=2**30))


def test_venvs_are_not_in_registries() -> None:
    with pytest.raises(
        UsageError, match=r"^--push: images and their bases are the docker engine's"
    ):
        choose_engine("venv", Options(push="registry.example/"))
