from __future__ import annotations

import pytest

from harness.judge.tolerance import Allowed, allowed
from harness.model.model import Tolerance


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float16", Allowed(1e-3, 4e-3)),
        ("bfloat16", Allowed(8e-3, 3.2e-2)),
        ("float32", Allowed(1e-5, 1e-5)),
        ("complex64", Allowed(1e-5, 1e-5)),
        ("float64", Allowed(1e-7, 1e-7)),
        ("int32", None),
        ("bool", None),
        ("string", None),
        ("float8_e5m2", None),
    ],
)
def test_defaults(dtype: str, expected: Allowed | None) -> None:
    assert allowed("y", dtype, {}) == expected


def test_an_output_goes_before_all_and_each_number_for_itself() -> None:
    overrides = {"*": Tolerance(atol=1, rtol=2), "y": Tolerance(rtol=0)}
    assert allowed("y", "float32", overrides) == Allowed(atol=1, rtol=0)
    assert allowed("z", "float32", overrides) == Allowed(atol=1, rtol=2)


def test_what_is_exact_stays_exact() -> None:
    assert allowed("y", "int64", {"*": Tolerance(atol=1), "y": Tolerance(atol=1)}) is None
