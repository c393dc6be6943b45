from __future__ import annotations

from harness.divergence import NoiseFloor
from harness.report.findings import findings, notes
from harness.report.table import CellRow
from harness.verdict import Reason, Verdict
from tests.support.tables import declared, ran, sweep_table


def cells(*warnings: tuple[str, ...], notes: tuple[str | None, ...] = ()) -> tuple[CellRow, ...]:
    """Return a cell for each of `warnings`, the first ones with `notes`."""
    versions = [f"2.{minor}.0" for minor in range(4, 4 + len(warnings))]
    told = (*notes, *[None] * len(warnings))
    return sweep_table(
        tuple(
            ran(declared(version, "3.11", note=note), Verdict.IDENTICAL, warnings=warned)
            for version, note, warned in zip(versions, told, warnings, strict=False)
        )
    ).cells


def test_a_warning_is_told_once_with_its_cells() -> None:
    found = notes(cells(("rare", "same"), ("same",), ("same", "same")))
    assert found == ("all 3 cells: same", "tf2.4.0-py3.11-cpu: rare")


def test_what_the_plan_says_comes_first() -> None:
    assert notes(cells(("warned",), (), notes=("planned",))) == (
        "tf2.4.0-py3.11-cpu: planned",
        "tf2.4.0-py3.11-cpu: warned",
    )


def test_many_warnings_are_cut_and_counted() -> None:
    found = notes(cells(tuple(f"warning {number}" for number in range(13))))
    assert len(found) == 11
    assert found[-1] == "[... 3 more warnings in table.json ...]"


def test_long_warnings_are_cut() -> None:
    (found,) = notes(cells(("a\n" * 10_000,)))
    assert found.endswith("a a a…")
    assert len(found) < 300


def noisy(version: str, noise: float, verdict: Verdict = Verdict.EQUIVALENT) -> CellRow:
    reason = Reason(code="nondeterministic", message=f"repeats disagree by up to {noise:g}")
    floor = {"noise_floor": NoiseFloor(max_abs=noise, max_ulp=1)}
    row = ran(declared(version, "3.11"), verdict, reason=reason, judged=dict(floor))
    return sweep_table((row,)).cells[0]


def test_the_noisiest_cell_speaks_for_all() -> None:
    found = findings(
        [noisy("2.4.4", 0.1), noisy("2.10.1", 0.3), noisy("2.15.1", 0.2, Verdict.IDENTICAL)]
    )
    assert [(one.title, one.message, one.cells) for one in found] == [
        (
            "nondeterministic",
            "repeats disagree by up to 0.3; tf2.10.1-py3.11-cpu is the noisiest",
            ("tf2.10.1-py3.11-cpu", "tf2.4.4-py3.11-cpu", "tf2.15.1-py3.11-cpu"),
        )
    ]


def test_one_noisy_cell_is_not_the_noisiest_of_any() -> None:
    (found,) = findings([noisy("2.4.4", 0.1)])
    assert found.message == "repeats disagree by up to 0.1"
    (found,) = findings([noisy("2.4.4", 0.1), noisy("2.10.1", 0.1)])
    assert found.message == "repeats disagree by up to 0.1"
