from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.cell import Platform
from harness.errors import MatrixError, NothingSelectedError, UsageError
from harness.plan.index import Index
from harness.plan.matrix import Matrix
from harness.plan.plan import Plan
from harness.plan.planner import plan_cells
from harness.verdict import Reason
from tests.support.indexes import DAY, SMALL, index, release

Load = Callable[[str], Matrix]


class Pythons:
    """Stands for an engine's interpreters, and keeps what was asked."""

    def __init__(self, **missing: str) -> None:
        self.missing = {name.replace("py", "3."): reason for name, reason in missing.items()}
        self.asked: list[frozenset[str]] = []

    def __call__(self, pythons: frozenset[str]) -> dict[str, str]:
        self.asked.append(pythons)
        return {python: self.missing[python] for python in pythons & self.missing.keys()}


def plan(
    matrix: Matrix,
    *only: str,
    pythons: Pythons | None = None,
    platform: Platform | None = None,
    having: Index = SMALL,
) -> Plan:
    return plan_cells(
        matrix,
        having,
        platform=platform or Platform(),
        unobtainable=pythons or Pythons(),
        only=only,
    )


def ids(plan: Plan) -> list[str]:
    return [planned.cell.id for planned in plan.cells]


def refused(matrix: Matrix) -> str:
    with pytest.raises(MatrixError) as caught:
        plan(matrix)
    return str(caught.value)


def test_the_newest_patch_of_each_minor(load: Load) -> None:
    planned = plan(load('schema: 1\ntensorflow: [">=2.4"]'))
    assert ids(planned) == [
        "tf2.4.4-py3.8-cpu",
        "tf2.13.1-py3.11-cpu",
        "tf2.15.1-py3.11-cpu",
        "tf2.16.1-py3.12-cpu",
    ]
    assert planned.notes == ()
    assert planned.index == SMALL.state


def test_yanked_and_pre_releases_are_used_where_they_are_named(load: Load) -> None:
    planned = plan(load("schema: 1\ntensorflow: [2.15.2, 2.17.0rc0]"))
    assert ids(planned) == ["tf2.15.2-py3.11-cpu", "tf2.17.0rc0-py3.12-cpu"]
    assert planned.notes == (
        "TensorFlow 2.15.2 was yanked; it is here because matrix.yaml:2 tensorflow[0] names it",
        "TensorFlow 2.17.0rc0 is a pre-release;"
        " it is here because matrix.yaml:2 tensorflow[1] names it",
    )


def test_distributions(load: Load) -> None:
    planned = plan(
        load(
            """\
schema: 1
tensorflow: [1.15.5, 2.0.4, 2.4.4, 2.13.1, 2.15.1]
device: [cpu, cuda]
"""
        )
    )
    assert {
        entry.cell.id: entry.cell.distribution and entry.cell.distribution.requirement
        for entry in planned.cells
    } == {
        "tf1.15.5-py3.7-cpu": "tensorflow==1.15.5",
        "tf1.15.5-py3.7-cuda": "tensorflow-gpu==1.15.5",
        "tf2.0.4-py3.7-cpu": "tensorflow==2.0.4",
        "tf2.0.4-py3.7-cuda": None,
        "tf2.4.4-py3.8-cpu": "tensorflow-cpu==2.4.4",
        "tf2.4.4-py3.8-cuda": "tensorflow==2.4.4",
        "tf2.13.1-py3.11-cpu": "tensorflow==2.13.1",
        "tf2.13.1-py3.11-cuda": "tensorflow==2.13.1",
        "tf2.15.1-py3.11-cpu": "tensorflow==2.15.1",
        "tf2.15.1-py3.11-cuda": "tensorflow[and-cuda]==2.15.1",
    }
    missing = next(entry for entry in planned.cells if entry.unavailable)
    assert missing.unavailable == Reason(
        code="no-wheel", message="TensorFlow 2.0.4 has no wheel for linux x86_64, device cuda"
    )


def test_a_release_dates_from_its_first_wheel(load: Load) -> None:
    having = index(
        release("2.4.4", "3.8").model_copy(
            update={
                "wheels": tuple(
                    wheel.model_copy(update={"uploaded": DAY.replace(day=day)})
                    for wheel, day in zip(release("2.4.4", "3.7 3.8").wheels, (9, 4), strict=True)
                )
            }
        )
    )
    (entry,) = plan(load("schema: 1\ntensorflow: [2.4.4]"), having=having).cells
    assert entry.cell.distribution is not None
    assert entry.cell.distribution.released == DAY.replace(day=4)


def test_the_newest_python_that_can_be_got(load: Load) -> None:
    pythons = Pythons(py12="no interpreter", py11="its download failed")
    planned = plan(load("schema: 1\ntensorflow: [2.4.4, 2.16.1]"), pythons=pythons)
    assert ids(planned) == ["tf2.4.4-py3.8-cpu", "tf2.16.1-py3.10-cpu"]
    assert [entry.cell.note for entry in planned.cells] == [
        None,
        "3.12 has wheels too, but cannot be got here: no interpreter;"
        " 3.11 has wheels too, but cannot be got here: its download failed",
    ]
    assert pythons.asked == [frozenset({"3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12"})]


def test_no_python_can_be_got(load: Load) -> None:
    pythons = Pythons(py6="none", py7="none", py8="no interpreter")
    (entry,) = plan(load("schema: 1\ntensorflow: [2.4.4]"), pythons=pythons).cells
    assert entry.cell.id == "tf2.4.4-py3.8-cpu"
    assert entry.infrastructure
    assert entry.unavailable == Reason(
        code="no-interpreter", message="CPython 3.8 cannot be got here: no interpreter"
    )


def test_listed_pythons(load: Load) -> None:
    pythons = Pythons(py8="no interpreter")
    planned = plan(
        load("schema: 1\ntensorflow: [2.4.4]\npython: [3.11, 3.8, 3.7]"), pythons=pythons
    )
    assert [
        (entry.cell.id, entry.unavailable and entry.unavailable.message, entry.infrastructure)
        for entry in planned.cells
    ] == [
        ("tf2.4.4-py3.7-cpu", None, False),
        ("tf2.4.4-py3.8-cpu", "CPython 3.8 cannot be got here: no interpreter", True),
        (
            "tf2.4.4-py3.11-cpu",
            "TensorFlow 2.4.4 has no wheel for CPython 3.11 on linux x86_64 (it has 3.6, 3.7, 3.8)",
            False,
        ),
    ]
    assert pythons.asked == [frozenset({"3.7", "3.8"})]


def test_another_platform(load: Load) -> None:
    matrix = load(
        """\
schema: 1
tensorflow: ["2.4.*", "2.15.*"]
include: [{tensorflow: 2.4.4, python: 3.7}]
"""
    )
    planned = plan(matrix, platform=Platform(system="macos", machine="arm64"))
    assert [(entry.cell.id, entry.unavailable) for entry in planned.cells] == [
        (
            f"tf2.4.4-py{python}-cpu",
            Reason(code="no-wheel", message="TensorFlow 2.4.4 has no wheel for macos arm64"),
        )
        for python in ("3.7", "3.8")
    ] + [("tf2.15.0-py3.11-cpu", None)]


def test_the_product_in_order(load: Load) -> None:
    planned = plan(
        load(
            """\
schema: 1
tensorflow: [2.15.1, 2.4.4]
device: [cuda, cpu]
resolution: [today, as-released]
pins: {a: {numpy: 1.24.4}, default: {}}
flags: {b: {TF_B: 1}, default: {}}
exclude: [{tensorflow: 2.4.4, device: cuda, reason: too old}]
"""
        )
    )
    of_one = [
        f"-{pins}{resolution}{flags}"
        for pins in ("", "a-")
        for resolution in ("", "today")
        for flags in ("", "+b")
    ]
    assert ids(planned) == [
        f"{start}{rest}".replace("-+", "+").removesuffix("-")
        for start in ("tf2.4.4-py3.8-cpu", "tf2.15.1-py3.11-cpu", "tf2.15.1-py3.11-cuda")
        for rest in of_one
    ]
    assert len(planned.excluded) == 8
    assert {reason for _, reason in planned.excluded} == {"too old"}
    assert {cell.environment_id[:18] for cell, _ in planned.excluded} == {"tf2.4.4-py3.8-cuda"}


@pytest.mark.parametrize(
    ("exclusion", "left"),
    [
        ('tensorflow: "<2.15"', ["tf2.15.1-py3.11-cpu+a"]),
        ("tensorflow: 2.15.1", ["tf2.4.4-py3.8-cpu+a"]),
        ("tensorflow: 2.4.*", ["tf2.15.1-py3.11-cpu+a"]),
        ("python: 3.11", ["tf2.4.4-py3.8-cpu+a"]),
        ('python: ">3.8"', ["tf2.4.4-py3.8-cpu+a"]),
        ("tensorflow: 2.4.4, python: 3.11", ["tf2.4.4-py3.8-cpu+a", "tf2.15.1-py3.11-cpu+a"]),
        ("resolution: today", ["tf2.4.4-py3.8-cpu+a", "tf2.15.1-py3.11-cpu+a"]),
        ("flags: default", ["tf2.4.4-py3.8-cpu+a", "tf2.15.1-py3.11-cpu+a"]),
    ],
)
def test_exclude(load: Load, exclusion: str, left: list[str]) -> None:
    matrix = load(
        f"""\
schema: 1
tensorflow: [2.4.4, 2.15.1]
flags: {{a: {{TF_A: 1}}}}
exclude:
  - {{{exclusion}, reason: because}}
"""
    )
    planned = plan(matrix)
    assert ids(planned) == left
    idle = ("matrix.yaml:5 exclude[0] takes out no cell",) if len(left) == 2 else ()
    assert planned.notes == idle


def test_include_comes_after_exclude(load: Load) -> None:
    planned = plan(
        load(
            """\
schema: 1
tensorflow: [2.4.4]
flags: {a: {TF_A: 1}}
exclude: [{tensorflow: ">=2", reason: all of it}]
include:
  - {tensorflow: ">=2.15", python: auto}
  - {tensorflow: 1.15.5, python: 3.6, flags: a, resolution: today}
"""
        )
    )
    assert ids(planned) == [
        "tf1.15.5-py3.6-cpu-today+a",
        "tf2.15.1-py3.11-cpu",
        "tf2.16.1-py3.12-cpu",
    ]
    assert [(cell.id, reason) for cell, reason in planned.excluded] == [
        ("tf2.4.4-py3.8-cpu+a", "all of it")
    ]


def test_releases_that_do_not_exist(load: Load) -> None:
    assert (
        refused(
            load(
                """\
schema: 1
tensorflow:
  - 2.15.9
  - ">=3"
include:
  - {tensorflow: "2.14.*"}
  - {tensorflow: 1.15.5, python: 3.9}
  - {tensorflow: 2.0.4, device: cuda}
"""
            )
        )
        == """\
matrix.yaml:3 tensorflow[0]: TensorFlow 2.15.9 is not in the package index
  allowed: the newest are 2.16.1, 2.15.1, 2.15.0
  hint: did you mean '2.15.1'?
matrix.yaml:4 tensorflow[1]: '>=3' admits no release of TensorFlow
  allowed: the newest are 2.16.1, 2.15.1, 2.15.0
matrix.yaml:6 include[0]: '==2.14.*' admits no release of TensorFlow
  allowed: the newest are 2.16.1, 2.15.1, 2.15.0
matrix.yaml:7 include[1]: TensorFlow 1.15.5 has no wheel for CPython 3.9 (device cpu)
  allowed: 3.6, 3.7
matrix.yaml:8 include[2]: TensorFlow 2.0.4 has no wheel (device cuda)"""
    )


def test_releases_that_are_there_twice(load: Load) -> None:
    assert (
        refused(load('schema: 1\ntensorflow:\n- ">=2.13"\n- 2.15.1\n- ">=2.4,<2.16"\n'))
        == """\
matrix.yaml:4 tensorflow[1]: '2.15.1' means 2.15.1 again, as matrix.yaml:3 tensorflow[0] does
  hint: narrow one of them, or remove it
matrix.yaml:5 tensorflow[2]: '>=2.4,<2.16' means 2.15.1, 2.13.1 again, as \
matrix.yaml:3 tensorflow[0] does
  hint: narrow one of them, or remove it"""
    )


def test_cells_that_are_there_twice(load: Load) -> None:
    assert (
        refused(
            load(
                """\
schema: 1
tensorflow: ["2.15.*"]
include:
- {tensorflow: 2.15.1, python: 3.11}
- {tensorflow: 1.15.5}
- {tensorflow: 1.15.5, python: 3.7}
"""
            )
        )
        == """\
matrix.yaml:4 include[0]: tf2.15.1-py3.11-cpu is there already: matrix.yaml:2 tensorflow[0]
  hint: remove one of them
matrix.yaml:6 include[2]: tf1.15.5-py3.7-cpu is there already: matrix.yaml:5 include[1]
  hint: remove one of them"""
    )


def test_nothing_left_after_exclude(load: Load) -> None:
    matrix = load(
        """\
schema: 1
tensorflow: [2.4.4, 2.15.1, 2.16.1]
exclude:
  - {tensorflow: "<2.16", reason: too old}
  - {python: 3.12, reason: too new}
"""
    )
    with pytest.raises(NothingSelectedError) as caught:
        plan(matrix)
    assert (
        str(caught.value)
        == """\
matrix.yaml: nothing is left to run, exclude takes out all 3 cells
  matrix.yaml:4 exclude[0] takes out 2: too old
  matrix.yaml:5 exclude[1] takes out 1: too new"""
    )


def test_only(load: Load) -> None:
    matrix = load('schema: 1\ntensorflow: [">=2.4"]\nexclude: [{tensorflow: 2.4.4, reason: old}]')
    planned = plan(matrix, "tensorflow>=2.15", "*-py3.11-*")
    assert ids(planned) == ["tf2.15.1-py3.11-cpu"]
    assert planned.excluded == ()


def test_only_leaves_nothing(load: Load) -> None:
    with pytest.raises(NothingSelectedError) as caught:
        plan(load('schema: 1\ntensorflow: [">=2.4"]'), "tf2.15.1-py3.12-cpu", "device=cpu")
    assert (
        str(caught.value)
        == """\
--only 'tf2.15.1-py3.12-cpu' --only 'device=cpu': does not match any of the 4 cells
  nearest: tf2.16.1-py3.12-cpu, tf2.15.1-py3.11-cpu, tf2.13.1-py3.11-cpu"""
    )


def test_a_bad_only_is_told_before_anything_is_asked(load: Load) -> None:
    pythons = Pythons()
    with pytest.raises(UsageError):
        plan(load("schema: 1"), "tensorflow=2.4.4", pythons=pythons)
    assert pythons.asked == []
