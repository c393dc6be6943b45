"""The noise floor over variations: what it explains, what it must not, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.divergence import NoiseFloor, OutputDivergence
from harness.judge.judge import judge
from harness.judge.noise import ROUNDING_MARGIN, Floor, Kind, Noise, kind_of
from harness.model.model import Tolerance
from harness.observation import Observation
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, Tensor
from harness.verdict import Judgement, Reference, Verdict
from tests.support.fakes import cell
from tests.support.observed import absent, observation, seen
from tests.support.observed import given as arrays

A, B = cell("2.4.4", "3.8"), cell("2.15.1", "3.11")
STEP = 2.0**-6
"""Far beyond the tolerance of float32 near 1."""


def values(shift: float = 0.0) -> dict[str, Tensor]:
    return {"p": NumericTensor("float32", np.array([[0.5 + shift, 0.25]], np.float32))}


def classes(*indices: int) -> dict[str, Tensor]:
    return {"class": NumericTensor("int64", np.array(indices, np.int64))}


Varied = Mapping[str, Mapping[str, Tensor] | None]
"""What variations gave, by name; None: the same bits."""


def judge_varied(
    actual: Mapping[str, Tensor],
    varied: Varied,
    *,
    reference: Mapping[str, Tensor] | None = None,
    of_reference: Varied | None = None,
    tolerances: Mapping[str, Tolerance] | None = None,
    **fields: object,
) -> Judgement:
    """Judge B beside A, each with what its variations gave."""
    told = values() if reference is None else reference
    given = {A.id: of_reference or {}, B.id: varied}
    ran = [observation(one, **{**_facts(given[one.id]), **fields}) for one in (A, B)]

    def variation(one: Observation, name: str) -> Mapping[str, Tensor]:
        return given[one.cell][name] or absent(one)

    (found,) = judge(
        [PlannedCell(cell=B)],
        seen(ran, arrays({A.id: told, B.id: actual}), variation=variation),
        Reference(cell=A.id, why=""),
        told,
        reference_inputs=None,
        tolerances=tolerances or {},
        labels=None,
    )
    return found


def _facts(varied: Varied) -> dict[str, Any]:
    told = [
        {"name": name, "same": gave is None, "kept": gave is not None}
        for name, gave in varied.items()
    ]
    return {"deterministic": True, "variations": told}


def output(found: Judgement, name: str = "p") -> OutputDivergence:
    assert found.divergence is not None
    return found.divergence.outputs[name]


def code(found: Judgement) -> str | None:
    return None if found.reason is None else found.reason.code


def test_rounding_that_stays_within_tolerance_says_nothing() -> None:
    found = judge_varied(values(2.0**-20), {"ulp-1": values(2.0**-19), "batch-split": None})
    assert (found.verdict, found.reason) == (Verdict.EQUIVALENT, None)
    assert output(found).within == "tolerance"
    assert output(found).noise_abs == ROUNDING_MARGIN * 2.0**-20
    assert found.noise_floor == NoiseFloor(
        max_abs=2.0**-20, max_ulp=16, by={"repeat": 0, "ulp-1": 2.0**-20, "batch-split": 0}
    )


def test_where_nothing_moves_noise_allows_nothing() -> None:
    found = judge_varied(values(), {"ulp-1": None})
    assert (found.verdict, output(found).within) == (Verdict.IDENTICAL, None)
    assert output(found).noise_abs == 0
    assert found.noise_floor == NoiseFloor(max_abs=0, max_ulp=0, by={"repeat": 0, "ulp-1": 0})


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [(ROUNDING_MARGIN, Verdict.EQUIVALENT), (ROUNDING_MARGIN + 1, Verdict.DIVERGED)],
)
def test_what_one_ulp_does_explains_a_few_times_as_much(steps: float, verdict: Verdict) -> None:
    shift = steps * STEP
    found = judge_varied(values(shift), {"ulp-1": values(shift + STEP)})
    assert found.verdict is verdict
    assert output(found).within == ("noise" if verdict is Verdict.EQUIVALENT else None)
    assert output(found).noise_abs == ROUNDING_MARGIN * STEP


def test_an_ill_conditioned_model_is_never_silently_green() -> None:
    found = judge_varied(values(2 * STEP), {"ulp-1": values(3 * STEP)})
    assert found.verdict is Verdict.EQUIVALENT
    assert found.reason is not None
    assert found.reason.code == "ill-conditioned"
    assert found.reason.message == (
        "one ULP of the inputs moves output 'p' by up to 0.016 (rel 0.029), which is beyond "
        "tolerance: smaller differences say nothing"
    )
    assert found.reason.evidence == "output 'p': one ULP of the inputs moves it by up to 0.016"
    assert found.reason.remedy.startswith("No environment can give these numbers more exactly.")
    assert output(found).message == (
        "no more than noise: one ULP of the inputs moves it by up to 0.016"
    )


def test_a_cell_that_agrees_bit_for_bit_says_so_too() -> None:
    found = judge_varied(values(), {"ulp-1": values(STEP)})
    assert (found.verdict, code(found)) == (Verdict.IDENTICAL, "ill-conditioned")


def test_beyond_what_one_ulp_does_both_numbers_are_named() -> None:
    found = judge_varied(values(32 * STEP), {"ulp-1": values(33 * STEP)})
    assert (found.verdict, code(found)) == (Verdict.DIVERGED, "numbers")
    assert found.reason is not None
    assert found.reason.message.endswith(
        "; ill-conditioned: one ULP of the inputs moves it by up to 0.016"
    )


def test_the_floor_of_the_reference_counts_too() -> None:
    found = judge_varied(values(STEP), {"ulp-1": None}, of_reference={"ulp-1": values(STEP)})
    assert (found.verdict, code(found)) == (Verdict.EQUIVALENT, "ill-conditioned")
    assert output(found).noise_abs == ROUNDING_MARGIN * STEP
    assert found.noise_floor is not None
    assert found.noise_floor.max_abs == 0  # its own


def test_the_worst_draw_is_the_floor() -> None:
    draws = {"ulp-1": values(2.0**-20), "ulp-2": values(STEP), "ulp-3": None}
    found = judge_varied(values(), draws)
    assert found.noise_floor is not None
    assert found.noise_floor.max_abs == STEP
    assert found.noise_floor.by == {
        "repeat": 0,
        "ulp-1": 2.0**-20,
        "ulp-2": STEP,
        "ulp-3": 0,
    }


def test_other_thread_counts_explain_a_difference() -> None:
    shift = ROUNDING_MARGIN * STEP
    found = judge_varied(values(shift), {"ulp-1": None, "threads-n": values(shift + STEP)})
    assert (found.verdict, code(found)) == (Verdict.EQUIVALENT, "noise")
    assert found.reason is not None
    assert found.reason.message == (
        "output 'p' is within noise: other thread counts move it by up to 0.016"
    )
    assert "thread counts" in found.reason.remedy
    farther = judge_varied(values(shift + STEP), {"threads-n": values(shift + 2 * STEP)})
    assert farther.verdict is Verdict.DIVERGED


def test_what_depends_on_the_batch_explains_nothing() -> None:
    """Batch normalisation in training mode: another batch gives other outputs, rightly."""
    found = judge_varied(values(STEP), {"ulp-1": values(STEP), "batch-split": values(0.25)})
    assert found.verdict is Verdict.DIVERGED
    assert found.noise_floor == NoiseFloor(
        max_abs=0,
        max_ulp=0,
        by={"repeat": 0, "ulp-1": 0, "batch-split": 0.25 - STEP},
        not_counted=("batch-split",),
    )


def test_a_batch_that_rounds_otherwise_counts() -> None:
    found = judge_varied(values(), {"batch-split": values(2.0**-20)})
    assert found.noise_floor is not None
    assert (found.noise_floor.max_abs, found.noise_floor.not_counted) == (2.0**-20, ())
    assert output(found).noise_abs == ROUNDING_MARGIN * 2.0**-20


def test_an_ill_conditioned_model_is_not_said_to_depend_on_its_batch() -> None:
    found = judge_varied(values(), {"ulp-1": values(STEP), "batch-split": values(2 * STEP)})
    assert found.noise_floor is not None
    assert (found.noise_floor.max_abs, found.noise_floor.not_counted) == (STEP, ())


def test_an_index_that_one_ulp_changes_is_not_determined() -> None:
    steady = classes(0, 1, 2, 3, 4, 5)
    found = judge_varied(
        classes(0, 1, 2, 3, 4, 9), {"ulp-1": classes(0, 1, 2, 3, 4, 5)}, reference=steady
    )
    assert (found.verdict, code(found)) == (Verdict.EQUIVALENT, "ill-conditioned")
    assert output(found, "class").within == "noise"
    assert output(found, "class").noise_abs is None
    assert found.reason is not None
    assert found.reason.message == (
        "one ULP of the inputs changes 1 element of output 'class': smaller differences say nothing"
    )
    far = judge_varied(
        classes(7, 8, 9, 3, 4, 9), {"ulp-1": classes(7, 8, 9, 3, 4, 5)}, reference=steady
    )
    assert far.verdict is Verdict.DIVERGED


def test_repeats_that_disagree_come_first() -> None:
    found = judge_varied(values(), {"ulp-1": values(STEP)}, deterministic=False)
    assert code(found) == "nondeterministic"


def test_a_tolerance_of_the_user_decides_what_is_ill_conditioned() -> None:
    wide = {"*": Tolerance(atol=1.0, rtol=0.0)}
    found = judge_varied(values(STEP), {"ulp-1": values(2 * STEP)}, tolerances=wide)
    assert (found.verdict, found.reason) == (Verdict.EQUIVALENT, None)
    assert output(found).within == "tolerance"


def test_arrays_that_are_gone_were_not_measured() -> None:
    one = observation(
        B, deterministic=True, variations=[{"name": "ulp-1", "same": False, "kept": True}]
    )
    (found,) = judge(
        [PlannedCell(cell=B)],
        seen([one], arrays({B.id: values(STEP)})),
        Reference(cell=None, why=""),
        values(),
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    assert found.verdict is Verdict.DIVERGED
    assert found.noise_floor == NoiseFloor(max_abs=0, max_ulp=0, by={"repeat": 0})


def test_what_was_not_done_was_not_measured() -> None:
    told = [{"name": "threads-1", "problem": "not done: it is late"}]
    one = observation(B, deterministic=None, variations=told)
    (found,) = judge(
        [PlannedCell(cell=B)],
        seen([one], arrays({B.id: values()})),
        Reference(cell=None, why=""),
        values(),
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    assert found.noise_floor is None
    assert output(found).noise_abs is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("repeat", Kind.REPEAT),
        ("ulp-1", Kind.ULP),
        ("ulp-12", Kind.ULP),
        ("threads-n", Kind.THREADS),
        ("batch-one", Kind.BATCH),
        ("float64", None),
        ("ulpine", None),
    ],
)
def test_only_what_is_known_is_noise(name: str, kind: Kind | None) -> None:
    assert kind_of(name) is kind


def test_another_precision_is_no_noise() -> None:
    found = judge_varied(values(STEP), {"float64": values(2 * STEP)})
    assert found.verdict is Verdict.DIVERGED
    assert found.noise_floor == NoiseFloor(max_abs=0, max_ulp=0, by={"repeat": 0})


FLOATS = hnp.arrays(np.float32, 4, elements=st.floats(-8, 8, width=32))


def floats(array: NDArray[Any]) -> dict[str, Tensor]:
    return {"p": NumericTensor("float32", array)}


@given(FLOATS, FLOATS, st.sampled_from(["ulp-1", "batch-split", "threads-1"]))
def test_a_variation_never_makes_a_verdict_worse(
    actual: NDArray[Any], moved: NDArray[Any], name: str
) -> None:
    order = [Verdict.IDENTICAL, Verdict.EQUIVALENT, Verdict.DIVERGED]
    reference = floats(np.zeros(4, np.float32))
    quiet = judge_varied(floats(actual), {}, reference=reference)
    noisy = judge_varied(floats(actual), {name: floats(moved)}, reference=reference)
    assert order.index(noisy.verdict) <= order.index(quiet.verdict)
    if quiet.verdict is not noisy.verdict:
        assert noisy.reason is not None
        assert output(noisy).within == "noise"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_difference_never_gets_a_better_verdict(
    near: float, far: float, step: float
) -> None:
    order = [Verdict.IDENTICAL, Verdict.EQUIVALENT, Verdict.DIVERGED]
    near, far = sorted((near, far))
    zeros = np.zeros((1, 2), np.float64)
    floor = {"ulp-1": {"p": NumericTensor("float64", zeros + step)}}
    verdicts = [
        judge_varied(
            {"p": NumericTensor("float64", zeros + shift)},
            {},
            reference={"p": NumericTensor("float64", zeros)},
            of_reference=floor,
        ).verdict
        for shift in (near, far)
    ]
    assert order.index(verdicts[0]) <= order.index(verdicts[1])


def test_the_floor_is_the_largest_distance_of_all() -> None:
    near, far = 2.0**-20, 1.5 * 2.0**-20
    found = judge_varied(
        values(), {"ulp-1": values(near), "threads-1": values(2.0**-20 + 2.0**-21)}
    )
    assert found.noise_floor is not None
    assert found.noise_floor.max_abs == far
    assert output(found).noise_abs == ROUNDING_MARGIN * far


def test_the_one_that_allows_most_speaks_for_all() -> None:
    floor = Floor(
        {
            "ulp-1": {"a": Noise(0.5, 5, kind=Kind.ULP), "b": Noise(0.125, 1, kind=Kind.ULP)},
            "threads-1": {"b": Noise(0.375, 3, kind=Kind.THREADS)},
        }
    )
    assert floor.worst["a"].kind is Kind.ULP
    assert floor.worst["b"] == Noise(0.375, 3, kind=Kind.THREADS)
    assert floor.worst["b"].allowed_distance == 3.0
    assert floor.of(Kind.ULP)["b"].allowed_distance == 1.0
