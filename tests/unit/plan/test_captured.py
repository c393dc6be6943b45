from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from harness.cell import Device, Flags, Pins, Platform
from harness.errors import MatrixError
from harness.plan.captured import VARIABLES, Captured
from harness.plan.matrix import Matrix
from harness.plan.plan import Plan, PlannedCell
from harness.plan.planner import plan_cells
from tests.support.captures import captured
from tests.support.indexes import SMALL, index, release

Load = Callable[[str], Matrix]
Refused = Callable[[str], str]

ASKED = "schema: 1\ntensorflow: [2.16.1]\ninclude: [{captured: true}]\n"


def plan(matrix: Matrix, seen: Captured | None, **options: object) -> Plan:
    settings: dict[str, object] = {"platform": Platform(), "unobtainable": lambda _: {}, **options}
    return plan_cells(matrix, SMALL, captured=seen, **settings)  # type: ignore[arg-type]


def rebuilt(matrix: Matrix, seen: Captured) -> PlannedCell:
    (found,) = [entry for entry in plan(matrix, seen).cells if entry.cell.pins.name == "captured"]
    return found


def told(matrix: Matrix, seen: Captured | None) -> str:
    with pytest.raises(MatrixError) as caught:
        plan(matrix, seen)
    return str(caught.value)


def test_the_cell_that_rebuilds_what_was_captured(load: Load) -> None:
    planned = plan(load(ASKED), captured())
    assert [entry.cell.id for entry in planned.cells] == [
        "tf2.15.1-py3.10-cpu-captured",
        "tf2.16.1-py3.12-cpu",
    ]
    cell = planned.cells[0].cell
    assert cell.pins == Pins(
        name="captured",
        packages={"numpy": "1.26.4", "jupyter": "1.0.0", "keras": "2.15.0"},
        constraints=True,
    )
    assert cell.flags == Flags()
    assert cell.note == "rebuilds what was captured on 2024-04-01"
    assert planned.notes == ()


def test_the_package_that_brought_tensorflow_is_taken(load: Load) -> None:
    matrix = load(ASKED)
    both = {"tensorflow": "2.4.4", "python": "3.8.18"}
    for name in ("tensorflow", "tensorflow-cpu"):
        found = rebuilt(matrix, captured({name: "2.4.4"}, **both)).cell.distribution
        assert found is not None
        assert found.name == name
    # Where none that the index has is named, the usual one.
    found = rebuilt(matrix, captured({"tensorflow-intel": "2.4.4"}, **both)).cell.distribution
    assert found is not None
    assert found.name == "tensorflow-cpu"


def test_variables_become_flags_unless_others_are_named(load: Load) -> None:
    seen = captured(
        variables={
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "CUDA_VISIBLE_DEVICES": "3",
            "LD_PRELOAD": "/tmp/evil.so",
        }
    )
    cell = rebuilt(load(ASKED), seen).cell
    assert cell.flags == Flags(name="captured", variables={"TF_ENABLE_ONEDNN_OPTS": "0"})
    assert cell.id == "tf2.15.1-py3.10-cpu-captured+captured"
    named = load(
        "schema: 1\nflags: {one: {OMP_NUM_THREADS: 1}}\ninclude: [{captured: true, flags: one}]\n"
    )
    assert rebuilt(named, seen).cell.flags == named.flags_named("one")
    plain = load("schema: 1\ninclude: [{captured: true, flags: default}]\n")
    assert rebuilt(plain, seen).cell.flags == Flags()


def test_what_can_be_set_is_recorded_sorted_and_cannot_load_code() -> None:
    assert sorted(VARIABLES) == list(VARIABLES)
    assert not {name for name in VARIABLES if name.startswith(("LD_", "PYTHON", "PATH"))}


def test_the_device_is_the_one_that_computed(load: Load) -> None:
    seen = captured(device="GPU NVIDIA T4")
    assert rebuilt(load(ASKED), seen).cell.id == "tf2.15.1-py3.10-cuda-captured"
    on_cpu = load("schema: 1\ninclude: [{captured: true, device: cpu}]\n")
    assert rebuilt(on_cpu, seen).cell.device is Device.CPU


def test_another_system_is_told(load: Load) -> None:
    seen = captured(system="windows", platform="Windows-10-10.0.19045")
    note = "rebuilds what was captured on 2024-04-01 on Windows-10-10.0.19045"
    assert rebuilt(load(ASKED), seen).cell.note == note


def test_a_model_that_was_not_captured(load: Load) -> None:
    assert told(load(ASKED), None) == (
        "matrix.yaml:3 include[0]: the model has no captured.json\n"
        "  hint: run `harness capture MODEL_DIR`, and the script it writes where the model was made"
    )


def test_a_plan_without_a_model_leaves_it_out(load: Load) -> None:
    planned = plan(load(ASKED), None, for_model=False)
    assert [entry.cell.id for entry in planned.cells] == ["tf2.16.1-py3.12-cpu"]
    assert planned.notes == (
        "matrix.yaml:3 include[0] stands for where a model was made: it is planned with a model",
    )


def test_what_was_captured_is_not_planned_where_nobody_asks(load: Load) -> None:
    planned = plan(load("schema: 1\ntensorflow: [2.16.1]\n"), captured())
    assert [entry.cell.id for entry in planned.cells] == ["tf2.16.1-py3.12-cpu"]


def test_environments_that_cannot_be_rebuilt(load: Load) -> None:
    assert told(load(ASKED), captured(tensorflow="2.15.7")).startswith(
        "matrix.yaml:3 include[0] (captured.json): TensorFlow 2.15.7 is not in the package index\n"
    )
    assert told(load(ASKED), captured(python="3.13.0")) == (
        "matrix.yaml:3 include[0] (captured.json): TensorFlow 2.15.1 has no wheel for CPython 3.13"
        " (device cpu)\n  allowed: 3.9, 3.10, 3.11"
    )
    assert told(load(ASKED), captured(implementation="PyPy")) == (
        "matrix.yaml:3 include[0]: captured.json was captured with PyPy, which cannot be rebuilt\n"
        "  allowed: CPython"
    )


def test_twice_is_once_too_often(load: Load) -> None:
    matrix = load("schema: 1\ninclude: [{captured: true}, {captured: true}]\n")
    assert "tf2.15.1-py3.10-cpu-captured is there already" in told(matrix, captured())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("include: [{captured: yes}]", "include[0].captured: 'yes' is neither true nor false"),
        ("include: [{captured: false}]", "include[0]: the key 'tensorflow' is missing"),
        (
            "include: [{captured: true, tensorflow: 2.4.4, python: 3.8, pins: default}]",
            "include[0]: tensorflow, python beside captured: it is told by captured.json\n"
            "  allowed: captured with device and flags",
        ),
        ("include: [{captured: true, resolution: today}]", "resolution beside captured"),
        ("pins: {captured: {numpy: 1.26.4}}", "'captured' is the name of what `include:"),
        ("flags: {captured: {}}", "'captured' is the name of what `include:"),
    ],
)
def test_refused(refused: Refused, text: str, message: str) -> None:
    assert message in refused(f"schema: 1\n{text}\n")


def test_a_matrix_that_asks_for_it_survives_being_saved(load: Load) -> None:
    matrix = load("schema: 1\ninclude: [{captured: true}, {captured: true, device: cuda}]\n")
    again = Matrix.model_validate_json(matrix.model_dump_json())
    assert again.model_dump() == matrix.model_dump()
    assert again.include[0].captured


def test_a_plan_that_holds_it_survives_being_saved(load: Load) -> None:
    planned = plan(load(ASKED), captured())
    assert Plan.model_validate_json(planned.model_dump_json()) == planned


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"python": "2.7.18"},
        {"python": "3.10"},
        {"tensorflow": "latest"},
        {"tensorflow": "2.15.1 --pre"},
        {"model": {"name": "x", "digest": "short"}},
        {"cpu": "x" * 2_000},
        {"outputs": [{"name": "y", "dtype": "float32", "shape": [1]}] * 1_001},
    ],
)
def test_facts_that_cannot_be_believed(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        captured(**changes)  # type: ignore[arg-type]


def test_text_is_made_safe_and_more_facts_do_no_harm() -> None:
    assert captured(cpu="evil\x1b[31m\nline", color="red").cpu == "evil line"


def test_a_preferred_distribution_that_lacks_the_python(load: Load) -> None:
    having = index(
        release("2.15.1", "3.9 3.10 3.11"),
        release("2.15.1", "3.9", "tensorflow-cpu"),
    )
    seen = captured({"tensorflow-cpu": "2.15.1"})
    matrix = load(
        "schema: 1\ntensorflow: [2.15.1]\nexclude: [{tensorflow: 2.15.1, reason: x}]\n"
        "include: [{captured: true}]\n"
    )
    (entry,) = plan_cells(
        matrix, having, platform=Platform(), unobtainable=lambda _: {}, captured=seen
    ).cells
    assert entry.cell.distribution is not None
    assert entry.cell.distribution.name == "tensorflow"
