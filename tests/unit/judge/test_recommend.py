from __future__ import annotations

from harness.cell import Cell
from harness.divergence import Decided, DecisionKind, Divergence, Flip, OutputDivergence
from harness.judge.recommend import Recommendation, recommend
from harness.plan.plan import PlannedCell
from harness.verdict import Judgement, LoaderJudgement, Reference, Verdict
from tests.support.fakes import cell

OLD, MIDDLE, NEW = cell("2.4.4", "3.8"), cell("2.15.1", "3.11"), cell("2.21.0", "3.13")
EXPECTED = Reference(cell=None, why="expected.npz beside the model")


def judged(one: Cell, verdict: Verdict, changed: int | None = 0, **fields: object) -> Judgement:
    divergence = Divergence(max_abs=1.25e-7, decisions_changed=changed)
    return Judgement.model_validate(
        {"cell": one.id, "verdict": verdict, "divergence": divergence, **fields}
    )


def choose(*pairs: tuple[Cell, Judgement], reference: Reference = EXPECTED) -> Recommendation:
    cells = [PlannedCell(cell=one) for one, _ in pairs]
    return recommend(cells, [judgement for _, judgement in pairs], reference)


def plain(one: Cell, verdict: Verdict, changed: int | None = 0) -> tuple[Cell, Judgement]:
    return one, judged(one, verdict, changed)


def test_the_newest_that_agrees() -> None:
    found = choose(
        plain(OLD, Verdict.IDENTICAL),
        plain(MIDDLE, Verdict.EQUIVALENT),
        plain(NEW, Verdict.DIVERGED),
    )
    assert found == (
        MIDDLE.id,
        "the newest cell of the 2 (of 3) that agree with the reference: its outputs differ from "
        "the reference by at most 1.2e-07, within tolerance, and no decision changed",
    )


def test_the_only_one_that_agrees() -> None:
    reference = Reference(cell=OLD.id, why="")
    found = choose(plain(OLD, Verdict.IDENTICAL), plain(NEW, Verdict.FAILED), reference=reference)
    assert found == (
        OLD.id,
        "the only one of 2 cells that agrees with the reference: it is the reference itself",
    )


def test_changed_decisions_do_not_agree() -> None:
    found = choose(plain(OLD, Verdict.IDENTICAL), plain(NEW, Verdict.EQUIVALENT, 1))
    assert found.cell == OLD.id


def tied(one: Cell, near: int = 1, clear: int = 0) -> tuple[Cell, Judgement]:
    flip = Flip(
        index=(12,),
        sample=12,
        was=3,
        became=7,
        margin=1.2e-7,
        moved=1.5e-7,
        allowed=2.4e-5,
        near_tie=True,
    )
    decided = Decided(
        kind=DecisionKind.CLASS,
        detected=True,
        why="its rows sum to 1",
        near_ties=near,
        clear=clear,
        flips=(flip,),
    )
    output = OutputDivergence(
        status="equivalent",
        shape=(256, 10),
        decisions=256,
        decisions_changed=near + clear,
        decided=decided,
    )
    far = Divergence(max_abs=1.25e-7, decisions_changed=near + clear, outputs={"p": output})
    return one, judged(one, Verdict.EQUIVALENT, divergence=far)


def test_a_cell_without_changed_decisions_goes_before_newer_ones_with_near_ties() -> None:
    assert choose(plain(OLD, Verdict.IDENTICAL), tied(MIDDLE), tied(NEW, 2)) == (
        OLD.id,
        "the only one of 3 cells that agrees with the reference: its outputs equal the reference's "
        "bit for bit; 2 newer cells agree too, but for decisions that changed on near ties",
    )
    found = choose(tied(OLD), plain(MIDDLE, Verdict.EQUIVALENT), plain(NEW, Verdict.DIVERGED))
    assert found.cell == MIDDLE.id
    assert "newer" not in found.why


def test_near_ties_are_taken_where_there_is_nothing_else_and_told() -> None:
    assert choose(tied(OLD, 2), tied(MIDDLE), plain(NEW, Verdict.FAILED)) == (
        MIDDLE.id,
        "the newest cell of the 2 (of 3) that agree with the reference: its outputs differ from "
        "the reference by at most 1.2e-07, within tolerance, and 1 decision changed, on a near tie "
        "(sample 12: class 3 became class 7; margin 1.2e-07, within the 2.4e-05 that counts as "
        "equal)",
    )
    found = choose(tied(OLD, 2))
    assert "2 decisions changed, all on near ties (sample 12" in found.why


def test_near_ties_with_default_settings_go_before_other_settings() -> None:
    pinned = cell("2.21.0", "3.13", pins={"name": "numpy-1"})
    assert choose(plain(pinned, Verdict.IDENTICAL), tied(OLD)).cell == OLD.id


def test_a_clear_call_among_near_ties_does_not_agree() -> None:
    assert choose(tied(OLD, 1, 1)).cell is None


def test_as_released_before_today_and_python_last() -> None:
    today = cell("2.21.0", "3.13", resolution="today")
    older = cell("2.15.1", "3.10")
    pairs = [plain(one, Verdict.IDENTICAL) for one in (today, older, MIDDLE)]
    assert choose(*pairs) == (
        MIDDLE.id,
        "the newest as-released cell of 3, which all agree with the reference: its outputs equal "
        "the reference's bit for bit",
    )
    found = choose(pairs[0])
    assert found.cell == today.id


def test_a_cell_that_varies_says_so() -> None:
    found = choose((OLD, judged(OLD, Verdict.IDENTICAL, deterministic=False)))
    assert found.why == (
        "the only cell, and it agrees with the reference: its outputs equal the reference's "
        "bit for bit; running it twice gave different bits"
    )


def test_a_cell_that_varies_comes_after_one_that_does_not() -> None:
    found = choose(
        plain(OLD, Verdict.IDENTICAL),
        (MIDDLE, judged(MIDDLE, Verdict.IDENTICAL, deterministic=True)),
        (NEW, judged(NEW, Verdict.IDENTICAL, deterministic=False)),
    )
    assert found == (
        MIDDLE.id,
        "the newest deterministic cell of 3, which all agree with the reference: its outputs equal "
        "the reference's bit for bit",
    )


def test_what_agrees_within_noise_says_so() -> None:
    output = OutputDivergence(status="equivalent", mismatched=3, total=9, within="noise")
    far = Divergence(max_abs=0.25, decisions_changed=0, outputs={"p": output})
    found = choose((OLD, judged(OLD, Verdict.EQUIVALENT, divergence=far, deterministic=False)))
    assert found.why == (
        "the only cell, and it agrees with the reference: its outputs differ from the reference by "
        "at most 0.25, within tolerance or measured noise, and no decision changed; running it "
        "twice gave different bits"
    )


def test_within_tolerance_goes_before_within_noise() -> None:
    output = OutputDivergence(status="equivalent", mismatched=3, total=9, within="noise")
    noisy = Divergence(max_abs=0.25, decisions_changed=0, outputs={"p": output})
    close = Divergence(max_abs=1e-7, decisions_changed=0)
    found = choose(
        (OLD, judged(OLD, Verdict.EQUIVALENT, divergence=close)),
        (MIDDLE, judged(MIDDLE, Verdict.EQUIVALENT, divergence=noisy)),
    )
    assert found == (
        OLD.id,
        "the newest cell within tolerance of 2, which all agree with the reference: its outputs "
        "differ from the reference by at most 1e-07, within tolerance, and no decision changed",
    )


def test_further_loaders_have_no_say() -> None:
    failed = LoaderJudgement(name="keras.load_model", verdict=Verdict.FAILED)
    found = choose((OLD, judged(OLD, Verdict.IDENTICAL, loaders=(failed,))))
    assert found.cell == OLD.id


def test_other_pins_and_flags_are_not_recommended() -> None:
    pinned = cell("2.21.0", "3.13", pins={"name": "numpy-1"})
    assert choose(plain(pinned, Verdict.IDENTICAL), plain(OLD, Verdict.FAILED)) == (
        None,
        "only environments with other than default pins or flags agree with the reference: "
        "1 of 2 cells",
    )


def test_other_settings_that_agree_are_told_apart() -> None:
    pinned = cell("2.21.0", "3.13", pins={"name": "numpy-1"}, resolution="today")
    found = choose(*(plain(one, Verdict.IDENTICAL) for one in (pinned, OLD, MIDDLE)))
    assert found == (
        MIDDLE.id,
        "the newest cell with default pins and flags of 3, which all agree with the reference: "
        "its outputs equal the reference's bit for bit",
    )


def test_nothing_agrees() -> None:
    found = choose(
        plain(OLD, Verdict.FAILED),
        plain(MIDDLE, Verdict.FAILED),
        plain(NEW, Verdict.EQUIVALENT, 2),
    )
    assert found == (
        None,
        "no cell agrees with the reference (1 equivalent, 2 failed, those equivalent with "
        "changed decisions)",
    )
