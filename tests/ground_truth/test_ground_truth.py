"""Some of the pairs, for real: what is alike passes, what is not does not, and decisions tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.environments.venv.engine import VenvEngine
from harness.judging import judged_table
from harness.store.layout import SweepFolder
from harness.store.results import load_record
from harness.verdict import Verdict
from tests.ground_truth.folders import Label
from tests.ground_truth.pairs import Pair, read_pairs
from tests.ground_truth.subjects import SUBJECTS
from tests.ground_truth.sweep import REFERENCE, sweep
from tests.ground_truth.table import rendered
from tests.support.require import missing

pytestmark = pytest.mark.tensorflow

QUICK = [subject for subject in SUBJECTS if subject.quick]
HARMLESS = {"avx", "onednn-off", "onednn-on", "one-thread", "sse41", "rewritten"}
EXPORTED = {"saved-model-as-plain", "saved-model-as-xla", "saved-model-as-halves"}
MISSED = {("digits-h5", "weight-last")}
"""No way to see it: what it does to the outputs is less than what rounding does."""
INERT = {("long-sum", "weight-first")}
"""It belongs to a pixel that is 0 in all images."""

Pairs = dict[tuple[str, str], Pair]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if why := VenvEngine().unobtainable(frozenset({"3.11"})):
        missing("python3.11", str(why))
    folder = tmp_path_factory.mktemp("ground-truth")
    sweep(QUICK, folder, quick=True)
    return folder


@pytest.fixture(scope="module")
def pairs(kept: Path) -> Pairs:
    found, unrun = read_pairs(kept)
    print(f"\n{rendered(found, unrun, 'simple')}")  # noqa: T201 - shown by -s
    assert unrun == ()
    return {(pair.subject, pair.change): pair for pair in found}


def test_there_is_a_pair_of_every_change(pairs: Pairs) -> None:
    for subject in QUICK:
        changes = {change for name, change in pairs if name == subject.name}
        otherwise = EXPORTED if subject.loader == "keras.load_model" else {"xla"}
        assert changes == {*HARMLESS, *otherwise, *subject.edits, *subject.mistakes}


def test_no_alarm_is_false(pairs: Pairs) -> None:
    harmless = [pair for pair in pairs.values() if pair.label is Label.HARMLESS]
    assert [pair for pair in harmless if not pair.passes] == []


def test_other_kernels_give_other_numbers(pairs: Pairs) -> None:
    """Pairs that are all identical would prove nothing."""
    for change in ("sse41", "xla", "saved-model-as-xla"):
        assert any(
            pair.verdict is Verdict.EQUIVALENT
            for (_, told), pair in pairs.items()
            if told == change
        ), change


def test_what_is_rewritten_without_a_change_is_identical(pairs: Pairs) -> None:
    rewritten = [pair.verdict for (_, change), pair in pairs.items() if change == "rewritten"]
    assert set(rewritten) == {Verdict.IDENTICAL}


def test_harm_is_found(pairs: Pairs) -> None:
    harmful = {key: pair for key, pair in pairs.items() if pair.label is Label.HARMFUL}
    assert {key for key, pair in harmful.items() if pair.inert} == INERT
    assert {key for key, pair in harmful.items() if pair.passes} == MISSED | INERT


def test_moved_decisions_are_told_from_moved_numbers(pairs: Pairs) -> None:
    assert pairs["digits-h5", "classes-swapped"].code == "decisions"
    assert pairs["digits-h5", "axes-swapped"].decisions_changed == 56
    assert pairs["digits-h5", "weight-first"].code == "numbers"
    assert pairs["digits-h5", "weight-first"].decisions_changed == 0
    assert not any(
        pair.decisions_changed for pair in pairs.values() if pair.label is Label.HARMLESS
    )


def test_what_is_kept_is_a_sweep_that_the_harness_reports(kept: Path, pairs: Pairs) -> None:
    folder = SweepFolder(kept / "digits-h5")
    table = judged_table(folder, load_record(folder))
    verdicts = {row.flags: row.verdict for row in table.cells}
    assert table.reference.cell == REFERENCE
    assert verdicts["classes-swapped"] is pairs["digits-h5", "classes-swapped"].verdict
    assert len(table.cells) == 1 + sum(name == "digits-h5" for name, _ in pairs)
