from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from harness.cell import Cell
from harness.errors import NoReferenceError
from harness.judge.reference import elect
from harness.model.model import Writer
from harness.observation import Ending, Failure, Observation, Stage
from harness.plan.plan import PlannedCell
from harness.tensor import Tensor
from harness.verdict import Reason, Reference
from tests.support.fakes import cell
from tests.support.observed import observation, seen

OLD, MIDDLE, NEW = cell("2.4.4", "3.8"), cell("2.15.1", "3.11"), cell("2.21.0", "3.13")
FAILED = {
    "ending": Ending.EXCEPTION,
    "stage": Stage.LOAD,
    "failure": Failure(type="ValueError", message="Unknown layer: Scale\nand more"),
}


def readable(_: Observation) -> Mapping[str, Tensor]:
    return {}


def choose(
    wanted: str = "auto",
    cells: Sequence[Cell] = (OLD, MIDDLE, NEW),
    observations: Sequence[Observation] | None = None,
    writer: Writer = Writer(),  # noqa: B008
    expected: bool = False,
) -> Reference:
    ran = [observation(one) for one in cells] if observations is None else observations
    return elect(
        wanted,
        [PlannedCell(cell=one) for one in cells],
        seen(ran, readable),
        writer=writer,
        expected=expected,
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


def test_the_newest_where_nothing_says_who_wrote_it() -> None:
    assert choose() == Reference(
        cell=NEW.id,
        why="the newest release that runs the model: the files do not say what wrote them",
    )


def test_the_newest_where_the_writer_did_not_run() -> None:
    ran = [observation(OLD), observation(MIDDLE), observation(NEW, **FAILED)]
    found = choose(observations=ran, writer=Writer(tensorflow="2.21.0", keras="3.12.0"))
    assert found == Reference(
        cell=MIDDLE.id,
        why="the newest release that runs the model: its files say TensorFlow 2.21.0 and "
        "Keras 3.12.0 wrote it, which no cell here that completed has",
    )


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
    found = elect("auto", planned, sweep, writer=Writer(), expected=False)
    assert found.cell == OLD.id
    with pytest.raises(NoReferenceError, match="has no outputs: half a file"):
        elect(NEW.id, planned, sweep, writer=Writer(), expected=False)


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
        elect(OLD.id, planned, seen(), writer=Writer(), expected=False)


def test_only_the_first_loader_can_be_the_reference() -> None:
    planned = [PlannedCell(cell=one) for one in (OLD, NEW)]
    others = [observation(NEW, loader="session")]
    sweep = seen([observation(OLD), observation(NEW, **FAILED)], readable, others=others)
    assert elect("auto", planned, sweep, writer=Writer(), expected=False).cell == OLD.id
