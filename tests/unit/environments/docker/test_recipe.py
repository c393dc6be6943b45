from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.cell import Cell, Device, Distribution, Flags, Pins, Resolution
from harness.environments.docker.building.image_folder import image_file
from harness.environments.docker.building.recipe import (
    Builder,
    Recipe,
    dockerfile,
    recipe,
    wanted_file,
)
from harness.environments.engine import Lock
from harness.observation import Base

BASE = Base(kind="host-slice", reference="base:py3.11-0123456789ab", digest="sha256:0123456789ab")
RELEASED = datetime(2024, 3, 8, tzinfo=UTC)


def cell(**fields: object) -> Cell:
    distribution = Distribution(name="tensorflow-cpu", version="2.15.1", released=RELEASED)
    values = {"tensorflow": "2.15.1", "python": "3.11", "distribution": distribution, **fields}
    return Cell.model_validate(values)


def lock(digest: str = "d1", text: str = "tensorflow-cpu==2.15.1 --hash=sha256:00\n") -> Lock:
    return Lock(
        text=text,
        packages={"tensorflow-cpu": "2.15.1"},
        digest=digest,
        distribution="tensorflow-cpu",
        installer="uv 0.13.8",
        python="3.11",
    )


def made(one: Cell, locked: Lock, base: Base = BASE, builder: Builder = "buildkit") -> Recipe:
    return recipe(one, locked, base, installer="uv:0.13.8", builder=builder)


def test_for_buildkit_everything_is_mounted() -> None:
    assert made(cell(), lock()).dockerfile == (
        "# The image of an environment, for BuildKit (0.8 or newer; no frontend has to be"
        " downloaded).\n"
        "# All that a build needs is mounted and leaves no trace: uv, the lock, the wheels kept"
        " from earlier\n"
        "# builds, and, as secrets, how this machine reaches the package index.\n"
        "FROM base:py3.11-0123456789ab\n"
        "RUN --mount=type=tmpfs,target=/run/tensorflow-environment-matrix \\\n"
        "    --mount=type=bind,from=uv:0.13.8,source=/uv,"
        "target=/run/tensorflow-environment-matrix/uv \\\n"
        "    --mount=type=bind,source=requirements.lock,"
        "target=/run/tensorflow-environment-matrix/requirements.lock \\\n"
        "    --mount=type=bind,source=left-out,"
        "target=/run/tensorflow-environment-matrix/left-out \\\n"
        "    --mount=type=bind,source=wanted,target=/run/tensorflow-environment-matrix/wanted \\\n"
        "    --mount=type=bind,source=install.sh,"
        "target=/run/tensorflow-environment-matrix/install.sh \\\n"
        "    --mount=type=cache,id=tensorflow-environment-matrix-uv,"
        "target=/run/tensorflow-environment-matrix/cache \\\n"
        "    --mount=type=secret,id=network,target=/run/tensorflow-environment-matrix/network \\\n"
        "    --mount=type=secret,id=certificates,"
        "target=/run/tensorflow-environment-matrix/certificates \\\n"
        "    sh /run/tensorflow-environment-matrix/install.sh\n"
        'LABEL tensorflow-environment-matrix.role="environment" \\\n'
        '    tensorflow-environment-matrix.lock="d1" \\\n'
        '    tensorflow-environment-matrix.distribution="tensorflow-cpu" \\\n'
        '    tensorflow-environment-matrix.base="base:py3.11-0123456789ab" \\\n'
        '    tensorflow-environment-matrix.base-digest="sha256:0123456789ab" \\\n'
        '    tensorflow-environment-matrix.left-out="tensorflow/include tensorflow_core/include'
        ' clang/native tensorboard_data_server/bin tensorboard/webfiles.zip"\n'
    )


def test_for_the_classic_builder_only_the_result_leaves_the_first_stage() -> None:
    template = image_file("classic.Dockerfile").replace("@CUDA_STAGE@", "").replace("@CUDA@", "")
    text = dockerfile(template, base="b", installer="uv:1", labels={"k": "v"})
    assert text.partition("after the build. Only /usr/local leaves it.\n")[2] == (
        "FROM b AS install\n"
        "ARG owner\n"
        "ARG build\n"
        "LABEL tensorflow-environment-matrix.role=stage tensorflow-environment-matrix.owner=$owner"
        " tensorflow-environment-matrix.build=$build\n"
        "COPY --from=uv:1 /uv /run/tensorflow-environment-matrix/uv\n"
        "COPY requirements.lock left-out wanted install.sh network certificates"
        " /run/tensorflow-environment-matrix/\n"
        "RUN sh /run/tensorflow-environment-matrix/install.sh"
        " && rm -r /run/tensorflow-environment-matrix/cache\n"
        "\n"
        "FROM b\n"
        "COPY --from=install /usr/local /usr/local\n"
        'LABEL k="v"\n'
    )


@pytest.mark.parametrize("builder", ["buildkit", "classic"])
def test_nothing_is_left_to_fill_in(builder: Builder) -> None:
    assert "@" not in made(cell(), lock(), builder=builder).dockerfile


def test_what_is_wanted_is_quoted_for_a_shell() -> None:
    assert wanted_file("12ab", ("--a=b; c", "--d"), mounted="plain") == (
        "identity=12ab\noptions='--a=b; c --d'\nmounted=plain\n"
    )
    assert wanted_file("12ab", ()) == "identity=12ab\noptions=''\nmounted=''\n"


def test_the_tag_says_what_it_is_and_ends_with_the_identity() -> None:
    one = made(cell(), lock())
    assert one.tag == f"tensorflow-environment-matrix:tf2.15.1-py3.11-cpu-{one.identity[:12]}"


def test_the_same_inputs_have_the_same_name() -> None:
    first = made(cell(), lock())
    again = made(cell(flags=Flags(name="one-thread", intra_op_threads=1)), lock())
    commented = made(cell(), lock(text="# another comment\ntensorflow-cpu==2.15.1\n"))
    assert first.tag == again.tag == commented.tag


def test_cells_with_one_lock_on_one_base_share_an_image() -> None:
    today = cell(resolution=Resolution.TODAY)
    pinned = cell(resolution=Resolution.TODAY, pins=Pins(name="p", packages={"numpy": "1.26.4"}))
    on_gpu = cell(device=Device.CUDA)
    made_of = [made(one, lock()) for one in (cell(), today, pinned, on_gpu)]
    assert len({one.tag for one in made_of}) == 1
    assert made_of[0].options == ("--exclude-newer=2024-04-07T00:00:00Z",)
    assert made_of[1].options == ()


def test_a_tag_says_whether_there_is_cuda() -> None:
    packages = {"tensorflow": "2.16.1", "nvidia-cudnn-cu12": "8.9.7.29"}
    of_wheels = lock().model_copy(update={"packages": packages, "distribution": "tensorflow"})
    assert ":tf2.16.1-py3.11-cuda-" in made(cell(), of_wheels).tag
    of_the_base = BASE.model_copy(update={"cuda": "cuda:11@sha256:00"})
    assert ":tf2.15.1-py3.11-cuda-" in made(cell(), lock(), of_the_base).tag


def test_whatever_goes_into_an_image_changes_its_name() -> None:
    other_base = BASE.model_copy(update={"digest": "sha256:ff"})
    names = {
        made(cell(), lock()).tag,
        made(cell(), lock(digest="d2")).tag,
        made(cell(), lock(), base=other_base).tag,
        made(cell(), lock(), builder="classic").tag,
        recipe(cell(), lock(), BASE, installer="uv:0.14.0", builder="buildkit").tag,
        made(cell(), lock()).model_copy(update={"install": "another script"}).tag,
        made(cell(), lock()).model_copy(update={"left_out": ("numpy",)}).tag,
    }
    assert len(names) == 7


def test_a_lock_is_installed_with_hashes_and_nothing_else() -> None:
    script = image_file("install.sh")
    assert "--no-deps --require-hashes" in script
    assert "--no-config" in script
