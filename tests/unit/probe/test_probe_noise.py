"""Variations of the inference: what is moved, split and kept, and what that may cost."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from probing import budget as budgets
from probing import noise
from probing.batches import halves, singles
from probing.budget import Budget
from probing.report import Report
from probing.requests import asked
from probing.steps import moved
from probing.tensors import Entry, Spec, Tensor, describe, digest, write_outputs
from probing.variations import First, Variations

from harness.npz import read_npz
from harness.observation import ProbeReport, Variation

TF = SimpleNamespace(
    DType=type(None),
    as_dtype=lambda dtype: SimpleNamespace(name=np.dtype(dtype).name.replace("object", "string")),
    compat=SimpleNamespace(v1=SimpleNamespace(set_random_seed=lambda seed: None)),
)


# One step of the inputs

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


def neighbours(value: float) -> set[float]:
    """Return the float32 numbers next to one, by the definition: nothing lies between."""
    number = np.float32(value)
    with np.errstate(over="ignore"):
        return {float(np.nextafter(number, np.float32(way))) for way in (-math.inf, math.inf)}


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, min_side=0), elements=FINITE))
def test_every_normal_number_becomes_a_neighbour(array: np.ndarray) -> None:
    before = array.copy()
    (found,), count = moved([Tensor("x", "float32", array)], 7)
    np.testing.assert_array_equal(array, before)
    assert found.array.shape == array.shape
    assert found.array.dtype == np.float32
    normal = np.abs(array) >= np.finfo(np.float32).tiny
    assert count == np.count_nonzero(normal)
    for old, new, moves in zip(array.flat, found.array.flat, normal.flat, strict=True):
        assert float(new) in neighbours(old) if moves else new.tobytes() == old.tobytes()
    assert np.isfinite(found.array).all()
    assert (np.abs(found.array[normal]) >= np.finfo(np.float32).tiny).all()


@given(st.floats(min_value=1e-300, max_value=1e300), st.integers(0, 2**32 - 1))
def test_doubles_move_as_math_nextafter_has_it(value: float, seed: int) -> None:
    (found,), _ = moved([Tensor("x", "float64", np.array([value, -value]))], seed)
    for old, new in zip((value, -value), found.array.tolist(), strict=True):
        assert new in {math.nextafter(old, -math.inf), math.nextafter(old, math.inf)}


def test_both_ways_are_taken() -> None:
    (found,), _ = moved([Tensor("x", "float32", np.ones(1000, np.float32))], 0)
    up = np.count_nonzero(found.array > 1)
    assert 400 < up < 600  # of a fair coin, six standard deviations


def test_zeros_and_what_has_no_neighbours_stay() -> None:
    special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-40], np.float32)
    (found,), count = moved([Tensor("x", "float32", special)], 0)
    assert found.array.tobytes() == special.tobytes()
    assert count == 0


def test_the_ends_of_the_normal_numbers_move_inwards() -> None:
    info = np.finfo(np.float16)
    ends = np.array([info.max, -info.max, info.tiny, -info.tiny], np.float16)
    (found,), _ = moved([Tensor("x", "float16", np.tile(ends, 50))], 0)
    inward = [65472.0, -65472.0, info.tiny + 2.0**-24, -info.tiny - 2.0**-24]
    np.testing.assert_array_equal(found.array, np.tile(inward, 50).astype(np.float16))


def test_bits_of_bfloat16_move_by_one() -> None:
    bits = np.array([0x3F80, 0xBF80, 0x0000, 0x7F80, 0x7F7F, 0x0080], np.uint16)
    (found,), count = moved([Tensor("x", "bfloat16", bits)], 0)
    steps = found.array.astype(int) - bits
    assert np.abs(steps[:2]).tolist() == [1, 1]
    assert steps[2:].tolist() == [0, 0, -1, 1]
    assert count == 4


def test_both_parts_of_complex_numbers_move() -> None:
    (found,), count = moved([Tensor("x", "complex64", np.array([1 + 2j], np.complex64))], 0)
    assert count == 2
    assert float(found.array.real[0]) in neighbours(1)
    assert float(found.array.imag[0]) in neighbours(2)


def test_what_is_exact_is_left_alone() -> None:
    given = [
        Tensor("i", "int32", np.array([1, 2], np.int32)),
        Tensor("b", "bool", np.array([True])),
        Tensor("s", "string", np.array([b"a"], object)),
    ]
    found, count = moved(given, 0)
    assert (found, count) == (given, 0)


def test_every_draw_goes_other_ways_and_each_is_always_the_same() -> None:
    given = [Tensor("x", "float32", np.ones(64, np.float32))]
    one, again, other = (moved(given, seed)[0][0].array for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


# What is left for it


class Clock:
    """A clock that stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(budgets, "time", made)
    return made


def report_in(folder: Path, infer: float = 2.0) -> Report:
    report = Report(str(folder))
    report.seconds.update({"import": 10.0, "load": 1.0, "infer": infer})
    return report


def budget_of(report: Report, level: str = "quick", **request: Any) -> Budget:
    """Return the budget of an attempt that began 5 seconds ago."""
    (Path(report.directory) / "outputs.npz").touch()
    told = asked({"schema": 1, "loader": "session", "noise": level, **request})
    assert told.problem is None
    return Budget(told.request, report, 995.0)


@pytest.mark.parametrize(
    ("asked_for", "expected"),
    [
        (("quick", 2.0, None), 5 + 5 * 2),
        (("full", 2.0, None), 60 + 60 * 2),
        (("quick", 1000.0, 300), 0.25 * 300),
        (("full", 1000.0, 300), 0.5 * 300),
        (("quick", 2.0, 22), 0.75 * 22 - 15),  # 10 of the import and 5 since then are gone
        (("quick", 2.0, 16), 0.75 * 16 - 15),
    ],
)
def test_seconds_are_a_share_of_the_limit(
    tmp_path: Path, clock: Clock, asked_for: tuple[str, float, float | None], expected: float
) -> None:
    level, infer, timeout = asked_for
    budget = budget_of(report_in(tmp_path, infer), level, timeout_seconds=timeout)
    assert budget.left() == pytest.approx(expected)
    clock.now += 3
    assert budget.left() == pytest.approx(expected - 3)


def test_what_takes_too_long_is_not_done_and_says_why(tmp_path: Path, clock: Clock) -> None:
    budget = budget_of(report_in(tmp_path), timeout_seconds=20)
    assert budget.why_not(2.0) == "not done: it may take 2.0 s, and 0.0 s are left"
    assert budget_of(report_in(tmp_path), timeout_seconds=300).why_not(2.0) is None


def test_what_writes_too_much_is_not_done_and_says_why(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "outputs.npz").write_bytes(b"x" * 400)
    budget = budget_of(report_in(tmp_path), output_bytes=1700)
    assert budget.why_not(0.0) is None
    (tmp_path / "variation-ulp-1.npz").write_bytes(b"x" * 100)
    said = "not done: it may write 400 bytes, and 350 may still be written"
    assert budget.why_not(0.0) == said


# What becomes of each


class Rich:
    """A budget that allows everything."""

    infer = 0.0

    def __init__(self, why: str | None = None) -> None:
        self.why = why
        self.seconds = math.inf

    def why_not(self, _seconds: float, _wide: bool = False) -> str | None:
        return self.why

    def left(self) -> float:
        return self.seconds

    @contextmanager
    def watched(self) -> Iterator[None]:
        yield


Compute = Callable[[np.ndarray], np.ndarray]


class Attempt:
    """A model of one input and one output, whose outputs are there."""

    def __init__(self, folder: Path, compute: Compute, x: np.ndarray, axis: int | None = None):
        self.report = Report(str(folder))
        self.fed: list[np.ndarray] = []
        self.compute = compute
        self.inputs = [Tensor("x", x.dtype.name, x)]
        self.entry = Entry("s", [Spec("x", "float32", [axis, *x.shape[1:]])], self.call, False)
        outputs = [Tensor("y", "float32", compute(x))]
        self.first = First(describe(outputs), digest(outputs))
        write_outputs(str(folder / "outputs.npz"), outputs)
        self.report.values["outputs"] = self.first.facts
        self.report.complete()
        self.budget = Rich()

    def call(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.fed.append(arrays["x"])
        return {"y": self.compute(arrays["x"])}

    def vary(self, level: str = "quick") -> dict[str, Variation]:
        """Do all of it and return what the harness reads in the report, by name."""
        request = asked({"schema": 1, "loader": "session", "noise": level, "seed": 3}).request
        variations = Variations(self.report, self.first, self.budget)
        noise.vary(TF, request, self.entry, self.inputs, variations)
        text = Path(self.report.path("report.json")).read_bytes()
        told = ProbeReport.model_validate_json(text)
        assert told.completed
        return {one.name: one for one in told.variations}

    def kept(self, name: str) -> np.ndarray:
        path = Path(self.report.path(f"variation-{name}.npz"))
        return read_npz(path, max_bytes=10_000, what="it")["output_0"]


X = np.linspace(1, 2, 10, dtype=np.float32).reshape(5, 2)


def test_a_model_that_adds_moves_as_its_inputs_do(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, lambda x: x + np.float32(0), X)
    found = attempt.vary()
    assert list(found) == ["ulp-1", "batch-split"]
    assert (found["ulp-1"].same, found["ulp-1"].kept, found["ulp-1"].problem) == (False, True, None)
    for old, new in zip(X.flat, attempt.kept("ulp-1").flat, strict=True):
        assert float(new) in neighbours(old)
    split = found["batch-split"]
    assert (split.same, split.kept, split.problem) == (True, False, None)
    assert [array.shape for array in attempt.fed] == [(5, 2), (2, 2), (3, 2)]
    assert not os.path.lexists(attempt.report.path("variation-batch-split.npz"))


def test_full_draws_three_times_and_feeds_one_by_one(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, lambda x: x * 2, X)
    found = attempt.vary("full")
    assert list(found) == ["ulp-1", "ulp-2", "ulp-3", "batch-split", "batch-one"]
    assert found["batch-one"].same
    assert [len(array) for array in attempt.fed[-5:]] == [1] * 5
    kept = [attempt.kept(f"ulp-{draw}") for draw in (1, 2, 3)]
    assert len({array.tobytes() for array in kept}) == 3


def test_what_depends_on_the_batch_shows(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, lambda x: x - x.mean(axis=0), X)
    assert attempt.vary()["batch-split"].kept
    whole, parts = X - X.mean(axis=0), attempt.kept("batch-split")
    np.testing.assert_array_equal(parts[:2], X[:2] - X[:2].mean(axis=0))
    assert np.abs(parts - whole).max() > 0.1


@pytest.mark.parametrize(
    ("compute", "x", "axis", "why"),
    [
        (lambda x: x, X[:1], None, "the batch has 1 sample"),
        (lambda x: x, X, 5, "the model takes batches of 5 samples only"),
        (lambda x: x.sum(axis=0), X, None, "not every input and output has the batch as its first"),
        (lambda x: x.sum(), X, None, "not every input and output has the batch as its first axis"),
    ],
)
def test_a_batch_that_cannot_be_split_says_why(
    tmp_path: Path, compute: Compute, x: np.ndarray, axis: int | None, why: str
) -> None:
    found = Attempt(tmp_path, compute, x, axis).vary()["batch-split"]
    assert (found.same, found.kept) == (None, False)
    assert (found.problem or "").startswith(f"not done: {why}")


def test_outputs_of_another_shape_are_not_kept(tmp_path: Path) -> None:
    """As of a table of the distances between all samples."""
    found = Attempt(tmp_path, lambda x: x @ x.T, X).vary()["batch-split"]
    assert found.problem == (
        "ValueError: all the input array dimensions except for the concatenation axis must match "
        "exactly, but along dimension 1, the array at index 0 has size 2 and the array at index 1 "
        "has size 3"
    )


def test_nothing_to_move_is_said(tmp_path: Path) -> None:
    whole = np.arange(6, dtype=np.int32).reshape(3, 2)
    for x in (whole, np.zeros((3, 2), np.float32)):
        found = Attempt(tmp_path, lambda x: x.astype(np.float32), x).vary()["ulp-1"]
        assert found.problem == "not done: the inputs hold no floats to move, or zeros only"


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("no"), MemoryError("no")])
def test_an_error_is_a_problem_and_no_more(tmp_path: Path, error: BaseException) -> None:
    calls = []

    def compute(x: np.ndarray) -> np.ndarray:
        calls.append(x)
        if len(calls) == 2:
            raise error
        return x

    found = Attempt(tmp_path, compute, X).vary()
    assert found["ulp-1"].problem == f"{type(error).__name__}: no"
    assert found["batch-split"].same


def test_one_that_ends_the_process_is_named(tmp_path: Path) -> None:
    """What the report says while a variation is done is what is left where it crashes."""
    seen: list[ProbeReport] = []

    def compute(x: np.ndarray) -> np.ndarray:
        path = tmp_path / "report.json"
        if path.exists():
            seen.append(ProbeReport.model_validate_json(path.read_bytes()))
        return x

    Attempt(tmp_path, compute, X).vary()
    first = seen[0]
    assert first.completed
    assert first.variations == [
        Variation(name="ulp-1", problem="the process ended while it was done")
    ]
    assert first.outputs[0].name == "y"


def test_without_a_budget_nothing_is_computed(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, lambda x: x, X)
    attempt.budget = Rich("not done: too late")
    assert {one.problem for one in attempt.vary("full").values()} == {"not done: too late"}
    assert attempt.fed == []


def test_parts_stop_where_time_is_up(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, lambda x: x, X)
    attempt.budget.seconds = -1.0
    assert attempt.vary()["batch-split"].problem == "not done: it takes too long"


@pytest.mark.parametrize("samples", [2, 3, 31, 32, 33, 256])
def test_parts_are_the_whole_batch(samples: int) -> None:
    for parts in (halves(samples), singles(samples)):
        assert parts[0][0] == 0
        assert [end for _, end in parts[:-1]] == [start for start, _ in parts[1:]]
        assert parts[-1][1] == samples
        assert all(start < end for start, end in parts)
    assert len(singles(samples)) <= 33


def test_memory_is_what_it_took_to_complete(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    report.complete()
    peak = report.values["peak_memory_bytes"]
    report.values["peak_memory_bytes"] = None
    report.write()
    assert peak is not None
    assert report.values["peak_memory_bytes"] is None


def test_levels_are_checked() -> None:
    problem = asked({"schema": 1, "loader": "session", "noise": "loud"}).problem
    assert str(problem) == "unknown noise 'loud'; there are: off, quick, full"
