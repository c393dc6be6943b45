from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.divergence import OutputDivergence, WorstElement
from harness.judge.choices import accuracy
from harness.judge.compare import compare
from harness.judge.words import describe, why_diverged
from harness.model.model import Tolerance
from harness.tensor import NumericTensor, StringTensor
from harness.verdict import Reason


def tensor(values: Any, dtype: str = "float32") -> NumericTensor:
    return NumericTensor(dtype, np.asarray(values, dtype))


def test_the_worst_output_counts() -> None:
    reference = {"a": tensor([[1.0, 2.0]]), "b": tensor([[3.0, 4.0]])}
    actual = {"b": tensor([[5.0, 4.0]]), "a": tensor([[1.0, 2.0]])}
    found = compare(actual, reference, {})
    assert list(found.outputs) == ["a", "b"]
    assert [output.status for output in found.outputs.values()] == ["identical", "diverged"]
    assert (found.max_abs, found.max_rel, found.decisions_changed) == (2.0, 0.5, 1)
    assert found.max_ulp == found.outputs["b"].max_ulp


def test_a_relative_distance_that_does_not_exist_is_the_worst() -> None:
    reference = {"a": tensor([1.0]), "b": tensor([0.0])}
    actual = {"a": tensor([1.5]), "b": tensor([0.5])}
    found = compare(actual, reference, {})
    assert (found.max_abs, found.max_rel) == (0.5, None)


def test_no_number_holds_for_a_cell_where_an_output_has_none() -> None:
    found = compare({"a": tensor([1.0])}, {"a": tensor([1.0]), "b": tensor([1.0])}, {})
    assert (found.max_abs, found.max_rel, found.max_ulp) == (None, None, None)


def test_strings_leave_the_numbers_of_the_others() -> None:
    names = StringTensor((1,), (b"cat",))
    found = compare({"a": tensor([1.0]), "b": names}, {"a": tensor([1.0]), "b": names}, {})
    assert (found.max_abs, found.max_ulp) == (0, 0)


def test_an_equivalent_output_may_change_a_near_tie() -> None:
    reference = {"p": tensor([[0.5, 0.5000001], [0.9, 0.1]])}
    actual = {"p": tensor([[0.5000001, 0.5], [0.9, 0.1]])}
    output = compare(actual, reference, {}).outputs["p"]
    assert (output.status, output.decisions, output.decisions_changed) == ("equivalent", 2, 1)


def test_bfloat16_decides_by_value_and_not_by_bits() -> None:
    # -1 has larger bits than 1.
    bits = np.array([[0xBF80, 0x3F80]], np.uint16)
    assert accuracy(NumericTensor("bfloat16", bits), np.array([1])) == 1


def test_accuracy() -> None:
    scores = tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    assert accuracy(scores, np.array([0, 1, 1]), block=2) == 2 / 3


def outputs_beside(actual: dict[str, Any], reference: dict[str, Any]) -> Reason:
    return why_diverged(compare(actual, reference, {}))


def test_words_of_numbers() -> None:
    reference = tensor([[0.75, 0.25], [0.75, 0.25]])
    actual = tensor([[0.25, 0.75], [0.75, 0.25]])
    reason = outputs_beside({"probabilities": actual}, {"probabilities": reference})
    line = (
        "output 'probabilities': differs by up to 0.5 (rel 0.67) in sample 0 at [0, 0], 2 of 4 "
        "elements beyond atol 1e-05, rtol 1e-05 (atol = rtol = 0.4 would pass); 1 of 2 decisions "
        "changed"
    )
    flip = "sample 0: class 0 became class 1; margin 0.5, beyond the 3e-05 that counts as equal"
    assert reason == Reason(code="decisions", message=line, evidence=f"{line}\n{flip}")


def test_words_of_a_vector_beside_zeros() -> None:
    reason = outputs_beside({"y": tensor([0.5, 0.0])}, {"y": tensor([0.0, 0.0])})
    line = (
        "output 'y': differs by up to 0.5 in sample 0, 1 of 2 elements beyond atol 1e-05, "
        "rtol 1e-05 (atol = rtol = 0.5 would pass)"
    )
    assert reason == Reason(
        code="numbers",
        message=line,
        evidence=line,
        remedy="Where that is close enough, set `tolerances` in model.yaml; else take another "
        "cell.",
    )


def test_words_of_what_has_no_distance() -> None:
    one = tensor([[1.0, 2.0]])
    assert outputs_beside({"y": one}, {"y": tensor([[1.0]])}) == Reason(
        code="shape",
        message="output 'y' has shape [1, 2], the reference has [1, 1]",
        evidence="output 'y' has shape [1, 2], the reference has [1, 1]",
    )
    reason = outputs_beside({"y": one}, {"y": tensor([[1.0, 2.0]], "float64")})
    assert reason.code == "dtype"
    assert reason.message == "output 'y' has dtype float32, the reference has float64"
    reason = outputs_beside({"y": tensor([math.nan])}, {"y": tensor([1.0])})
    assert reason.code == "nonfinite"
    assert reason.message == (
        "output 'y': NaN or Inf differ in 1 of 1 elements, the first is NaN, in the reference 1 "
        "in sample 0"
    )


def test_words_of_exact_types() -> None:
    reason = outputs_beside({"y": tensor([1, 9], "int64")}, {"y": tensor([1, 2], "int64")})
    assert reason.code == "numbers"
    assert reason.message == "output 'y': 1 of 2 elements differ, by up to 7 in sample 1"
    reason = outputs_beside({"y": StringTensor((), (b"a",))}, {"y": StringTensor((), (b"b",))})
    assert reason.message == "output 'y': 1 of 1 elements differ"


def test_words_of_a_renamed_output() -> None:
    reason = outputs_beside({"dense_1": tensor([1.0])}, {"dense": tensor([1.0])})
    assert reason.code == "missing-output"
    assert reason.message == (
        "output 'dense' is missing (and 1 more output); the cell gives 'dense_1' instead"
    )
    assert reason.evidence == "output 'dense' is missing\noutput 'dense_1' is not in the reference"


def test_words_of_an_extra_output() -> None:
    one = tensor([1.0])
    reason = outputs_beside({"a": one, "b": one}, {"a": one})
    assert (reason.code, reason.message) == (
        "extra-output",
        "output 'b' is not in the reference",
    )


def test_the_gravest_output_is_the_reason() -> None:
    reference = {"a": tensor([[1.0, 2.0]]), "b": tensor([[1.0, 2.0]]), "c": tensor([1.0])}
    actual = {"a": tensor([[9.0, 10.0]]), "b": tensor([[2.0, 1.0]]), "c": tensor([1.0])}
    reason = outputs_beside(actual, reference)
    assert reason.code == "decisions"
    assert reason.message.startswith("output 'b': differs by up to 1 (")
    assert reason.message.endswith("; 1 of 1 decisions changed (and 1 more output)")
    lines = reason.evidence.split("\n")
    assert [line[:10] for line in lines] == ["output 'b'", "sample 0: ", "output 'a'"]


def test_names_from_a_cell_are_made_safe() -> None:
    name = "evil\x1b[2J\nname"
    assert describe(name, OutputDivergence(status="missing")) == "output 'evil name' is missing"


def test_tolerances_are_per_output() -> None:
    reference = {"a": tensor([1.0]), "b": tensor([1.0])}
    actual = {"a": tensor([1.5]), "b": tensor([1.5])}
    found = compare(actual, reference, {"a": Tolerance(atol=1)})
    assert found.outputs["a"].status == "equivalent"
    assert (found.outputs["a"].atol, found.outputs["a"].rtol) == (1, 1e-5)
    assert found.outputs["b"].status == "diverged"


def ragged(values: list[float], splits: list[int]) -> dict[str, Any]:
    """A ragged output, in the parts that it is stored as."""
    return {"r/row_splits_0": tensor(splits, "int64"), "r/values": tensor(values)}


def sparse(at: list[list[int]], values: list[float], shape: list[int]) -> dict[str, Any]:
    return {
        "s/dense_shape": tensor(shape, "int64"),
        "s/indices": tensor(np.array(at).reshape(-1, len(shape)), "int64"),
        "s/values": tensor(values),
    }


def lines(actual: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    found = compare(actual, reference, {})
    return [
        describe(name, output)
        for name, output in found.outputs.items()
        if output.status != "identical"
    ]


def test_words_of_ragged_outputs() -> None:
    assert lines(ragged([1, 2, 3], [0, 1, 3]), ragged([1, 2, 3], [0, 2, 3])) == [
        "output 'r/row_splits_0': other row lengths, 1 of 3 elements differ, by up to 1 at [1]"
    ]
    assert lines(ragged([1, 2, 3], [0, 1, 3]), ragged([1, 2], [0, 1, 1, 2])) == [
        "output 'r/row_splits_0' has shape [3], the reference has [4]: another number of rows",
        "output 'r/values' has shape [3], the reference has [2]: another number of values",
    ]
    assert lines(ragged([1, 2, 4], [0, 1, 3]), ragged([1, 2, 3], [0, 1, 3])) == [
        "output 'r/values': differs by up to 1 (rel 0.33) at [2], 1 of 3 elements beyond atol "
        "1e-05, rtol 1e-05 (atol = rtol = 0.25 would pass)"
    ]


def test_words_of_sparse_outputs() -> None:
    one = sparse([[0, 1], [2, 0]], [1, 2], [3, 2])
    assert lines(sparse([[0, 1], [1, 0]], [1, 2], [3, 2]), one) == [
        "output 's/indices': values at other places, 1 of 4 elements differ, by up to 1 at [1, 0]"
    ]
    assert lines(sparse([[0, 1], [2, 0]], [1, 2], [4, 2]), one) == [
        "output 's/dense_shape': another dense shape, 1 of 2 elements differ, by up to 1 at [0]"
    ]
    assert lines(sparse([], [], [3, 2]), one) == [
        "output 's/indices' has shape [0, 2], the reference has [2, 2]: another number of values",
        "output 's/values' has shape [0], the reference has [2]: another number of values",
    ]
    assert lines(sparse([], [], [3, 2]), sparse([], [], [3, 2])) == []


def test_an_output_that_is_only_called_like_a_part_is_one_of_its_own() -> None:
    assert lines({"values": tensor([1.0])}, {"values": tensor([1.0, 1.0])}) == [
        "output 'values' has shape [1], the reference has [2]"
    ]


def test_where_a_nan_is() -> None:
    reference = tensor([[1.0, 2.0], [3.0, math.inf]])
    actual = tensor([[1.0, 2.0], [math.nan, -math.inf]])
    output = compare({"y": actual}, {"y": reference}, {}).outputs["y"]
    assert (output.status, output.max_abs, output.tolerance_needed) == ("nonfinite", None, None)
    assert output.worst == WorstElement(index=(1, 0), sample=1, actual=None, reference=3.0)
    assert describe("y", output) == (
        "output 'y': NaN or Inf differ in 2 of 4 elements, the first is NaN, in the reference 3 in "
        "sample 1 at [1, 0]"
    )


def test_an_output_has_every_number() -> None:
    found = compare({"y": tensor([[1.5, 2.0]])}, {"y": tensor([[1.0, 2.0]])}, {}).outputs["y"]
    assert (found.mean_abs, found.p99_abs) == (0.25, 0.5)
    assert found.snr_db == pytest.approx(10 * math.log10(5 / 0.25))
    assert found.cosine == pytest.approx(5.5 / math.sqrt(6.25 * 5))
    assert found.tolerance_needed == pytest.approx(0.25)
    assert found.worst == WorstElement(index=(0, 0), sample=0, actual=1.5, reference=1.0)


@pytest.mark.parametrize("needed", [0.5, 0.12345, 9.99e-7, 1.0, 3e-320])
def test_a_tolerance_that_is_shown_passes(needed: float) -> None:
    reference = tensor([0.0], "float64")
    actual = tensor([needed], "float64")
    text = describe("y", compare({"y": actual}, {"y": reference}, {}).outputs["y"])
    if "would pass" not in text:
        assert needed < 1e-7  # it passes as it is
        return
    shown = float(text.split("rtol = ")[1].split(" would")[0])
    found = compare({"y": actual}, {"y": reference}, {"y": Tolerance(atol=shown, rtol=shown)})
    assert found.outputs["y"].status == "equivalent"
    assert shown <= needed * 1.1


STATUSES = ("identical", "equivalent", "diverged")


@given(st.floats(-1e3, 1e3), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.1))
def test_a_larger_difference_never_gets_a_better_status(
    reference: float, one: float, other: float, tolerance: float
) -> None:
    tolerances = {"y": Tolerance(atol=tolerance, rtol=tolerance)}
    near, far = (
        compare(
            {"y": tensor([reference + shift], "float64")},
            {"y": tensor([reference], "float64")},
            tolerances,
        ).outputs["y"]
        for shift in sorted((one, other))
    )
    assert STATUSES.index(near.status) <= STATUSES.index(far.status)
