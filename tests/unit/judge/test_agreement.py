from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from itertools import combinations, permutations
from pathlib import Path
from weakref import WeakSet

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cell import Cell
from harness.judge import agreement as module
from harness.judge.agreement import Agreement, agreement, named
from harness.judge.compare import compare as compare_outputs
from harness.judge.members import digest, members
from harness.judge.noise import Noise, larger
from harness.judge.seen import keeping
from harness.judge.weigh import verdict_of
from harness.model.model import Tolerance
from harness.observation import Ending, InputFacts, Observation, Stage
from harness.plan.plan import PlannedCell
from harness.tensor import NumericTensor, StringTensor, Tensor
from harness.verdict import AgreementClass, Reason, Reference, Verdict
from tests.support.fakes import cell
from tests.support.observed import given as arrays_of
from tests.support.observed import observation, seen

TOLERANCES = {"*": Tolerance(atol=1.0, rtol=0.0)}
CELLS = tuple(cell(f"2.{number}.0", "3.9") for number in range(6))
A, B, C, D, *_ = (one.id for one in CELLS)


def floats(*values: float, dtype: str = "float32") -> Tensor:
    return NumericTensor(dtype, np.array(values, dtype))


def compare(
    outputs: Mapping[str, Mapping[str, Tensor]],
    *,
    cells: Sequence[Cell] = CELLS,
    observations: Sequence[Observation] | None = None,
    expected: Mapping[str, Tensor] | None = None,
    floors: Mapping[str, Mapping[str, Noise]] | None = None,
) -> Agreement:
    """Compare the cells that `outputs` has; 1 is allowed."""
    ran = [one for one in cells if one.id in outputs]
    sweep = seen(observations or [observation(one) for one in ran], arrays_of(outputs))
    return agreement(
        [PlannedCell(cell=one) for one in cells],
        sweep,
        expected=expected,
        tolerances=TOLERANCES,
        floors=floors or {},
    )


def classes(found: Agreement) -> set[tuple[str, ...]]:
    return {found.members(one) for one in found.classes}


def at(*values: float) -> dict[str, dict[str, Tensor]]:
    """Return one output for the first cells."""
    return {one.id: {"y": floats(value)} for one, value in zip(CELLS, values, strict=False)}


def test_cells_that_agree_are_one_class_with_groups_of_the_same_bits() -> None:
    found = compare(at(0.0, 0.5, 0.0))
    assert classes(found) == {(A, B, C)}
    assert found.groups == ((A, C), (B,))
    assert found.spread(found.classes[0]) == 0.5


def test_a_drift_over_a_chain_is_two_classes() -> None:
    """A and B agree, B and C agree, A and C do not."""
    found = compare(at(0.0, 0.75, 1.5))
    assert (found.far <= 1).tolist() == [
        [True, True, False],
        [True, True, True],
        [False, True, True],
    ]
    assert classes(found) == {(A, B), (C,)}


def test_every_output_has_to_agree() -> None:
    one, other = floats(1.0, 2.0), floats(1.0, 9.0)
    found = compare({A: {"x": one, "y": one}, B: {"x": one, "y": other}, C: {"x": one, "y": one}})
    assert classes(found) == {(A, C), (B,)}


def test_the_order_of_outputs_does_not_matter() -> None:
    one, other = floats(1.0), floats(2.0)
    found = compare({A: {"x": one, "y": other}, B: {"y": other, "x": one}})
    assert found.groups == ((A, B),)


def test_noise_of_either_cell_counts() -> None:
    """Twice the measured noise is allowed, see `judge.noise.MARGIN`."""
    outputs = at(0.0, 3.0, 6.5)
    assert classes(compare(outputs)) == {(A,), (B,), (C,)}
    found = compare(outputs, floors={B: {"y": Noise(max_abs=1.5)}})
    assert classes(found) == {(A, B), (C,)}
    assert classes(compare(outputs, floors={B: {"other": Noise(max_abs=1.5)}})) == {
        (A,),
        (B,),
        (C,),
    }


def test_identical_cells_are_held_to_the_less_noisy_of_them() -> None:
    """Else not every pair of a class would agree: the quiet one does not."""
    outputs = at(0.0, 0.0, 3.0)
    noisy = {"y": Noise(max_abs=2.0)}
    assert classes(compare(outputs, floors={A: noisy})) == {(A, B), (C,)}
    assert classes(compare(outputs, floors={A: noisy, B: noisy})) == {(A, B, C)}


def test_cells_with_the_same_bits_in_one_output_keep_their_own_noise() -> None:
    """A and B differ in x only; the noise of y is B's."""
    outputs = {
        A: {"x": floats(0.0), "y": floats(0.0)},
        B: {"x": floats(0.5), "y": floats(0.0)},
        C: {"x": floats(0.5), "y": floats(3.0)},
    }
    found = compare(outputs, floors={B: {"y": Noise(max_abs=2.0)}})
    assert found.far[0, 2] == 3.0
    assert found.far[1, 2] == 0.75


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"y": floats(1.0, 1.0)},
        {"y": floats(1.0, dtype="float64")},
        {"y": floats(1.0), "z": floats(1.0)},
        {"z": floats(1.0)},
        {"y": floats(float("nan"))},
        {"y": StringTensor((1,), (b"1",))},
    ],
    ids=["none", "shape", "dtype", "extra", "name", "nan", "string"],
)
def test_what_has_no_distance_never_agrees(other: Mapping[str, Tensor]) -> None:
    found = compare({A: {"y": floats(1.0)}, B: other, C: {"y": floats(1.0)}, D: other})
    assert classes(found) == {(A, C), (B, D)}


def test_the_only_output_of_another_loader_may_be_called_otherwise() -> None:
    ran = [observation(CELLS[0]), observation(CELLS[1]), observation(CELLS[2], loader="session")]
    outputs = {A: {"y": floats(0.0)}, B: {"y": floats(0.5)}, C: {"z": floats(0.0)}}
    found = compare(outputs, observations=ran)
    assert found.groups == ((A, C), (B,))
    assert classes(found) == {(A, B, C)}
    noisy = compare({**outputs, C: {"z": floats(3.0)}}, observations=ran,
                    floors={C: {"z": Noise(max_abs=2.0)}})  # fmt: skip
    assert classes(noisy) == {(A, B, C)}


def test_recorded_outputs_are_one_more_member() -> None:
    found = compare(at(0.0, 0.5, 9.0), expected={"y": floats(0.5)})
    assert classes(found) == {(A, B, "expected.npz"), (C,)}
    assert found.groups == ((A,), (B, "expected.npz"), (C,))
    assert named(found, Reference(cell=None, why="")) == (
        AgreementClass(
            name="A",
            members=(A, B, "expected.npz"),
            identical=((A,), (B, "expected.npz")),
            spread=0.5,
            reference=True,
        ),
        AgreementClass(name="B", members=(C,), identical=((C,),), spread=0.0, reference=False),
    )


def test_letters_go_to_the_reference_then_by_size_then_in_order() -> None:
    found = compare(at(50.0, 10.0, 20.0, 20.0, 30.0, 30.0))
    told = named(found, Reference(cell=B, why=""))
    assert [(one.name, one.members, one.reference) for one in told] == [
        ("A", (B,), True),
        ("B", (C, D), False),
        ("C", (CELLS[4].id, CELLS[5].id), False),
        ("D", (A,), False),
    ]


def test_after_z_there_are_two_letters() -> None:
    many = [cell(f"2.{number}.0", "3.9") for number in range(28)]
    outputs = {one.id: {"y": floats(10.0 * number)} for number, one in enumerate(many)}
    told = named(compare(outputs, cells=many), Reference(cell=None, why=""))
    assert [one.name for one in told][24:] == ["Y", "Z", "AA", "AB"]


def test_only_cells_that_can_be_compared_are_members() -> None:
    other = InputFacts(source="inputs.npz", digest="others")
    ran = [
        observation(CELLS[0]),
        observation(CELLS[1]),
        observation(CELLS[2], actual={"tensorflow": "1.0.0"}),
        observation(CELLS[3], ending=Ending.EXCEPTION, stage=Stage.LOAD),
        observation(CELLS[4], inputs=other),
    ]
    outputs = {one.id: {"y": floats(0.0)} for one in CELLS if one.id != A}
    unavailable = Reason(code="no-wheel", message="")
    planned = [
        PlannedCell(cell=one, unavailable=unavailable if one is CELLS[5] else None) for one in CELLS
    ]
    sweep = seen([*ran, observation(CELLS[5])], arrays_of(outputs))
    assert [one.name for one in members(planned, sweep, None)] == [B]


def test_what_most_were_fed_counts_and_what_was_preprocessed_is_alike() -> None:
    fed = [InputFacts(source="inputs.npz", digest=digest) for digest in ("b", "b", "a", "c")]
    ran = [observation(one, inputs=each) for one, each in zip(CELLS, fed, strict=False)]
    ran[3] = ran[3].model_copy(update={"preprocessed": ()})
    assert classes(compare(at(0, 0, 0, 0), observations=ran)) == {(A, B, D)}


def test_nothing_ran() -> None:
    found = compare({})
    assert (found.groups, found.classes) == ((), ())
    assert named(found, Reference(cell=None, why="")) == ()


NUMBERS = st.integers(-6, 6).map(lambda step: step / 4)
TABLES = st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=1, max_size=6)
FLOORS = st.lists(st.sampled_from([0.0, 0.0, 0.25, 1.0]), min_size=6, max_size=6)


def sweep_of(table: Sequence[Sequence[float]]) -> dict[str, dict[str, Tensor]]:
    return {
        one.id: {name: floats(value) for name, value in zip("xy", values, strict=True)}
        for one, values in zip(CELLS, table, strict=False)
    }


def floors_of(noise: Sequence[float]) -> dict[str, dict[str, Noise]]:
    return {
        one.id: {"x": Noise(max_abs=value), "y": Noise(max_abs=value / 2)}
        for one, value in zip(CELLS, noise, strict=True)
    }


@given(TABLES, FLOORS)
def test_classes_partition_the_cells_and_every_pair_in_one_agrees(
    table: list[list[float]], noise: list[float]
) -> None:
    found = compare(sweep_of(table), floors=floors_of(noise))
    place = {one.id: index for index, one in enumerate(CELLS)}
    assert sorted(name for one in classes(found) for name in one) == sorted(sweep_of(table))

    def agrees(one: str, other: str) -> bool:
        (a, b), (i, j) = (table[place[one]], table[place[other]]), (place[one], place[other])
        floor = 2 * max(noise[i], noise[j])
        return abs(a[0] - b[0]) <= max(1, floor) and abs(a[1] - b[1]) <= max(1, floor / 2)

    for one in classes(found):
        assert all(agrees(*pair) for pair in combinations(one, 2))
    for one, other in combinations(sorted(classes(found)), 2):
        groups = [group for group in found.groups if group[0] in one or group[0] in other]
        # Two whole classes never agree: if all their pairs did, they would be one.
        assert not all(agrees(*pair) for pair in combinations([n for g in groups for n in g], 2))


@given(TABLES, FLOORS)
def test_two_agree_where_each_is_equivalent_to_the_other(
    table: list[list[float]], noise: list[float]
) -> None:
    """So what is in the reference's class never diverged from it."""
    outputs, floors = sweep_of(table), floors_of(noise)
    found = compare(outputs, floors=floors)
    place = {name: index for index, group in enumerate(found.groups) for name in group}

    def diverged(one: str, other: str) -> bool:
        allowed = larger(floors[one], floors[other])
        far = compare_outputs(outputs[one], outputs[other], TOLERANCES, noise=allowed)
        return verdict_of(far) is Verdict.DIVERGED

    for one, other in combinations(outputs, 2):
        alone = [group for group in found.groups if group in ((one,), (other,))]
        if len(alone) == 2:  # groups are held to the least noise of their members
            agree = found.far[place[one], place[other]] <= 1
            assert agree == (not diverged(one, other) and not diverged(other, one))
    for one in found.classes:
        assert not any(diverged(*pair) for pair in permutations(found.members(one), 2))


@given(TABLES, st.permutations(range(6)))
def test_the_order_of_cells_does_not_matter(table: list[list[float]], order: list[int]) -> None:
    outputs = sweep_of(table)
    turned = compare(outputs, cells=[CELLS[index] for index in order])
    straight = compare(outputs)
    assert {frozenset(one) for one in classes(turned)} == {
        frozenset(one) for one in classes(straight)
    }
    assert {frozenset(group) for group in turned.groups} == {
        frozenset(group) for group in straight.groups
    }


@given(TABLES)
def test_cells_with_the_same_bits_are_in_one_group(table: list[list[float]]) -> None:
    found = compare(sweep_of(table))
    for (one, values), (other, its) in combinations(zip(CELLS, table, strict=False), 2):
        together = any({one.id, other.id} <= set(group) for group in found.groups)
        assert together == (np.float32(values).tobytes() == np.float32(its).tobytes())


@pytest.mark.parametrize("most", [1, 24])
def test_tiles_change_nothing(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one cell, and of two; one output is exact, and the same bits in every other cell."""
    values = (0.0, 0.75, 1.5, 5.0, 0.0, 5.5)
    outputs = {
        one.id: {"y": floats(value), "n": NumericTensor("int64", np.array([number % 2]))}
        for number, (one, value) in enumerate(zip(CELLS, values, strict=True))
    }
    whole = compare(outputs)
    monkeypatch.setattr(module, "_AT_ONCE_BYTES", most)
    tiled = compare(outputs)
    np.testing.assert_array_equal(whole.far, tiled.far)
    assert classes(whole) == classes(tiled)


class Counted(dict[str, Tensor]):
    """Tensors that can be referred to weakly."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def test_only_two_tiles_are_in_memory_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time it is read, a cell hands out arrays of its own, which are counted."""
    monkeypatch.setattr(module, "_AT_ONCE_BYTES", 4000)
    alive, most = WeakSet[Counted](), 0

    def give(one: Observation) -> Mapping[str, Tensor]:
        nonlocal most
        value = float(one.cell.split(".")[1])
        made = Counted(y=NumericTensor("float32", np.full(1000, value, np.float32)))
        alive.add(made)
        most = max(most, len(alive))
        return made

    sweep = seen([observation(one) for one in CELLS], give)
    planned = [PlannedCell(cell=one) for one in CELLS]
    found = agreement(planned, sweep, expected=None, tolerances=TOLERANCES, floors={})
    assert len(found.classes) == 3
    assert most == 2


def test_arrays_mapped_from_a_file_count_for_the_open_file_only(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.zeros(2**20, np.float32))
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")

    def of(array: np.ndarray) -> int:
        sweep = seen([observation(CELLS[0])], lambda _: {"y": NumericTensor("float32", array)})
        return members([PlannedCell(cell=CELLS[0])], sweep, None)[0].held_bytes

    assert of(mapped) == of(mapped.reshape(1024, 1024)) == of(np.asarray(mapped)) == 2**20
    assert of(np.array(mapped)) == 2**22
    pages = mmap.mmap(-1, 4096)
    assert of(np.frombuffer(pages, np.float32)) == 2**20


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (floats(0.0), floats(-0.0), False),
        (floats(float("nan")), floats(float("nan")), True),
        (StringTensor((2,), (b"a", b"bc")), StringTensor((2,), (b"ab", b"c")), False),
        (StringTensor((1,), (b"a",)), StringTensor((1,), (b"a",)), True),
        (
            NumericTensor("bool", np.array([2, 0], np.uint8).view(np.bool_)),
            NumericTensor("bool", np.array([1, 0], np.uint8).view(np.bool_)),
            True,
        ),
        (
            NumericTensor("int8", np.asfortranarray(np.arange(6, dtype=np.int8).reshape(2, 3))),
            NumericTensor("int8", np.arange(6, dtype=np.int8).reshape(2, 3)),
            True,
        ),
        (floats(), floats(), True),
        (NumericTensor("int64", np.int64(7)[...]), NumericTensor("int64", np.int64(8)[...]), False),
    ],
)
def test_digests_tell_the_same_bits(one: Tensor, other: Tensor, same: bool) -> None:
    assert (digest(one) == digest(other)) == same


def test_digests_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = floats(*range(100))
    whole = digest(tensor)
    monkeypatch.setattr("harness.judge.members._BLOCK_BYTES", 12)
    assert digest(tensor) == whole


def test_small_outputs_are_kept_up_to_a_limit() -> None:
    alive = WeakSet[Counted]()

    def give(_: Observation) -> Mapping[str, Tensor]:
        made = Counted(y=floats(0.0))
        alive.add(made)
        return made

    take = keeping(give, 8)
    for one in CELLS:
        take(observation(one))
    assert len(alive) == 2
    del take
    assert len(alive) == 0
