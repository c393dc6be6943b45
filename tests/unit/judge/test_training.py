from __future__ import annotations

import math

import pytest

from harness.judge.judge import judge
from harness.judge.training import judge_training, measures
from harness.observation import Observation, Training
from harness.plan.plan import PlannedCell
from harness.verdict import Reference, TrainingJudgement, TrainingState
from tests.support.fakes import cell
from tests.support.observed import observation, seen

OLD, MIDDLE, NEW = cell("2.4.4", "3.8"), cell("2.15.1", "3.11"), cell("2.21.0", "3.13")
WHOLE = Training(
    optimizer="Adam",
    iterations=120,
    slots_expected=8,
    slots_found=8,
    loss_before=0.5,
    loss_after=0.25,
)
COMPILED = "keras.load_model.compiled"


def ran(where: object = MIDDLE, **fields: object) -> Observation:
    changed = Training.model_validate(WHOLE.model_dump() | fields)
    return observation(where, loader=COMPILED, training=changed)  # type: ignore[arg-type]


def came(measure: Observation | None = None, **fields: object) -> TrainingJudgement | None:
    return judge_training(ran(NEW, **fields), ran() if measure is None else measure)


def test_a_state_that_is_all_there() -> None:
    assert came() == TrainingJudgement(
        state=TrainingState.KEPT,
        message="Adam, 8 of 8 slot variables, 120 steps made; loss 0.5 before and 0.25 after one "
        "step",
    )


def test_losses_as_near_as_one_step_in_float32_are_alike() -> None:
    assert came(loss_after=0.2501) == came()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"slots_found": 0}, "0 of 8 slot variables hold what the files hold"),
        ({"slots_found": None}, "0 of 8 slot variables hold what the files hold"),
        ({"iterations": 0}, "its steps count from 0, not from 120"),
        ({"iterations": None}, "its steps count from 0, not from 120"),
        (
            {"optimizer": None, "slots_expected": None, "slots_found": None},
            "Adam was not loaded",
        ),
        (
            {"slots_found": 3, "iterations": 0, "problem": "no loss"},
            "3 of 8 slot variables hold what the files hold; its steps count from 0, not from 120",
        ),
    ],
)
def test_lost(fields: dict[str, object], message: str) -> None:
    assert came(**fields) == TrainingJudgement(state=TrainingState.LOST, message=message)


def test_files_without_any_state_kept_none() -> None:
    nothing = ran(slots_expected=0, slots_found=0, iterations=0)
    found = judge_training(nothing, nothing)
    assert found is not None
    assert found.state is TrainingState.UNTOLD
    assert found.message == (
        "the files hold no training state, it begins anew: Adam, 0 of 0 slot variables, "
        "0 steps made"
    )


def test_slots_are_lost_whatever_there_is_to_compare_with() -> None:
    found = judge_training(ran(slots_found=7), None)
    assert found is not None
    assert found.state is TrainingState.LOST


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"loss_after": 0.3}, "loss after one step 0.3, 0.25 in tf2.15.1-py3.11-cpu"),
        (
            {"loss_before": 0.6, "loss_after": math.nan},
            "loss before any step 0.6, 0.5 in tf2.15.1-py3.11-cpu (the model itself, or dropout "
            "that draws otherwise); "
            "loss after one step nan, 0.25 in tf2.15.1-py3.11-cpu",
        ),
        ({"iterations": 7}, "7 steps made, 120 in tf2.15.1-py3.11-cpu"),
    ],
)
def test_changed(fields: dict[str, object], message: str) -> None:
    assert came(**fields) == TrainingJudgement(state=TrainingState.CHANGED, message=message)


def test_a_step_that_could_not_be_made() -> None:
    assert came(problem="ValueError:\nno loss", loss_after=None) == TrainingJudgement(
        state=TrainingState.UNTOLD,
        message="no training step could be made: ValueError: no loss",
    )


def test_nothing_to_compare_with() -> None:
    assert judge_training(ran(), None) == TrainingJudgement(
        state=TrainingState.UNTOLD,
        message="Adam, 8 of 8 slot variables, 120 steps made; nothing to compare its training step "
        "with",
    )


def test_no_training_state_is_nothing_to_say() -> None:
    assert judge_training(observation(NEW), ran()) is None
    nothing = {"optimizer": None, "slots_expected": 0, "slots_found": 0}
    assert judge_training(ran(**nothing), ran(**nothing)) is None


def test_the_reference_is_the_measure() -> None:
    lost = ran(OLD, slots_found=0, iterations=0)
    sweep = seen([lost, ran(), ran(NEW)])
    assert measures(sweep, OLD.id)[COMPILED] is lost


def test_without_a_reference_the_newest_that_kept_the_most_is_the_measure() -> None:
    ranked = [ran(OLD), ran(MIDDLE), ran(NEW, iterations=0)]
    assert measures(seen(ranked), None)[COMPILED] is ranked[1]
    ranked = [ran(OLD), ran(MIDDLE, problem="no loss"), ran(NEW, slots_found=7)]
    assert measures(seen(ranked), None)[COMPILED] is ranked[0]
    assert measures(seen([ran(NEW, slots_found=7)]), None) == {}


def test_a_reference_without_the_loader_is_none() -> None:
    sweep = seen([observation(OLD), ran(NEW)], others=[])
    assert measures(sweep, OLD.id)[COMPILED].cell == NEW.id


def test_it_stands_beside_the_verdict_of_its_loader() -> None:
    ran_first = [observation(MIDDLE), observation(NEW)]
    others = [ran(), ran(NEW, slots_found=0)]
    judgements = judge(
        [PlannedCell(cell=one) for one in (MIDDLE, NEW)],
        seen(ran_first, lambda _: {}, others=others),
        Reference(cell=MIDDLE.id, why=""),
        {},
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    states = [one.training.state if one.training else None for one in judgements]
    assert states == [TrainingState.KEPT, TrainingState.LOST]
    assert [loader.training for loader in judgements[1].loaders] == [None, judgements[1].training]
    assert {one.verdict.value for one in judgements} == {"identical"}
