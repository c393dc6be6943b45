"""Weights put into a model: nothing is silently left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing.report import Report
from probing.restoring import PartialRestoreError, filling, holds_filling, restore, some
from probing.variables import Named

from harness.observation import Restored

DTYPES = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "int32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "object",
]


class Variable:
    """As much of a variable as is asked for."""

    def __init__(self, value: np.ndarray) -> None:
        self.value_now = value

    def numpy(self) -> np.ndarray:
        return self.value_now.copy()

    def assign(self, value: np.ndarray) -> None:
        assert (value.shape, value.dtype) == (self.value_now.shape, self.value_now.dtype)
        self.value_now = value


def variables(**values: np.ndarray) -> list[Named]:
    return [Named(name, Variable(value)) for name, value in values.items()]


def loader(found: list[Named], **values: np.ndarray) -> Any:
    def load() -> None:
        for named in found:
            if named.name in values:
                named.variable.assign(values[named.name])

    return load


def report_of(tmp_path: Path) -> Any:
    return Report(str(tmp_path))


@given(st.sampled_from(DTYPES), st.sampled_from([(), (1,), (2, 3)]), st.booleans())
def test_what_was_filled_is_seen(dtype: str, shape: tuple[int, ...], first: bool) -> None:
    value = np.zeros(shape, dtype) if dtype != "object" else np.full(shape, b"a", object)
    filled = filling(value, first)
    assert (filled.shape, filled.dtype) == (value.shape, value.dtype)
    assert holds_filling(Variable(filled), first)
    if dtype != "bool":
        assert not holds_filling(Variable(value), first)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_a_nan_in_a_file_is_a_value(dtype: str) -> None:
    value = np.full((2, 2), np.nan, dtype)
    assert not holds_filling(Variable(value), True)
    assert np.isnan(filling(value, True)).all()


def test_a_part_that_was_left_out_is_seen() -> None:
    value = filling(np.zeros((2, 2), np.float32), True)
    value[0] = 1
    assert holds_filling(Variable(value), True)


def test_an_empty_variable_has_nothing_to_restore() -> None:
    assert not holds_filling(Variable(np.zeros((0, 3), np.float32)), True)


def test_all_that_is_restored_is_reported(tmp_path: Path) -> None:
    found = variables(a=np.zeros(2, np.float32), b=np.zeros((), np.int64))
    report = report_of(tmp_path)
    load = loader(found, a=np.ones(2, np.float32), b=np.array(3))
    restore(report, found, load, lambda whole: ["c"] if whole else [])
    assert Restored.model_validate(report.values["restored"]) == Restored(
        expected=2, restored=2, unrestored=[], unused=["c"]
    )
    assert found[0].variable.numpy().tolist() == [1, 1]


@pytest.mark.parametrize(
    "value",
    [
        np.array(False),
        np.array(True),
        np.array([0x5A] * 3, np.uint8),
        np.array([0xA5] * 3, np.uint8),
        np.array(0x5A5A, np.int16),
    ],
)
def test_a_value_that_happens_to_be_the_filling_is_a_value(
    tmp_path: Path, value: np.ndarray
) -> None:
    found = variables(flag=np.zeros_like(value))
    restore(report_of(tmp_path), found, loader(found, flag=value), lambda whole: [])
    assert found[0].variable.numpy().tolist() == value.tolist()


def test_what_took_no_value_is_named(tmp_path: Path) -> None:
    found = variables(a=np.zeros(2, np.float32), flag=np.array(False), name=np.array(b"x", object))
    report = report_of(tmp_path)
    with pytest.raises(PartialRestoreError) as caught:
        restore(report, found, loader(found, a=np.ones(2, np.float32)), lambda whole: ["d/a"])
    assert str(caught.value) == (
        "2 of 3 variables took no value from the file: flag, name; in the file and unused: d/a"
    )
    assert report.values["restored"] == {
        "expected": 3,
        "restored": 1,
        "unrestored": ["flag", "name"],
        "unused": ["d/a"],
    }


def test_a_loader_that_fails_keeps_its_error_and_what_it_did(tmp_path: Path) -> None:
    found = variables(a=np.zeros(2, np.float32), b=np.zeros(2, np.float32))
    report = report_of(tmp_path)

    def load() -> None:
        loader(found, a=np.ones(2, np.float32))()
        raise ValueError("shapes (2,) and (3,) are incompatible")

    def unused(whole: bool) -> list[str]:
        raise OSError("the file cannot be read")

    with pytest.raises(ValueError, match="are incompatible"):
        restore(report, found, load, unused)
    assert report.values["restored"] == {
        "expected": 2,
        "restored": 1,
        "unrestored": ["b"],
        "unused": [],
    }


def test_long_lists_are_cut_where_they_are_read() -> None:
    assert some([]) == "none"
    assert some([str(number) for number in range(20)]).endswith("18, 19")
    assert some([str(number) for number in range(22)]).endswith("18, 19 and 2 more")


def test_no_report_breaks_the_schema(tmp_path: Path) -> None:
    found = variables(**{f"v{number}": np.zeros(1, np.float32) for number in range(1_200)})
    report = report_of(tmp_path)
    with pytest.raises(PartialRestoreError):
        restore(report, found, lambda: None, lambda whole: ["x"] * 2_000)
    restored = Restored.model_validate(report.values["restored"])
    assert (restored.expected, len(restored.unrestored), len(restored.unused)) == (1200, 1000, 1000)
