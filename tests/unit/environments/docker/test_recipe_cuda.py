"""Images whose CUDA is taken from another image."""

from __future__ import annotations

import pytest

from harness.cell import Cell, Distribution
from harness.environments.docker.bases.cuda import CudaImage
from harness.environments.docker.building.recipe import Builder, Recipe, recipe
from harness.environments.engine import Lock
from harness.observation import Base
from tests.support.fakes import NOW

BASE = Base(kind="host-slice", reference="base:py3.10", digest="sha256:ba5e")
HERE = CudaImage(reference="nvidia/cuda:11.2.2-cudnn8", digest="sha256:c0da")
PULLED = CudaImage(reference="nvidia/cuda@sha256:1234", digest="sha256:1234")


def made(cuda: CudaImage | None, builder: Builder = "buildkit") -> Recipe:
    distribution = Distribution(name="tensorflow", version="2.8.4", released=NOW)
    values = {"tensorflow": "2.8.4", "python": "3.10", "device": "cuda"}
    lock = Lock(
        text="tensorflow==2.8.4\n",
        packages={"tensorflow": "2.8.4"},
        digest="d1",
        distribution="tensorflow",
        installer="uv 0",
        python="3.10",
    )
    cell = Cell.model_validate({**values, "distribution": distribution})
    return recipe(cell, lock, BASE, installer="uv:0", builder=builder, cuda=cuda)


def test_buildkit_mounts_the_image_and_copies_in_a_layer_of_its_own() -> None:
    text = made(HERE).dockerfile
    steps = text[text.index("FROM") : text.index("RUN", text.index("ENV"))]
    assert steps == (
        "FROM base:py3.10\n"
        "RUN --mount=type=tmpfs,target=/run/tensorflow-environment-matrix \\\n"
        "    --mount=type=bind,from=nvidia/cuda:11.2.2-cudnn8,"
        "target=/run/tensorflow-environment-matrix/cuda \\\n"
        "    --mount=type=bind,source=cuda.sh,"
        "target=/run/tensorflow-environment-matrix/cuda.sh \\\n"
        "    sh /run/tensorflow-environment-matrix/cuda.sh\n"
        "ENV LD_LIBRARY_PATH=/usr/local/cuda/lib64\n"
    )


def test_the_classic_builder_copies_through_a_stage_that_is_thrown_away() -> None:
    text = made(HERE, "classic").dockerfile
    stages = text[text.index("FROM") :].split("\n\n")
    assert stages[0].startswith("FROM base:py3.10 AS cuda\n")
    assert "LABEL tensorflow-environment-matrix.role=stage " in stages[0]
    assert "COPY --from=nvidia/cuda:11.2.2-cudnn8 / " in stages[0]
    assert stages[-1].startswith(
        "FROM base:py3.10\n"
        "COPY --from=cuda /usr/local/cuda /usr/local/cuda\n"
        "ENV LD_LIBRARY_PATH=/usr/local/cuda/lib64\n"
        "COPY --from=install "
    )


@pytest.mark.parametrize("builder", ["buildkit", "classic"])
@pytest.mark.parametrize("cuda", [None, HERE, PULLED])
def test_nothing_is_left_to_fill_in(cuda: CudaImage | None, builder: Builder) -> None:
    filled = made(cuda, builder).dockerfile.replace("@sha256", "")
    assert "@" not in filled


@pytest.mark.parametrize("builder", ["buildkit", "classic"])
def test_without_an_image_there_is_nothing_of_cuda(builder: Builder) -> None:
    plain = made(None, builder)
    assert "cuda" not in plain.dockerfile.lower()
    assert (plain.cuda, plain.base.cuda) == ("", None)


def test_the_base_records_the_image_by_digest() -> None:
    assert made(HERE).base.cuda == "nvidia/cuda:11.2.2-cudnn8@sha256:c0da"
    assert made(PULLED).base.cuda == "nvidia/cuda@sha256:1234"


def test_whatever_brings_the_libraries_changes_the_images_name() -> None:
    other = HERE.model_copy(update={"digest": "sha256:ff"})
    script = made(HERE).model_copy(update={"cuda": "another script"})
    tags = {made(None).tag, made(HERE).tag, made(PULLED).tag, made(other).tag, script.tag}
    assert len(tags) == 5
    assert made(HERE).tag == made(HERE).tag
    assert "-cuda-" in made(HERE).tag
