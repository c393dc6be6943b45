"""What the table shows of the noise floor: a column, a mark, a legend, a warning."""

from __future__ import annotations

from harness.divergence import Divergence, NoiseFloor
from harness.report.legend import legend
from harness.report.markdown import render_markdown
from harness.report.table import CellRow, Table
from harness.report.terminal import render_terminal
from harness.verdict import Reason, Verdict
from tests.support.tables import Row, declared, distance, ran, sweep_table

FLOOR = NoiseFloor(max_abs=4.8e-07, max_ulp=5, by={"repeat": 0, "ulp-1": 4.8e-07, "batch-split": 0})
SENSITIVE = Reason(
    code="ill-conditioned",
    message="one ULP of the inputs moves output 'probabilities' by up to 0.1",
)


def row(version: str, verdict: Verdict, **fields: object) -> Row:
    judged = {"noise_floor": fields.pop("floor", FLOOR), "reason": fields.pop("reason", None)}
    return ran(
        declared(version, "3.11"),
        verdict,
        deterministic=True,
        judged=judged,
        **{"divergence": distance(0.0, 0, status="identical"), **fields},  # type: ignore[arg-type]
    )


def by_noise() -> Divergence:
    far = distance(0.12, 2_100_000)
    output = far.outputs["probabilities"].model_copy(update={"within": "noise", "mismatched": 9})
    return far.model_copy(update={"outputs": {"probabilities": output}})


def quiet() -> Table:
    return sweep_table((row("2.15.1", Verdict.IDENTICAL), row("2.16.2", Verdict.IDENTICAL)))


def sensitive() -> Table:
    moved = FLOOR.model_copy(update={"max_abs": 0.1, "by": {"repeat": 0, "ulp-1": 0.1}})
    rows = (
        row("2.15.1", Verdict.IDENTICAL, floor=moved, reason=SENSITIVE),
        row("2.16.2", Verdict.EQUIVALENT, floor=moved, reason=SENSITIVE, divergence=by_noise()),
    )
    return sweep_table(rows)


def shown(table: Table, width: int) -> str:
    return render_terminal(table, width=width, color=False, folder="results/x")


def test_the_floor_is_shown_where_it_was_measured() -> None:
    text = shown(quiet(), 200)
    assert text.count("4.8e-07") == 2
    assert "noise: how far outputs move by a repeat, one ULP in the inputs, a split batch" in (text)
    assert "!" not in text


def test_a_repeat_alone_is_no_column() -> None:
    floor = NoiseFloor(max_abs=0, max_ulp=0, by={"repeat": 0})
    table = sweep_table((row("2.15.1", Verdict.IDENTICAL, floor=floor),))
    assert "noise" not in shown(table, 200)


def test_what_one_ulp_moves_is_marked_and_said() -> None:
    table = sensitive()
    text = shown(table, 200)
    assert "identical! (ref)" in text
    assert "equivalent!" in text
    assert "! ill-conditioned: one ULP of the inputs moves outputs beyond tolerance" in text
    assert "or the noise of 1 variation" in text
    assert "- ill-conditioned: one ULP of the inputs moves output 'probabilities'" in text
    assert "| identical! (ref) |" in render_markdown(table)


def test_it_all_fits_a_narrow_terminal() -> None:
    for table in (quiet(), sensitive()):
        lines = shown(table, 80).splitlines()
        assert max(len(line) for line in lines[:-1]) <= 80


def test_tolerance_alone_names_no_noise() -> None:
    rows = (
        row("2.15.1", Verdict.IDENTICAL),
        row("2.16.2", Verdict.EQUIVALENT, divergence=distance(1e-7, 1)),
    )
    (verdicts, *_) = legend(sweep_table(rows))
    assert verdicts == (
        "identical: bit for bit; equivalent: within atol 1e-06, rtol 1e-05; (ref): the reference"
    )


def warnings(floor: NoiseFloor) -> tuple[str, ...]:
    (cell,) = sweep_table((row("2.15.1", Verdict.IDENTICAL, floor=floor),)).cells
    assert isinstance(cell, CellRow)
    return cell.warnings


def test_outputs_that_depend_on_the_batch_are_a_warning() -> None:
    told = {"max_abs": 0.0, "max_ulp": 0, "by": {"repeat": 0, "batch-split": 0.33}}
    floor = NoiseFloor.model_validate({**told, "not_counted": ("batch-split",)})
    assert warnings(floor) == (
        "the outputs of a sample depend on what else is in its batch: fed in parts they move by up "
        "to 0.33, which is no noise; is batch normalisation in training mode?",
    )
    assert warnings(FLOOR) == ()
