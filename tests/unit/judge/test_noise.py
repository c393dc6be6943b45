from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.divergence import NoiseFloor
from harness.judge.compare import compare
from harness.judge.judge import judge
from harness.judge.metrics import measure
from harness.judge.noise import MARGIN, Floor, Noise, larger, noise
from harness.observation import Observation
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, StringTensor, Tensor
from harness.verdict import Judgement, Reason, Reference, Verdict
from tests.support.fakes import cell
from tests.support.observed import absent, observation, seen
from tests.support.observed import given as arrays

A, B = cell("2.4.4", "3.8"), cell("2.15.1", "3.11")
BASE = [[0.5, 0.25], [0.25, 0.5]]


def scores(shift: float = 0.0, dtype: str = "float32") -> dict[str, Tensor]:
    values = np.asarray(BASE, dtype)
    values[0, 0] += np.dtype(dtype).type(shift)
    return {"p": NumericTensor(dtype, values)}


def classes(*values: int) -> dict[str, Tensor]:
    return {"p": NumericTensor("int64", np.asarray(values, np.int64))}


def judge_noisy(
    first: dict[str, Tensor],
    second: dict[str, Tensor] | None,
    *,
    reference: dict[str, Tensor] | None = None,
    reference_second: dict[str, Tensor] | None = None,
    deterministic: bool | None = False,
) -> Judgement:
    """Judge B, whose inferences gave `first` and `second`, beside A."""
    told = scores() if reference is None else reference
    repeated = {} if second is None else {B.id: second}
    if reference_second is not None:
        repeated[A.id] = reference_second
    ran = [
        observation(A, deterministic=reference_second is None),
        observation(B, deterministic=deterministic),
    ]
    (judgement,) = judge(
        [PlannedCell(cell=B)],
        seen(ran, arrays({A.id: told, B.id: first}), repeat=arrays(repeated)),
        Reference(cell=A.id, why=""),
        told,
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    return judgement


def test_a_repeat_with_the_same_bits_has_no_noise() -> None:
    found = judge_noisy(scores(), None, deterministic=True)
    assert (found.verdict, found.reason) == (Verdict.IDENTICAL, None)
    assert found.noise_floor == NoiseFloor(max_abs=0, max_ulp=0, by={"repeat": 0})


def test_a_run_that_was_not_repeated_has_no_measured_noise() -> None:
    found = judge_noisy(scores(), None, deterministic=None)
    assert (found.reason, found.noise_floor) == (None, None)


def test_noise_within_tolerance_is_told() -> None:
    found = judge_noisy(scores(), scores(2.0**-20))
    assert found.verdict is Verdict.IDENTICAL
    assert found.noise_floor == NoiseFloor(max_abs=2.0**-20, max_ulp=16, by={"repeat": 2.0**-20})
    assert found.reason == Reason(
        code="nondeterministic",
        message="repeats of the inference in this environment disagree by up to 9.5e-07",
        evidence="output 'p': repeats disagree by up to 9.5e-07",
    )


def test_a_distance_that_noise_explains_is_equivalent() -> None:
    found = judge_noisy(scores(0.125), scores(0.25))
    assert (found.verdict, found.deterministic) == (Verdict.EQUIVALENT, False)
    assert found.noise_floor == NoiseFloor(max_abs=0.125, max_ulp=1 << 21, by={"repeat": 0.125})
    assert found.divergence is not None
    assert found.divergence.max_abs == 0.125
    output = found.divergence.outputs["p"]
    assert (output.status, output.mismatched) == ("equivalent", 1)
    assert output.message == "no more than noise: repeats disagree by up to 0.12"
    assert found.reason is not None
    assert found.reason.code == "nondeterministic"
    assert found.reason.remedy.startswith("Save the model so that dropout")


@pytest.mark.parametrize(
    ("shift", "verdict"), [(MARGIN * 0.125, Verdict.EQUIVALENT), (0.375, Verdict.DIVERGED)]
)
def test_beyond_the_noise_is_diverged(shift: float, verdict: Verdict) -> None:
    assert judge_noisy(scores(shift), scores(shift + 0.125)).verdict is verdict


def test_beyond_the_noise_names_both_numbers() -> None:
    found = judge_noisy(scores(0.375), scores(0.5))
    assert found.reason is not None
    assert found.reason.message == (
        "output 'p': differs by up to 0.38 (rel 0.75) in sample 0 at [0, 0], 1 of 4 elements "
        "beyond atol 1e-05, rtol 1e-05 (atol = rtol = 0.25 would pass); 0 of 2 decisions changed; "
        "nondeterministic: repeats disagree by up to 0.12"
    )
    assert found.reason.code == "numbers"


def test_the_noise_of_the_reference_counts_too() -> None:
    found = judge_noisy(scores(0.125), None, reference_second=scores(0.25), deterministic=True)
    assert (found.verdict, found.deterministic) == (Verdict.EQUIVALENT, True)
    assert found.noise_floor == NoiseFloor(max_abs=0, max_ulp=0, by={"repeat": 0})
    assert found.reason is not None
    assert found.reason.message == (
        "repeats of the inference in the reference's environment disagree by up to 0.25"
    )


def test_the_noise_of_the_reference_is_not_told_where_it_explains_nothing() -> None:
    found = judge_noisy(scores(), None, reference_second=scores(0.25), deterministic=True)
    assert (found.verdict, found.reason) == (Verdict.IDENTICAL, None)


def test_repeats_that_were_not_kept() -> None:
    found = judge_noisy(scores(), None)
    assert (found.verdict, found.noise_floor) == (Verdict.IDENTICAL, None)
    assert found.reason is not None
    assert found.reason.message == (
        "repeats of the inference in this environment disagree, by how much cannot be told"
    )
    assert judge_noisy(scores(0.125), None).verdict is Verdict.DIVERGED


def test_exact_types_are_counted() -> None:
    steady = classes(1, 2, 3, 4, 5, 6)
    found = judge_noisy(classes(9, 9, 3, 4, 5, 6), classes(9, 2, 3, 4, 5, 6), reference=steady)
    assert found.verdict is Verdict.EQUIVALENT
    found = judge_noisy(classes(9, 9, 9, 4, 5, 6), classes(9, 9, 3, 4, 5, 6), reference=steady)
    assert found.verdict is Verdict.DIVERGED
    assert found.reason is not None
    assert found.reason.message.endswith("; nondeterministic: repeats disagree by up to 6")


def test_strings_have_no_floor_but_a_count() -> None:
    one: dict[str, Tensor] = {"p": StringTensor((2,), (b"a", b"b"))}
    other: dict[str, Tensor] = {"p": StringTensor((2,), (b"a", b"c"))}
    found = judge_noisy(one, other, reference=other)
    assert (found.verdict, found.noise_floor) == (Verdict.EQUIVALENT, None)
    assert found.reason is not None
    assert found.reason.message.endswith("disagree in 1 element")


def test_what_has_no_distance_is_no_noise() -> None:
    found = judge_noisy(scores(np.nan), scores())
    assert (found.verdict, found.noise_floor) == (Verdict.DIVERGED, None)


def test_a_repeat_of_the_reference_itself() -> None:
    one = observation(A, deterministic=False)
    (found,) = judge(
        [PlannedCell(cell=A)],
        seen([one], absent, repeat=arrays({A.id: scores(0.25)})),
        Reference(cell=A.id, why=""),
        scores(),
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    assert found.verdict is Verdict.IDENTICAL
    assert found.noise_floor is not None
    assert found.noise_floor.max_abs == 0.25


def test_floors_are_the_worst_of_the_outputs() -> None:
    floor = Floor({"repeat": {"a": Noise(0.5, 3), "b": Noise(0.25, 9), "c": Noise(differing=4)}})
    assert floor.total() == NoiseFloor(max_abs=0.5, max_ulp=9, by={"repeat": 0.5})
    assert Floor({"repeat": {"c": Noise(differing=4)}}).total() is None
    assert Floor().total() is None


def test_the_larger_noise_of_two() -> None:
    found = larger({"a": Noise(0.5, 3), "b": Noise(0.25, 9)}, {"a": Noise(0.25, 4, beyond=True)})
    assert found == {"a": Noise(0.5, 4, beyond=True), "b": Noise(0.25, 9)}


FLOATS = hnp.arrays(np.float32, 4, elements=st.floats(-8, 8, width=32))


def one(values: NDArray[Any]) -> dict[str, Tensor]:
    return {"p": NumericTensor("float32", values)}


@given(FLOATS, FLOATS, FLOATS)
def test_noise_never_makes_a_verdict_worse(
    first: NDArray[Any], second: NDArray[Any], reference: NDArray[Any]
) -> None:
    order = [Verdict.IDENTICAL, Verdict.EQUIVALENT, Verdict.DIVERGED]
    quiet = judge_noisy(one(first), None, reference=one(reference), deterministic=True)
    noisy = judge_noisy(one(first), one(second), reference=one(reference))
    assert order.index(noisy.verdict) <= order.index(quiet.verdict)
    assert noisy.divergence is not None
    assert quiet.divergence is not None
    assert noisy.divergence.max_abs == quiet.divergence.max_abs


@given(FLOATS, FLOATS)
def test_a_cell_is_within_the_noise_of_its_own_repeat(
    first: NDArray[Any], second: NDArray[Any]
) -> None:
    noises = noise(compare(one(second), one(first), {}))
    found = compare(one(second), one(first), {}, noise=noises)
    assert found.outputs["p"].status != "diverged"


@given(FLOATS, FLOATS, st.floats(0, 4), st.floats(0, 1))
def test_a_floor_spares_what_is_within_it(
    a: NDArray[Any], b: NDArray[Any], allowed: float, atol: float
) -> None:
    actual, reference = (NumericTensor("float32", values) for values in (a, b))
    found = measure(actual, reference, atol=atol, rtol=0.0, floor=allowed)
    apart = np.abs(a.astype(np.float64) - b)
    assert found.mismatched == np.count_nonzero(apart > max(atol, allowed))


def test_old_observations_judge_as_before() -> None:
    old = Observation.model_validate_json(
        observation(B, deterministic=None).model_dump_json(
            exclude={"preprocessed", "restored", "training"}
        )
    )
    (found,) = judge(
        [PlannedCell(cell=B)],
        seen([old], arrays({B.id: scores(0.125)})),
        Reference(cell=None, why=""),
        scores(),
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    assert (found.verdict, found.noise_floor, found.training) == (Verdict.DIVERGED, None, None)
    assert (found.preprocess, found.equal_inputs, found.scores) == (None, None, None)
