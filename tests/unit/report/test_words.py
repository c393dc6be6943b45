from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.words import flat, lines, number


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0, "0"),
        (0.0, "0"),
        (1.19e-07, "1.2e-07"),
        (0.25, "2.5e-01"),
        (3, "3"),
        (999_999, "999999"),
        (1_390_000, "1.4e+06"),
        (2**64, "1.8e+19"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_short(value: float | None, shown: str) -> None:
    assert number(value) == shown


@given(st.one_of(st.floats(min_value=0), st.integers(min_value=0, max_value=2**64)))
def test_numbers_fit_and_only_zero_looks_like_zero(value: float) -> None:
    shown = number(value)
    assert len(shown) <= 8
    assert (shown == "0") == (value == 0)


@given(st.text())
def test_flat_text_is_one_line_and_keeps_every_word(text: str) -> None:
    assert "\n" not in flat(text)
    assert flat(flat(text)) == flat(text)


def test_short_errors_keep_their_lines() -> None:
    assert lines("one\n\n  two\tthree\r\nfour\x1b[0m\n") == ("one", "two three", "four")


def test_long_errors_keep_both_ends_and_say_what_is_left_out() -> None:
    (line,) = lines("a" * 150 + "b" * 1_000 + "c" * 450)
    assert line == ("a" * 150 + " [... 1000 characters are only in table.json ...] " + "c" * 450)
