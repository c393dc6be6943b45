from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from harness.cell import Cell
from harness.errors import NoReferenceError
from harness.judge.agreement import Agreement, agreement
from harness.judge.reference import elect
from harness.judge.seen import Seen
from harness.model.model import Tolerance, Writer
from harness.observation import Ending, Failure, Observation, Stage
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Reason, Reference
from tests.support.fakes import cell
from tests.support.observed import given, observation, seen

OLD, MIDDLE, NEW = cell("2.4.4", "3.8"), cell("2.15.1", "3.11"), cell("2.21.0", "3.13")
FAILED = {
    "ending": Ending.EXCEPTION,
    "stage": Stage.LOAD,
    "failure": Failure(type="ValueError", message="Unknown layer: Scale\nand more"),
}


def readable(_: Observation) -> Mapping[str, Tensor]:
    return {}


def agreed(planned: Sequence[PlannedCell], sweep: Seen) -> Callable[[], Agreement]:
    """Compare the cells; 1 is allowed."""
    return lambda: agreement(
        planned,
        sweep,
        expected=None,
        tolerances={"*": Tolerance(atol=1.0, rtol=0.0)},
        floors={},
    )


def unasked() -> Agreement:
    raise AssertionError("nobody needs to know which cells agree")


def far(cells: Sequence[Cell], *values: float) -> Seen:
    """Return a sweep in which every cell gave one number."""
    outputs = {
        one.id: {"y": NumericTensor("float32", np.array([value], np.float32))}
        for one, value in zip(cells, values, strict=True)
    }
    return seen([observation(one) for one in cells], given(outputs))


def central(cells: Sequence[Cell], *values: float) -> Reference:
    planned, sweep = [PlannedCell(cell=one) for one in cells], far(cells, *values)
    return elect(
        "auto",
        planned,
        sweep,
        writer=Writer(),
        expected=False,
        agreement=agreed(planned, sweep),
    )


def choose(
    wanted: str = "auto",
    cells: Sequence[Cell] = (OLD, MIDDLE, NEW),
    observations: Sequence[Observation] | None = None,
    writer: Writer = Writer(),  # noqa: B008
    expected: bool = False,
) -> Reference:
    ran = [observation(one) for one in cells] if observations is None else observations
    planned, sweep = [PlannedCell(cell=one) for one in cells], seen(ran, readable)
    return elect(
        wanted,
        planned,
        sweep,
        writer=writer,
        expected=expected,
        agreement=agreed(planned, sweep),
    )


def test_expected_goes_first() -> None:
    found = Reference(cell=None, why="expected.npz beside the model")
    assert choose(expected=True) == found
    assert choose("expected", expected=True) == found


def test_the_version_that_wrote_the_model() -> None:
    assert choose(writer=Writer(tensorflow="2.15.1", keras="2.4.0")) == Reference(
        cell=MIDDLE.id, why="the model's files say TensorFlow 2.15.1 wrote it"
    )


def test_the_minor_release_that_wrote_the_model() -> None:
    assert choose(writer=Writer(tensorflow="2.4.1")) == Reference(
        cell=OLD.id,
        why="the model's files say TensorFlow 2.4.1 wrote it; this is the same minor release",
    )


def test_the_keras_that_wrote_the_model() -> None:
    ran = [
        observation(OLD, actual={"keras": "2.4.0"}),
        observation(MIDDLE, actual={"keras": "2.15.0"}),
        observation(NEW, actual={"keras": "3.12.0"}),
    ]
    assert choose(observations=ran, writer=Writer(keras="2.15.0")) == Reference(
        cell=MIDDLE.id, why="the model's files say Keras 2.15.0 wrote it"
    )
    assert choose(observations=ran, writer=Writer(tensorflow="1.2.0", keras="2.4.1")) == Reference(
        cell=OLD.id,
        why="the model's files say Keras 2.4.1 wrote it; this has the same minor release",
    )


UNTOLD = "; the files do not say what wrote them"


def test_the_captured_environment_goes_before_the_writer() -> None:
    captured = cell("2.15.1", "3.10", pins={"name": "captured"}, flags={"name": "captured"})
    departing = cell("2.15.1", "3.10", pins={"name": "captured"}, flags={"name": "one-thread"})
    writer = Writer(tensorflow="2.21.0")
    assert choose(cells=[departing, captured, NEW], writer=writer) == Reference(
        cell=captured.id, why="it rebuilds the environment the model was captured in"
    )
    assert choose(cells=[departing, NEW], writer=writer).cell == NEW.id
    assert choose(cells=[captured, NEW], expected=True).cell is None
    assert choose(NEW.id, cells=[captured, NEW]).why == "named as the reference"
    failed = [observation(captured, **FAILED), observation(NEW)]
    assert choose(cells=[captured, NEW], observations=failed, writer=writer).cell == NEW.id


def test_a_captured_environment_without_variables_has_default_flags() -> None:
    captured = cell("2.15.1", "3.10", pins={"name": "captured"})
    assert choose(cells=[captured, NEW], writer=Writer(tensorflow="2.21.0")).cell == captured.id


def test_the_centre_of_the_largest_class() -> None:
    """0, 0.5 and 1 agree; the middle one is nearest to both of the others."""
    others = [cell(f"2.{number}.0", "3.9") for number in range(3)]
    assert central([*others, NEW], 0.0, 0.5, 1.0, 9.0) == Reference(
        cell=others[1].id,
        why="the centre of the largest class of agreeing cells (3 of 4)" + UNTOLD,
    )


def test_nearest_is_as_a_share_of_what_is_allowed() -> None:
    """Of x 1 is allowed, of y 10: the first is 0.4 of that from either, they 0.8 from each other.

    In plain numbers each is 4 from its farthest, and the newest would go first.
    """
    cells = [cell(f"2.{number}.0", "3.9") for number in range(3)]
    values = [(0.4, 104.0), (0.0, 100.0), (0.8, 100.0)]
    outputs = {
        one.id: {
            "x": NumericTensor("float32", np.array([x], np.float32)),
            "y": NumericTensor("float32", np.array([y], np.float32)),
        }
        for one, (x, y) in zip(cells, values, strict=True)
    }
    planned = [PlannedCell(cell=one) for one in cells]
    sweep = seen([observation(one) for one in cells], given(outputs))
    tolerances = {"x": Tolerance(atol=1.0, rtol=0.0), "y": Tolerance(atol=10.0, rtol=0.0)}

    def compared() -> Agreement:
        return agreement(planned, sweep, expected=None, tolerances=tolerances, floors={})

    found = elect("auto", planned, sweep, writer=Writer(), expected=False, agreement=compared)
    assert found.cell == cells[0].id


def test_all_agree() -> None:
    assert central([OLD, MIDDLE, NEW], 0.0, 0.0, 0.0) == Reference(
        cell=NEW.id,
        why="the centre of the 3 cells that ran, which all agree with each other" + UNTOLD,
    )


def test_no_two_agree() -> None:
    assert central([OLD, MIDDLE, NEW], 0.0, 10.0, 20.0) == Reference(
        cell=NEW.id,
        why="of 3 cells that ran no two agree; default settings and new releases go first" + UNTOLD,
    )


def test_of_classes_of_one_size_the_one_with_the_better_centre() -> None:
    cells = [OLD, MIDDLE, NEW, cell("2.20.0", "3.13")]
    assert central(cells, 0.0, 9.0, 0.0, 9.0) == Reference(
        cell=NEW.id,
        why="the centre of one of the 2 largest classes of agreeing cells (2 of 4)" + UNTOLD,
    )


def test_the_only_cell() -> None:
    assert central([OLD], 0.0) == Reference(
        cell=OLD.id, why="the only cell that ran the model" + UNTOLD
    )


def test_the_centre_where_the_writer_did_not_run() -> None:
    ran = [observation(OLD), observation(MIDDLE), observation(NEW, **FAILED)]
    found = choose(observations=ran, writer=Writer(tensorflow="2.21.0", keras="3.12.0"))
    assert found == Reference(
        cell=MIDDLE.id,
        why="the centre of the 2 cells that ran, which all agree with each other; its files say "
        "TensorFlow 2.21.0 and Keras 3.12.0 wrote it, which no cell here that completed has",
    )


def test_which_cells_agree_is_only_asked_where_it_matters() -> None:
    planned, sweep = [PlannedCell(cell=OLD)], far([OLD], 0.0)
    for wanted, writer in ((OLD.id, Writer()), ("auto", Writer(tensorflow="2.4.4"))):
        found = elect(
            wanted, planned, sweep, writer=writer, expected=False, agreement=unasked
        )  # fmt: skip
        assert found.cell == OLD.id


def test_an_unknown_keras_is_no_kin() -> None:
    assert choose(writer=Writer(keras="2.2.4-tf")).cell == NEW.id


def test_plain_cells_before_others() -> None:
    today = cell("2.15.1", "3.11", resolution="today")
    flagged = cell("2.15.1", "3.11", flags={"name": "onednn-off"})
    pinned = cell("2.21.0", "3.13", pins={"name": "numpy-1"})
    assert choose(cells=[today, flagged, pinned, MIDDLE]).cell == MIDDLE.id
    assert choose(cells=[flagged, today]).cell == today.id


def test_a_cell_that_lies_is_not_elected() -> None:
    ran = [observation(OLD), observation(NEW, actual={"tensorflow": "2.20.0"})]
    assert choose(cells=[OLD, NEW], observations=ran).cell == OLD.id


def test_a_cell_that_cannot_be_read_is_not_elected() -> None:
    def outputs(one: Observation) -> Mapping[str, Tensor]:
        if one.cell == NEW.id:
            raise ValueError("half a file")
        return {}

    sweep = seen([observation(OLD), observation(NEW)], outputs)
    planned = [PlannedCell(cell=one) for one in (OLD, NEW)]
    found = elect(
        "auto", planned, sweep, writer=Writer(), expected=False, agreement=agreed(planned, sweep)
    )
    assert found.cell == OLD.id
    with pytest.raises(NoReferenceError, match="has no outputs: half a file"):
        elect(
            NEW.id,
            planned,
            sweep,
            writer=Writer(),
            expected=False,
            agreement=agreed(planned, sweep),
        )


def test_nothing_completed_is_no_error() -> None:
    ran = [observation(OLD, **FAILED)]
    assert choose(cells=[OLD, NEW], observations=ran) == Reference(
        cell=None, why="no cell completed, so there is nothing to compare with"
    )


def test_a_named_cell() -> None:
    assert choose(OLD.id, expected=True) == Reference(cell=OLD.id, why="named as the reference")


def message(wanted: str, **fields: object) -> str:
    with pytest.raises(NoReferenceError) as caught:
        choose(wanted, **fields)  # type: ignore[arg-type]
    return str(caught.value)


def test_expected_without_a_file() -> None:
    assert message("expected") == (
        "reference: 'expected' was asked for, but the model has no expected.npz\n"
        "  allowed: auto, expected (with that file), or the id of a cell"
    )


def test_a_cell_that_does_not_exist() -> None:
    assert message("tf2.15.0-py3.11-cpu") == (
        "reference: there is no cell 'tf2.15.0-py3.11-cpu' in this matrix\n"
        "  allowed: auto, expected, or the id of a cell\n"
        "  hint: did you mean 'tf2.15.1-py3.11-cpu'?"
    )


def test_a_cell_that_failed() -> None:
    assert message(OLD.id, cells=[OLD], observations=[observation(OLD, **FAILED)]) == (
        "reference: cell 'tf2.4.4-py3.8-cpu' has no outputs: it ended with exception at load: "
        "ValueError Unknown layer: Scale and more\n"
        "  allowed: a cell that completes, auto, or expected"
    )


def test_a_cell_that_was_not_run() -> None:
    assert "has no outputs: it was not run\n" in message(OLD.id, observations=[])


def test_a_cell_that_was_never_published() -> None:
    reason = Reason(code="no-wheel", message="no wheel of 2.4.4 for Python 3.13")
    planned = [PlannedCell(cell=OLD, unavailable=reason)]
    with pytest.raises(NoReferenceError, match=r"has no outputs: no wheel of 2\.4\.4"):
        elect(OLD.id, planned, seen(), writer=Writer(), expected=False, agreement=unasked)


def test_only_the_first_loader_can_be_the_reference() -> None:
    planned = [PlannedCell(cell=one) for one in (OLD, NEW)]
    others = [observation(NEW, loader="session")]
    sweep = seen([observation(OLD), observation(NEW, **FAILED)], readable, others=others)
    assert (
        elect(
            "auto",
            planned,
            sweep,
            writer=Writer(),
            expected=False,
            agreement=agreed(planned, sweep),
        ).cell
        == OLD.id
    )
