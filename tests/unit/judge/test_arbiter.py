"""Who is closer to a float64 run: what is told, and when nothing is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.cell import Cell
from harness.judge.arbiter import ROUNDING, Float64, arbitrate, factor_of
from harness.observation import Ending, InputFacts, Observation
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, StringTensor, Tensor
from harness.verdict import Arbiter, Reference, TruthDistance
from tests.support.fakes import cell
from tests.support.observed import given as arrays_of
from tests.support.observed import observation, seen

OLD, MIDDLE, NEW = cell("2.4.4", "3.8"), cell("2.15.1", "3.11"), cell("2.21.0", "3.13")
CELLS = (OLD, MIDDLE, NEW)
REFERENCE = Reference(cell=MIDDLE.id, why="named")
ULP = 2.0**-23
"""Of a float32 from 1 to 2, which is the scale of `TRUTH`."""
TRUTH = np.linspace(1, 1.5, 800).reshape(200, 4)

Outputs = Mapping[str, Tensor]


def outputs(array: Any, name: str = "y") -> Outputs:
    array = np.asarray(array)
    return {name: NumericTensor(array.dtype.name, array)}


def off_by(ulps: float) -> Outputs:
    """Outputs whose every number is so far from the truth, which float64 holds exactly."""
    return outputs(TRUTH + ulps * ULP)


def runs(**of: Outputs | Exception) -> Float64:
    """Float64 runs by TensorFlow's version without dots."""

    def give(one: Observation) -> Outputs | None:
        found = of.get("v" + one.cell.split("-")[0][2:].replace(".", ""))
        if isinstance(found, Exception):
            raise found
        return found

    return give


def judged(
    own: Mapping[str, Outputs],
    float64: Float64,
    reference: Reference = REFERENCE,
    observations: tuple[Observation, ...] | None = None,
    expected: Outputs | None = None,
) -> Arbiter | None:
    ran = observations or tuple(observation(one) for one in CELLS)
    return arbitrate(
        [PlannedCell(cell=one) for one in CELLS],
        seen(ran, arrays_of(own)),
        reference,
        float64,
        expected=lambda: expected,
        block=7,
    )


OWN = {OLD.id: off_by(4), MIDDLE.id: off_by(1), NEW.id: off_by(-1)}


def of(arbiter: Arbiter | None, one: Cell | None) -> TruthDistance:
    assert arbiter is not None
    (found,) = [each for each in arbiter.distances if each.cell == (one and one.id)]
    return found


def test_nothing_is_told_where_no_float64_run_was_made() -> None:
    assert judged(OWN, runs()) is None


def test_distances_are_in_ulps_of_the_output_and_in_its_units() -> None:
    arbiter = judged(OWN, runs(v2151=outputs(TRUTH)))
    assert arbiter is not None
    assert (arbiter.cell, arbiter.runs, arbiter.agreement) == (MIDDLE.id, (MIDDLE.id,), None)
    assert arbiter.why == "the reference's own; no other cell has one to agree with it"
    far = of(arbiter, OLD)
    assert (far.rms_ulp, far.max_ulp) == (pytest.approx(4), pytest.approx(4))
    assert far.outputs["y"].max_abs == pytest.approx(4 * ULP)
    assert far.outputs["y"].rms == pytest.approx(4 * ULP)
    assert far.factor == pytest.approx(4)
    assert of(arbiter, MIDDLE).factor is None
    assert of(arbiter, NEW).rms_ulp == pytest.approx(1)
    assert of(arbiter, NEW).factor is None


def test_a_cell_may_be_closer_than_the_reference() -> None:
    arbiter = judged(OWN, runs(v2151=outputs(TRUTH)), Reference(cell=OLD.id, why=""))
    assert arbiter is not None
    assert of(arbiter, MIDDLE).factor == pytest.approx(1 / 4)


def test_the_reference_s_own_run_goes_first_and_others_have_to_agree() -> None:
    near = outputs(TRUTH * (1 + 1e-12))
    arbiter = judged(OWN, runs(v244=near, v2151=outputs(TRUTH), v2210=near))
    assert arbiter is not None
    assert (arbiter.cell, arbiter.runs) == (MIDDLE.id, (MIDDLE.id, OLD.id, NEW.id))
    assert arbiter.agreement == pytest.approx(1e-12, rel=1e-3)
    assert arbiter.why == "the reference's own; within 1e-12 of the largest number in 2 other cells"
    first = judged(OWN, runs(v244=near, v2210=near))
    assert first is not None
    assert first.cell == OLD.id
    assert first.why == "the first there is; the same number for number in 1 other cell"


@pytest.mark.parametrize("share", [1e-8, 0.25])
def test_nothing_is_told_where_the_runs_disagree(share: float) -> None:
    other = TRUTH.copy()
    other[3, 2] += share * 1.5  # 1.5 is the largest number
    arbiter = judged(OWN, runs(v2151=outputs(TRUTH), v2210=outputs(other)))
    assert arbiter is not None
    assert (arbiter.cell, arbiter.distances) == (None, ())
    assert arbiter.agreement == pytest.approx(share, rel=1e-6)
    assert arbiter.why == (
        f"cannot be told: the float64 runs of {MIDDLE.id} and {NEW.id} differ by {share:.2g} of the"
        " largest number, which is more than 1e-09: they do not compute the same, whatever the"
        " rounding"
    )


def test_runs_that_have_other_outputs_disagree_in_kind() -> None:
    broken = TRUTH.copy()
    broken[0, 0] = math.nan
    two = {**outputs(TRUTH, "a"), **outputs(TRUTH, "b")}
    for other in (outputs(TRUTH[:3]), outputs(broken), two):
        arbiter = judged(OWN, runs(v244=other, v2151=outputs(TRUTH), v2210=other))
        assert arbiter is not None
        assert (arbiter.cell, arbiter.agreement) == (None, None)
        assert f"{MIDDLE.id} and {OLD.id} (and 1 more) differ in kind" in arbiter.why


def test_a_run_that_cannot_be_read_is_named() -> None:
    broken = ValueError("float64.npz holds\nsomething else")
    words = f"the float64 run of {OLD.id} cannot be read: float64.npz holds something else"
    alone = judged(OWN, runs(v244=broken))
    assert alone == Arbiter(cell=None, why=words)
    beside = judged(OWN, runs(v244=broken, v2151=outputs(TRUTH)))
    assert beside is not None
    assert (beside.cell, beside.why.split("; ")[-1]) == (MIDDLE.id, words)


def test_expected_outputs_are_measured_as_well() -> None:
    recorded = outputs((TRUTH + 3 * ULP).astype(np.float32))
    arbiter = judged(
        OWN, runs(v244=outputs(TRUTH)), Reference(cell=None, why="expected.npz"), expected=recorded
    )
    assert arbiter is not None
    assert of(arbiter, None).rms_ulp == pytest.approx(3, rel=0.1)
    assert of(arbiter, MIDDLE).factor == pytest.approx(1 / 3, rel=0.1)
    assert of(arbiter, OLD).factor is None
    named = judged(OWN, runs(v244=outputs(TRUTH)), expected=recorded)
    assert of(named, None).factor == pytest.approx(3, rel=0.1)


def test_errors_of_several_outputs_are_pooled_each_at_its_own_scale() -> None:
    large = TRUTH * 1024
    truth = {**outputs(TRUTH, "a"), **outputs(large[:50], "b"), **outputs(np.zeros((200, 1)), "c")}
    found = {
        **outputs(TRUTH + 2 * ULP, "a"),
        **outputs(large[:50] + 1024 * ULP, "b"),
        **outputs(np.full((200, 1), 1e-3), "c"),
    }
    arbiter = judged({**dict.fromkeys(OWN, truth), OLD.id: found}, runs(v2151=truth))
    far = of(arbiter, OLD)
    # (800 * 2**2 + 200 * 1**2) / 1000 elements; an output that is 0 everywhere has no scale.
    assert far.rms_ulp == pytest.approx(math.sqrt(3.4))
    assert far.max_ulp == pytest.approx(2)
    assert far.outputs["b"].rms_ulp == pytest.approx(1)
    assert (far.outputs["c"].max_abs, far.outputs["c"].rms_ulp) == (1e-3, None)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (outputs(TRUTH[:1]), "output 'y' has another type or shape"),
        (outputs(np.ones((200, 4), np.int64)), "output 'y' has another type or shape"),
        ({"y": StringTensor((1,), (b"",))}, "output 'y' has another type or shape"),
        ({**outputs(TRUTH, "a"), **outputs(TRUTH, "b")}, "it names its outputs otherwise"),
        (outputs(TRUTH * math.nan), "output 'y' has NaN or Inf elsewhere than the float64 run"),
    ],
)
def test_what_cannot_be_measured_is_told(found: Outputs, problem: str) -> None:
    arbiter = judged({**OWN, OLD.id: found}, runs(v2151=outputs(TRUTH)))
    assert of(arbiter, OLD) == TruthDistance(cell=OLD.id, problem=problem)
    assert of(arbiter, NEW).rms_ulp == pytest.approx(1)


def test_a_single_output_may_have_another_name() -> None:
    own = {**OWN, OLD.id: outputs(TRUTH + 2 * ULP, "dense_1")}
    assert of(judged(own, runs(v2151=outputs(TRUTH))), OLD).rms_ulp == pytest.approx(2)


def test_cells_that_are_not_what_they_say_have_no_part() -> None:
    observations = (
        observation(OLD, ending=Ending.EXCEPTION),
        observation(MIDDLE),
        observation(NEW, actual={"tensorflow": "2.20.0"}),
    )
    arbiter = judged(
        OWN, runs(v244=outputs(TRUTH), v2151=outputs(TRUTH)), observations=observations
    )
    assert arbiter is not None
    assert [one.cell for one in arbiter.distances] == [MIDDLE.id]


def test_only_equal_inputs_are_compared() -> None:
    other = InputFacts(source="inputs.npz", digest="others")
    observations = (observation(OLD, inputs=other), observation(MIDDLE), observation(NEW))
    arbiter = judged(OWN, runs(v244=outputs(TRUTH * 2), v2151=outputs(TRUTH)),
                     observations=observations)  # fmt: skip
    assert arbiter is not None
    assert arbiter.runs == (MIDDLE.id,)
    assert of(arbiter, OLD).problem == "it was fed other inputs"


def test_outputs_that_cannot_be_read_have_no_distance() -> None:
    arbiter = judged({MIDDLE.id: off_by(1)}, runs(v2151=outputs(TRUTH)))
    assert of(arbiter, OLD).problem == "no such file"


def test_whole_numbers_have_no_rounding() -> None:
    arbiter = judged(OWN, runs(v2151=outputs(np.arange(4))))
    assert arbiter is not None
    assert (arbiter.cell, arbiter.why) == (None, "no output is a floating-point number")


def test_the_rule_for_a_factor() -> None:
    # exp(3 / sqrt(9)) = e
    assert factor_of(2.72, 1, 9) == pytest.approx(2.72)
    assert factor_of(2.71, 1, 9) is None
    assert factor_of(1, 2.72, 9) == pytest.approx(1 / 2.72)
    # With many samples 1.5 is asked for all the same.
    assert factor_of(1.49, 1, 10**6) is None
    assert factor_of(1.51, 1, 10**6) == pytest.approx(1.51)
    # Below what rounding the output costs nothing is closer.
    assert factor_of(0.25, 0.001, 10**6) is None
    assert factor_of(1.0, 0.0, 10**6) == pytest.approx(1 / ROUNDING)
    assert factor_of(5, 1, 0) is None


@pytest.mark.parametrize("count", [4, 16, 64, 1024])
def test_chance_alone_rarely_gives_a_factor(count: int) -> None:
    state = np.random.RandomState(count)
    draws = np.sqrt(np.mean(state.standard_normal((2, 2000, count)) ** 2, axis=2))
    told = sum(factor_of(a, b, count) is not None for a, b in zip(*draws, strict=True))
    assert told / 2000 < 0.01


@pytest.mark.parametrize("count", [64, 1024])
def test_twice_the_error_is_told_with_samples_enough(count: int) -> None:
    state = np.random.RandomState(count)
    draws = np.sqrt(np.mean(state.standard_normal((2, 500, count)) ** 2, axis=2))
    told = [factor_of(2 * a, b, count) for a, b in zip(*draws, strict=True)]
    assert sum(one is not None and one > 1 for one in told) / 500 > 0.95
