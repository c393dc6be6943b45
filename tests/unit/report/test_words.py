from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.divergence import Divergence
from harness.observation import Base, Image
from harness.report.table import CellRow
from harness.report.words import disk, flat, lines, moved, near_ties_only, number, which
from harness.verdict import Verdict
from tests.support.tables import Row, causes_rows, declared, distance, ran, sweep_table


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


def rows(*versions: str, **fields: object) -> tuple[CellRow, ...]:
    cells = [declared(version, "3.11", **fields) for version in versions]
    return sweep_table(tuple(ran(cell, Verdict.IDENTICAL) for cell in cells)).cells


def test_cells_in_few_words() -> None:
    old, middle, new, newest = among = rows("2.4.4", "2.15.1", "2.16.2", "2.21.0")
    assert which([middle], among) == "tf2.15.1-py3.11-cpu"
    assert which([old, middle, new, newest], among) == "all 4 cells"
    assert which([old, middle], [old, middle]) == "both cells"
    assert which([new, newest], among) == "2 cells (2.16.2 - 2.21.0)"
    assert which([old, newest], among) == "2 cells (tf2.4.4-py3.11-cpu, tf2.21.0-py3.11-cpu)"


def test_releases_are_named_only_where_all_their_cells_are_meant() -> None:
    released = rows("2.4.4", "2.15.1")
    today = rows("2.4.4", "2.15.1", resolution="today")
    among = (*released, *today)
    assert which([released[0], today[0]], among) == "2 cells (2.4.4)"
    assert which(released, among) == "2 cells (tf2.4.4-py3.11-cpu, tf2.15.1-py3.11-cpu)"


def test_of_many_cells_without_releases_of_their_own_some_are_named() -> None:
    released = rows(*(f"2.{minor}.0" for minor in range(4, 12)))
    among = (*released, *rows(*(f"2.{minor}.0" for minor in range(4, 12)), resolution="today"))
    assert which(released, among).endswith(", tf2.9.0-py3.11-cpu and 2 more)")


def compared(version: str, changed: int, verdict: Verdict = Verdict.DIVERGED) -> Row:
    far = distance(0.5, 9, changed, "diverged")
    return ran(declared(version, "3.11"), verdict, divergence=far)


def test_numbers_that_moved_and_decisions_that_moved() -> None:
    table = sweep_table(
        (
            compared("2.4.4", 0),
            compared("2.10.1", 3),
            compared("2.15.1", 0, Verdict.IDENTICAL),
            compared("2.16.2", 0, Verdict.EQUIVALENT),
            compared("2.20.0", 5),
            compared("2.21.0", 5),
        )
    )
    assert moved(table) == (
        "2 cells: numbers moved, no decision moved",
        "2 cells (2.20.0 - 2.21.0): 5 of 64 decisions moved",
        "tf2.10.1-py3.11-cpu: 3 of 64 decisions moved",
    )


def test_near_ties_are_told_apart_and_after_clear_calls() -> None:
    def row(version: str, changed: int, near: int) -> Row:
        far = distance(0.5, 9, changed, "diverged", near=near)
        return ran(declared(version, "3.11"), Verdict.DIVERGED, divergence=far)

    table = sweep_table((row("2.4.4", 9, 9), row("2.10.1", 3, 1), row("2.15.1", 1, 1)))
    end = (
        "(sample 51: class 3 became class 7; margin 0.25, within the 2.4e-06 that counts as equal)"
    )
    assert moved(table) == (
        "tf2.10.1-py3.11-cpu: 3 of 64 decisions moved, 1 of them on a near tie",
        f"tf2.4.4-py3.11-cpu: 9 of 64 decisions moved, on near ties {end}",
        f"tf2.15.1-py3.11-cpu: 1 of 64 decisions moved, on a near tie {end}",
    )
    assert [near_ties_only(one) for one in table.cells] == [True, False, True]


def test_where_nothing_is_decided_no_decision_moved() -> None:
    far = Divergence(max_abs=0.5, outputs={})
    row = ran(declared("2.4.4", "3.11"), Verdict.DIVERGED, divergence=far)
    assert moved(sweep_table((row,))) == ()
    assert moved(sweep_table(causes_rows()[2:])) == ()


def test_of_many_ways_to_move_the_worst_are_told() -> None:
    table = sweep_table(tuple(compared(f"2.{minor}.0", minor) for minor in range(4, 12)))
    found = moved(table)
    assert found[0] == "tf2.11.0-py3.11-cpu: 11 of 64 decisions moved"
    assert found[-1] == "fewer decisions moved in 3 more cells"


def sized(version: str, digest: str, size: int | None, base: str, base_bytes: int | None) -> Row:
    cell = declared(version, "3.11")
    row = ran(cell, Verdict.IDENTICAL)
    assert row.observation is not None
    facts = row.observation.environment
    assert facts is not None
    image = Image(tag=f"image:{version}", digest=digest, size_bytes=size, base_bytes=base_bytes)
    made = facts.model_copy(update={"image": image, "base": Base(kind="registry", reference=base)})
    return ran(cell, Verdict.IDENTICAL, environment=made)


def test_what_images_take_counts_shared_layers_and_shared_images_once() -> None:
    rows = (
        sized("2.4.4", "sha256:a", 700_000_000, "base", 100_000_000),
        sized("2.8.4", "sha256:b", 900_000_000, "base", 100_000_000),
        sized("2.9.0", "sha256:b", 900_000_000, "base", 100_000_000),
        sized("2.15.1", "sha256:c", 300_000_000, "other", 200_000_000),
        sized("2.16.1", "sha256:d", None, "other", None),
    )
    table = sweep_table(rows)
    assert disk(table) == ("3 images, 1.8 GB on disk (shared layers counted once)",)
    first = table.cells[0].model_copy(update={"dropped": True})
    dropped = table.model_copy(update={"cells": (first, *table.cells[1:])})
    assert disk(dropped) == (
        "3 images, 1.8 GB on disk (shared layers counted once), 1 of them dropped since",
    )


def test_of_images_of_unknown_size_nothing_is_said() -> None:
    assert disk(sweep_table((sized("2.16.1", "sha256:d", None, "other", None),))) == ()
