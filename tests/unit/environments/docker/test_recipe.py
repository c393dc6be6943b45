from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.cell import Cell, Distribution, Flags, Pins, Resolution
from harness.environments.docker.building.image_folder import image_file
from harness.environments.docker.building.recipe import Builder, Recipe, dockerfile, recipe
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
        "    --mount=type=bind,source=install.sh,"
        "target=/run/tensorflow-environment-matrix/install.sh \\\n"
        "    --mount=type=cache,id=tensorflow-environment-matrix-uv,"
        "target=/run/tensorflow-environment-matrix/cache \\\n"
        "    --mount=type=secret,id=network,target=/run/tensorflow-environment-matrix/network \\\n"
        "    --mount=type=secret,id=certificates,"
        "target=/run/tensorflow-environment-matrix/certificates \\\n"
        "    UV_LINK_MODE=copy sh /run/tensorflow-environment-matrix/install.sh"
        " --exclude-newer=2024-04-07T00:00:00Z\n"
        'LABEL tensorflow-environment-matrix.role="environment" \\\n'
        '    tensorflow-environment-matrix.lock="d1" \\\n'
        '    tensorflow-environment-matrix.distribution="tensorflow-cpu" \\\n'
        '    tensorflow-environment-matrix.base="base:py3.11-0123456789ab" \\\n'
        '    tensorflow-environment-matrix.base-digest="sha256:0123456789ab"\n'
    )


def test_for_the_classic_builder_only_the_result_leaves_the_first_stage() -> None:
    text = dockerfile(
        image_file("classic.Dockerfile"), base="b", installer="uv:1", options=(), labels={"k": "v"}
    )
    assert text.partition("after the build. Only /usr/local leaves it.\n")[2] == (
        "FROM b AS install\n"
        "ARG owner\n"
        "ARG build\n"
        "LABEL tensorflow-environment-matrix.role=stage tensorflow-environment-matrix.owner=$owner"
        " tensorflow-environment-matrix.build=$build\n"
        "COPY --from=uv:1 /uv /run/tensorflow-environment-matrix/uv\n"
        "COPY requirements.lock install.sh network certificates"
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


def test_options_are_quoted() -> None:
    text = dockerfile("RUN sh@OPTIONS@", base="", installer="", options=("--a=b; c",), labels={})
    assert text == "RUN sh '--a=b; c'"


def test_the_tag_says_what_it_is_and_ends_with_the_identity() -> None:
    one = made(cell(), lock())
    assert one.tag == f"tensorflow-environment-matrix:tf2.15.1-py3.11-cpu-{one.identity[:12]}"


def test_the_same_inputs_have_the_same_name() -> None:
    first = made(cell(), lock())
    again = made(cell(flags=Flags(name="one-thread", intra_op_threads=1)), lock())
    commented = made(cell(), lock(text="# another comment\ntensorflow-cpu==2.15.1\n"))
    assert first.tag == again.tag == commented.tag


def test_cells_that_differ_in_words_share_an_image_if_their_locks_do() -> None:
    today = cell(resolution=Resolution.TODAY)
    assert made(today, lock()).tag == made(today, lock()).tag
    pinned = cell(resolution=Resolution.TODAY, pins=Pins(name="p", packages={"numpy": "1.26.4"}))
    assert made(today, lock()).tag == made(pinned, lock()).tag


def test_whatever_goes_into_an_image_changes_its_name() -> None:
    other_base = BASE.model_copy(update={"digest": "sha256:ff"})
    names = {
        made(cell(), lock()).tag,
        made(cell(), lock(digest="d2")).tag,
        made(cell(), lock(), base=other_base).tag,
        made(cell(), lock(), builder="classic").tag,
        made(cell(resolution=Resolution.TODAY), lock()).tag,
        recipe(cell(), lock(), BASE, installer="uv:0.14.0", builder="buildkit").tag,
        made(cell(), lock()).model_copy(update={"install": "another script"}).tag,
    }
    assert len(names) == 7


def test_a_lock_is_installed_with_hashes_and_nothing_else() -> None:
    script = image_file("install.sh")
    assert "--no-deps --require-hashes" in script
    assert "--no-config" in script
