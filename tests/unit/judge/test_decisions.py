from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.divergence import Decided, DecisionKind, Flip, OutputDivergence
from harness.judge.compare import compare
from harness.judge.decisions import Made, decisions
from harness.judge.margins import Allowance
from harness.judge.noise import Noise
from harness.judge.tasks import Rule
from harness.model.model import Tolerance
from harness.tensor import NumericTensor

CLASS = Rule(DecisionKind.CLASS, "")
SIDE = Rule(DecisionKind.SIDE, "", threshold=0.5)
NEIGHBOUR = Rule(DecisionKind.NEIGHBOUR, "")
NONE = Rule(DecisionKind.NONE, "")
EXACT = Allowance(0.0, 0.0)


def tensor(values: Any, dtype: str = "float64") -> NumericTensor:
    return NumericTensor(dtype, np.asarray(values, dtype))


def decide(
    actual: Any, reference: Any, rule: Rule, allowance: Allowance = EXACT, **more: Any
) -> Decided:
    made = decisions(tensor(actual), tensor(reference), rule, allowance, **more)
    assert made.decided is not None
    assert made.changed in (None, made.decided.near_ties + made.decided.clear)
    return made.decided


def flips(decided: Decided) -> list[tuple[tuple[int, ...], int, int, float, float, bool]]:
    return [
        (one.index, one.was, one.became, one.margin, one.moved, one.near_tie)
        for one in decided.flips
    ]


# Golden cases; every number is a dyadic fraction, so that the arithmetic is exact.


def test_the_margin_is_that_over_the_class_it_became() -> None:
    """Not that over the second best: 0.5 and 0.4375 are close, 0.0625 was never in question."""
    found = decide([[0.5, 0.4375, 0.75]], [[0.5, 0.4375, 0.0625]], CLASS, Allowance(0.125, 0.0))
    assert flips(found) == [((0,), 0, 2, 0.4375, 0.6875, False)]
    assert found.flips[0].allowed == 0.25
    assert (found.near_ties, found.clear) == (0, 1)


@pytest.mark.parametrize(
    ("allowance", "allowed", "near"),
    [
        (Allowance(0.0, 0.0), 0.0, False),
        (Allowance(0.03125, 0.0), 0.0625, False),
        (Allowance(0.0625, 0.0), 0.125, True),
        (Allowance(0.0, 0.125), 0.109375, False),
        (Allowance(0.0, 0.25), 0.21875, True),
        (Allowance(0.0, 0.0, floor=0.0625), 0.125, True),
        (Allowance(0.03125, 0.0, floor=0.0625), 0.125, True),
    ],
)
def test_a_near_tie_is_one_that_allowed_differences_of_both_classes_change(
    allowance: Allowance, allowed: float, near: bool
) -> None:
    found = decide([[0.4375, 0.4375 + 2**-10]], [[0.5, 0.375]], CLASS, allowance)
    assert found.flips[0].margin == 0.125
    assert found.flips[0].allowed == allowed
    assert (found.near_ties, found.clear) == (int(near), int(not near))


def test_sides_of_a_threshold() -> None:
    reference = [[0.5], [0.75], [0.25], [0.5625]]
    actual = [[0.5625], [0.25], [0.25], [0.5]]
    found = decide(actual, reference, SIDE, Allowance(0.0625, 0.0))
    assert flips(found) == [
        ((1, 0), 1, 0, 0.25, 0.5, False),
        ((3, 0), 1, 0, 0.0625, 0.0625, True),
        ((0, 0), 0, 1, 0.0, 0.0625, True),
    ]
    assert (found.near_ties, found.clear) == (2, 1)


def test_a_threshold_that_a_type_does_not_have_is_not_rounded() -> None:
    """The float32 nearest to 0.3 is above it, the one before is not."""
    above = np.float32(0.3)
    below = np.nextafter(above, np.float32(0))
    assert float(below) < 0.3 < float(above)
    rule = replace(SIDE, threshold=0.3)
    made = decisions(tensor([below], "float32"), tensor([above], "float32"), rule, EXACT)
    assert made.changed == 1
    huge = replace(SIDE, threshold=1e6)
    made = decisions(tensor([1], "float16"), tensor([np.inf], "float16"), huge, EXACT)
    assert made.changed == 1


def test_each_label_of_a_sample_has_its_side() -> None:
    made = decisions(tensor([[0.75, 0.25, 0.25]]), tensor([[0.75, 0.75, 0.25]]), SIDE, EXACT)
    assert (made.total, made.changed) == (3, 1)
    assert made.decided is not None
    assert made.decided.flips[0].index == (0, 1)


def test_nearest_neighbours() -> None:
    """Unit vectors at 0, 30 and 90 degrees; then the second is at 70, nearer to the third."""

    def at(*degrees: float) -> NDArray[np.float64]:
        radians = np.deg2rad(degrees)
        return np.stack([np.cos(radians), np.sin(radians)], axis=1)

    made = decisions(tensor(at(0, 70, 90)), tensor(at(0, 30, 90)), NEIGHBOUR, EXACT)
    assert (made.total, made.changed) == (3, 1)
    assert made.decided is not None
    (flip,) = made.decided.flips
    assert (flip.index, flip.was, flip.became, flip.near_tie) == ((1,), 0, 2, False)
    assert flip.margin == pytest.approx(math.cos(math.pi / 6) - math.cos(math.pi / 3))
    now = math.cos(math.radians(70)) - math.cos(math.radians(20))
    assert flip.moved == pytest.approx(flip.margin - now)


def test_what_has_no_direction_has_no_neighbour() -> None:
    reference = np.array([[1.0, 0], [1, 0.25], [0, 1], [0, 0], [math.nan, 1]])
    actual = np.array([[1.0, 0], [0.25, 1], [0, 1], [0, 0], [math.nan, 1]])
    made = decisions(tensor(actual), tensor(reference), NEIGHBOUR, EXACT)
    assert (made.total, made.changed) == (5, 1)
    nothing = np.zeros((4, 3))
    assert decisions(tensor(nothing + 1), tensor(nothing), NEIGHBOUR, EXACT).changed == 0


def test_either_of_two_equally_near_is_right() -> None:
    reference = np.array([[1.0, 0], [1, 1], [1, -1], [-1, 0.0]])
    actual = np.array([[1.0, 0], [1, 1], [1, -0.75], [-1, 0.0]])
    found = decide(actual, reference, NEIGHBOUR)
    assert [flip.sample for flip in found.flips] == []


@pytest.mark.parametrize("shape", [(), (3,), (2, 8), (0, 8), (3, 0)])
def test_of_fewer_than_three_samples_none_has_a_choice(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape)
    made = decisions(tensor(values), tensor(values), NEIGHBOUR, EXACT)
    assert (made.total, made.changed) == (0, 0)


def test_many_samples_or_values_are_cut_short() -> None:
    many = np.random.default_rng(0).normal(size=(3000, 2))
    made = decisions(tensor(many), tensor(many), NEIGHBOUR, EXACT)
    assert made.total == 1024
    wide = np.zeros((40, 2**20))
    assert decisions(tensor(wide), tensor(wide), NEIGHBOUR, EXACT).total == 22


def test_numbers_decide_nothing_and_have_an_order() -> None:
    made = decisions(tensor([[1.0], [3], [2]]), tensor([[1.0], [2], [3]]), NONE, EXACT)
    assert (made.total, made.changed) == (None, None)
    assert made.decided is not None
    assert made.decided.ranks is not None
    assert made.decided.ranks.least == 0.5


def test_only_the_gravest_flips_are_told() -> None:
    margins = np.arange(1, 9) / 16
    reference = np.stack([0.5 + margins / 2, 0.5 - margins / 2], axis=1)
    found = decide(reference[:, ::-1], reference, CLASS, Allowance(0.125, 0.0), block=2)
    assert (found.near_ties, found.clear) == (4, 4)
    assert [(flip.sample, flip.near_tie) for flip in found.flips] == [
        (7, False),
        (6, False),
        (5, False),
        (4, False),
        (3, True),
    ]


def test_nan_is_the_largest_as_numpy_has_it() -> None:
    found = decide([[1.0, math.nan]], [[2.0, 1.0]], CLASS, Allowance(10.0, 0.0))
    assert (found.near_ties, found.clear) == (0, 1)
    found = decide([[1.0, 3.0]], [[2.0, math.nan]], CLASS)
    assert found.near_ties + found.clear == 0
    found = decide([[math.inf, 1.0]], [[1.0, math.inf]], CLASS, Allowance(0.0, 1.0))
    assert (found.near_ties, found.clear) == (0, 1)
    Decided.model_validate_json(found.model_dump_json())


# Properties.

DTYPES = st.sampled_from(["float16", "float32", "float64"])
RULES = st.sampled_from([CLASS, SIDE, replace(SIDE, threshold=0.3), NEIGHBOUR])
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6)
LIMITS = st.sampled_from([0.0, 1e-6, 1e-3, 0.0625, 0.5])


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[Any], str]:
    """Return an actual and a reference array of one type, near each other or not."""
    dtype = draw(DTYPES)
    shape = draw(SHAPES)
    near = draw(st.sampled_from([0.0, 1e-6, 1e-3, 0.1, 2.0]))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    reference = generator.normal(0.5, 0.5, shape).astype(dtype)
    if draw(st.booleans()):
        reference = np.round(reference * 4) / 4  # ties
    actual = (reference + near * generator.normal(size=shape)).astype(dtype)
    return actual, reference.astype(dtype), dtype


def made_of(actual: NDArray[Any], reference: NDArray[Any], rule: Rule, allowed: Allowance) -> Made:
    dtype = reference.dtype.name
    return decisions(NumericTensor(dtype, actual), NumericTensor(dtype, reference), rule, allowed)


@given(cases(), RULES, LIMITS, LIMITS, LIMITS)
def test_what_is_within_tolerance_changes_near_ties_only(
    case: tuple[NDArray[Any], NDArray[Any], str],
    rule: Rule,
    atol: float,
    rtol: float,
    noise: float,
) -> None:
    actual, reference, dtype = case
    output = compare(
        {"y": NumericTensor(dtype, actual)},
        {"y": NumericTensor(dtype, reference)},
        {"y": Tolerance(atol=atol, rtol=rtol)},
        rules={"y": rule},
        noise={"y": Noise(max_abs=noise)},
    ).outputs["y"]
    assert output.decided is not None
    assert output.decided.near_ties + output.decided.clear == output.decisions_changed
    if output.status in ("identical", "equivalent"):
        assert output.decided.clear == 0
    for flip in output.decided.flips:
        assert flip.moved >= flip.margin * (1 - 1e-12) - 1e-12


@given(cases(), LIMITS, LIMITS)
def test_any_flip_at_the_edge_of_the_allowance_is_a_near_tie(
    case: tuple[NDArray[Any], NDArray[Any], str], atol: float, rtol: float
) -> None:
    """The two best classes are moved towards each other by exactly what is allowed."""
    _, stored, _ = case
    reference = stored.astype(np.float64)
    allowed = Allowance(atol, rtol)
    order = np.argsort(reference, axis=1)
    actual = reference.copy()
    rows = np.arange(len(reference))
    best, second = order[:, -1], order[:, -2]
    limit = atol + rtol * np.abs(reference)
    actual[rows, best] -= limit[rows, best]
    actual[rows, second] += limit[rows, second]
    within = np.abs(actual - reference) <= limit
    assume(within.all())  # not where rounding puts it beyond
    assert made_of(actual, reference, CLASS, allowed).decided.clear == 0  # type: ignore[union-attr]


def test_a_neighbour_at_the_edge_of_the_allowance_is_a_near_tie() -> None:
    """All three are turned as far as is allowed, towards the other order.

    The vectors lie on diagonals, where a step of t on both axes turns by t * sqrt(2). The first is
    0 apart from the second and 3.9 such turns farther from the third; they can make up for 4.
    """
    step = 0.01
    turn = step * math.sqrt(2)
    degrees = np.array([45.0, 135.0, -45.0 - np.rad2deg(3.9 * turn)])
    radians = np.deg2rad(degrees)
    reference = np.stack([np.cos(radians), np.sin(radians)], axis=1)
    actual = reference + step * np.array([[1, -1], [-1, -1], [1, 1]])
    found = decide(actual, reference, NEIGHBOUR, Allowance(step, 0.0))
    assert [(flip.sample, flip.was, flip.became) for flip in found.flips] == [(0, 1, 2)]
    assert found.near_ties == 1
    beyond = decide(actual, reference, NEIGHBOUR, Allowance(step * 0.9, 0.0))
    assert beyond.clear == 1


@given(st.integers(2, 6), st.sampled_from([1e-3, 0.05, 0.3]), st.integers(0, 2**32 - 1))
def test_neighbours_within_the_allowance_change_on_near_ties(
    values: int, atol: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    reference = generator.normal(size=(12, values))
    actual = reference + atol * generator.choice([-1.0, 1.0], size=reference.shape)
    limit = np.nextafter(np.abs(actual - reference).max(), 1)
    assert decide(actual, reference, NEIGHBOUR, Allowance(limit, 0.0)).clear == 0


@given(cases(), RULES, LIMITS, LIMITS, st.integers(-20, 20))
def test_scaling_outputs_and_tolerances_together_changes_nothing(
    case: tuple[NDArray[Any], NDArray[Any], str], rule: Rule, atol: float, rtol: float, power: int
) -> None:
    actual, reference = (values.astype(np.float64) for values in case[:2])
    scale = 2.0**power
    found = made_of(actual, reference, rule, Allowance(atol, rtol, atol / 4))
    if rule.threshold is not None:
        rule = replace(rule, threshold=rule.threshold * scale)
    scaled = made_of(
        actual * scale, reference * scale, rule, Allowance(atol * scale, rtol, atol * scale / 4)
    )
    assert (scaled.total, scaled.changed) == (found.total, found.changed)
    assert found.decided is not None
    assert scaled.decided is not None
    assert scaled.decided.near_ties == found.decided.near_ties
    assert scaled.decided.ranks == found.decided.ranks
    assert [flip.index for flip in scaled.decided.flips] == [
        flip.index for flip in found.decided.flips
    ]
    if rule.kind is not DecisionKind.NEIGHBOUR:
        assert [flip.margin for flip in scaled.decided.flips] == [
            flip.margin * scale for flip in found.decided.flips
        ]


@given(cases(), RULES, st.data())
def test_the_order_of_samples_and_of_classes_changes_nothing(
    case: tuple[NDArray[Any], NDArray[Any], str], rule: Rule, data: st.DataObject
) -> None:
    actual, reference = (values.astype(np.float64) for values in case[:2])
    distinct = all(len(set(row)) == len(row) for side in (actual, reference) for row in side)
    assume(distinct)  # of ties the first class counts as larger
    if rule.kind is DecisionKind.NEIGHBOUR:
        assume(_far_apart(actual) and _far_apart(reference))
    samples = data.draw(st.permutations(range(reference.shape[0])))
    classes = data.draw(st.permutations(range(reference.shape[1])))
    allowed = Allowance(1e-3, 1e-3)
    found = made_of(actual, reference, rule, allowed)
    moved = made_of(actual[samples][:, classes], reference[samples][:, classes], rule, allowed)
    assert (moved.total, moved.changed) == (found.total, found.changed)
    assert found.decided is not None
    assert moved.decided is not None
    assert moved.decided.near_ties == found.decided.near_ties
    for one in ("mean", "least"):
        assert getattr(moved.decided.ranks, one, None) == pytest.approx(
            getattr(found.decided.ranks, one, None)
        )


def _far_apart(rows: NDArray[np.float64]) -> bool:
    """Tell whether no two cosines are so near each other that the order of sums decides."""
    lengths = np.linalg.norm(rows, axis=1)
    if not lengths.all():
        return False
    cosines = rows @ rows.T / np.outer(lengths, lengths)
    pairs = np.sort(cosines[np.triu_indices(len(rows), 1)])
    return bool((np.diff(pairs) > 1e-9).all())


@given(cases(), RULES)
def test_identical_outputs_change_nothing(
    case: tuple[NDArray[Any], NDArray[Any], str], rule: Rule
) -> None:
    _, reference, _ = case
    made = made_of(reference.copy(), reference, rule, EXACT)
    assert made.changed == 0
    assert made.decided is not None
    assert made.decided.flips == ()
    assert made.decided.ranks is None or made.decided.ranks.least == 1
    assert made.decided.top_k_changed in (None, 0)
    assert made == decisions(tensor(reference), one := tensor(reference), rule, EXACT)
    assert made == decisions(one, one, rule, EXACT)


ODD = hnp.arrays(
    np.float32,
    st.shared(SHAPES, key="odd"),
    elements=st.one_of(
        st.sampled_from([0.0, -0.0, 0.5, 1.0, math.nan, math.inf, -math.inf]), st.floats(width=32)
    ),
)


@given(ODD, ODD, RULES)
def test_anything_is_counted_and_can_be_written(
    actual: NDArray[Any], reference: NDArray[Any], rule: Rule
) -> None:
    made = made_of(actual, reference, rule, Allowance(1e-5, 1e-4))
    assert made.decided is not None
    text = made.decided.model_dump_json()
    assert Decided.model_validate_json(text) == made.decided
    if rule is CLASS:
        assert made.changed == np.count_nonzero(actual.argmax(-1) != reference.argmax(-1))
    if rule is SIDE:
        assert made.changed == np.count_nonzero((actual > 0.5) != (reference > 0.5))


@given(ODD, ODD, RULES, st.integers(1, 40))
def test_nothing_depends_on_blocks(
    actual: NDArray[Any], reference: NDArray[Any], rule: Rule, block: int
) -> None:
    one, other = NumericTensor("float32", actual), NumericTensor("float32", reference)
    whole = decisions(one, other, rule, Allowance(1e-5, 1e-4))
    assert decisions(one, other, rule, Allowance(1e-5, 1e-4), block=block) == whole


@given(cases(), st.lists(LIMITS, min_size=2, max_size=2))
def test_allowing_more_makes_no_near_tie_a_clear_call(
    case: tuple[NDArray[Any], NDArray[Any], str], limits: list[float]
) -> None:
    actual, reference, _ = case
    for rule in (CLASS, SIDE, NEIGHBOUR):
        strict, lenient = (
            made_of(actual, reference, rule, Allowance(limit, 0.0)).decided
            for limit in sorted(limits)
        )
        assert strict is not None
        assert lenient is not None
        assert strict.near_ties <= lenient.near_ties
        assert strict.near_ties + strict.clear == lenient.near_ties + lenient.clear


def test_what_was_judged_before_has_no_margins() -> None:
    old = '{"status": "diverged", "decisions": 4, "decisions_changed": 1}'
    assert OutputDivergence.model_validate_json(old).decided is None


def test_a_flip_without_axes_has_no_sample() -> None:
    found = decide(0.75, 0.25, SIDE)
    assert found.flips == (
        Flip(
            index=(),
            sample=None,
            was=0,
            became=1,
            margin=0.25,
            moved=0.5,
            allowed=0.0,
            near_tie=False,
        ),
    )
