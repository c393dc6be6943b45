from __future__ import annotations

import json
from datetime import UTC, datetime

from harness.environments.keeping.kept import Inventory, Kept, Kind
from harness.report.images import render_inventories, render_inventories_json

USED = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
REPOSITORY = "tensorflow-environment-matrix"
DOCKER = Inventory(
    engine="docker",
    place="where Docker keeps images (/var/lib/docker)",
    items=(
        Kept(
            kind=Kind.ENVIRONMENT,
            name=f"{REPOSITORY}:tf2.15.1-py3.11-cpu-0be58e4a9cd7",
            cell="tf2.15.1-py3.11-cpu",
            size_bytes=1_263_501_763,
            shared_bytes=58_707_876,
            created=datetime(2026, 1, 1, tzinfo=UTC),
            last_used=USED,
            sweeps=("digits/3", "digits/2", "lstm/1"),
        ),
        Kept(
            kind=Kind.ENVIRONMENT,
            name=f"{REPOSITORY}:tf2.4.4-py3.8-cpu-3656eb05d43b",
            size_bytes=747_162_554,
            shared_bytes=54_426_956,
            unused=True,
        ),
        Kept(
            kind=Kind.BASE,
            name="python:3.8-slim@sha256:77",
            size_bytes=54_426_956,
            shared_bytes=54_426_956,
            ours=False,
        ),
        Kept(kind=Kind.VOLUME, name=f"{REPOSITORY}-uv", in_use="a container"),
    ),
    total_bytes=1_956_000_000,
    not_ours_bytes=54_426_956,
    free_bytes=20_143_161_344,
)
VENV = Inventory(engine="venv", place="/cache", items=(), total_bytes=0)


def test_a_wide_terminal_has_everything() -> None:
    assert render_inventories((DOCKER, VENV), width=220) == (
        """\
docker: where Docker keeps images (/var/lib/docker)

name                                                              size  last used         kind         shared  created           cell                 used by
--------------------------------------------------------------  ------  ----------------  -----------  ------  ----------------  -------------------  -----------------------------
tensorflow-environment-matrix:tf2.15.1-py3.11-cpu-0be58e4a9cd7  1.3 GB  2026-02-03 04:05  environment   59 MB  2026-01-01 00:00  tf2.15.1-py3.11-cpu  digits/3, digits/2 and 1 more
tensorflow-environment-matrix:tf2.4.4-py3.8-cpu-3656eb05d43b    747 MB  -                 environment   54 MB  -                 -                    -
python:3.8-slim@sha256:77 *                                      54 MB  -                 base          54 MB  -                 -                    -
tensorflow-environment-matrix-uv                                     -  -                 volume            -  -                 -                    -

2 environments and what they are made with: 2.0 GB on disk, what is shared counted once; 20 GB are free.
Beside that 54 MB of images from registries that they stand on (*): they are not the harness's and never removed by it.
Not used by the last sweep of any model, as far as is noted: 1 environment (693 MB); `harness clean --unused` removes what is not used.

venv: /cache
There is nothing of the harness.
"""  # noqa: E501
    )


def test_a_narrow_one_says_what_it_has_no_room_for() -> None:
    text = render_inventories((DOCKER,), width=100)
    assert max(map(len, text.splitlines())) <= 100
    assert "No room here for: kind, created, cell, used by (in --format json)\n" in text


def test_names_are_not_trusted() -> None:
    item = Kept(kind=Kind.ENVIRONMENT, name="a\x1b[31m\nb", in_use="c\x07", sweeps=("d\x1b/e",))
    text = render_inventories((DOCKER.model_copy(update={"items": (item,)}),), width=200)
    assert not {"\x1b", "\x07"} & set(text)


def test_machines_get_it_all() -> None:
    said = json.loads(render_inventories_json((DOCKER, VENV)))
    assert said["schema"] == 1
    assert [Inventory.model_validate(one) for one in said["engines"]] == [DOCKER, VENV]
