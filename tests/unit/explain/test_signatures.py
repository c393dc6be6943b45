from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from harness.explain.signatures import FailureSignature, find, load_signatures
from harness.observation import Stage

RECORDS = load_signatures()


def record(**fields: object) -> FailureSignature:
    return FailureSignature.model_validate(
        {
            "id": "some-failure",
            "stage": ["load"],
            "priority": 50,
            "pattern": "no (?P<what>[a-z]{1,9})",
            "cause": "there is no {what}",
            "remedy": "",
            "source": ["own run"],
            "sample": "no bread",
        }
        | fields
    )


def test_ids_are_unique() -> None:
    ids = [one.id for one in RECORDS]
    assert len(ids) == len(set(ids)) > 40


@pytest.mark.parametrize("one", RECORDS, ids=lambda one: one.id)
def test_a_record_explains_its_samples_at_each_of_its_stages(one: FailureSignature) -> None:
    for stage in one.stage:
        for sample in one.sample:
            found = find(sample, stage)
            assert found is not None
            assert found.signature.id == one.id


@pytest.mark.parametrize("one", RECORDS, ids=lambda one: one.id)
def test_every_pattern_has_a_sample(one: FailureSignature) -> None:
    for expression in one.expressions:
        assert any(expression.search(sample) for sample in one.sample)


@pytest.mark.parametrize("one", RECORDS, ids=lambda one: one.id)
def test_no_other_record_has_an_equal_claim_to_a_sample(one: FailureSignature) -> None:
    for other in RECORDS:
        if other is one or not set(other.stage) & set(one.stage):
            continue
        assert other.priority < one.priority or not any(map(other.search, one.sample))


@pytest.mark.parametrize("one", RECORDS, ids=lambda one: one.id)
def test_repeats_are_bounded(one: FailureSignature) -> None:
    for pattern in one.pattern:
        outside_classes = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern)
        assert not re.search(r"[*+]|\{\d*,\}", outside_classes)


@pytest.mark.parametrize("one", RECORDS, ids=lambda one: one.id)
def test_texts_are_for_people(one: FailureSignature) -> None:
    assert "\n" not in one.cause
    assert len(one.cause) <= 120
    assert not one.cause.endswith(".")
    assert not one.remedy or one.remedy.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 50_000,
        "Unknown layer: " * 5_000,
        "File not found: filepath=" * 5_000,
        "Unrecognized keyword arguments passed to A: {'" * 2_000,
        "Cannot parse file b'" * 3_000,
        "\x00\x1b[31m" * 10_000,
    ],
)
@pytest.mark.parametrize("stage", [Stage.BUILD, Stage.LOAD, None])
def test_a_hostile_text_ends(text: str, stage: Stage | None) -> None:
    find(text, stage)


def test_only_the_begin_and_the_end_of_a_text_count() -> None:
    sample = "TypeError: Descriptors cannot be created directly."
    assert find(sample + "x" * 20_000, Stage.IMPORT) is not None
    assert find("x" * 20_000 + sample, Stage.IMPORT) is not None
    assert find("x" * 20_000 + sample + "x" * 20_000, Stage.IMPORT) is None
    assert find("TypeError: Descriptors cannot be c" + "x" * 20_000 + "reated", None) is None


def test_of_equals_the_last_error_counts() -> None:
    old = "AttributeError: 'str' object has no attribute 'decode'\n"
    new = "ValueError: bad marshal data (unknown type code)\n"
    for text, code in ((old + new, "lambda-bytecode"), (new + old, "h5py-3-strings")):
        found = find(text, Stage.LOAD)
        assert found is not None
        assert found.signature.id == code


def test_another_stage_is_not_looked_at() -> None:
    sample = "KeyError: 'serving_default'"
    assert find(sample, Stage.IMPORT) is None
    assert find(sample, None) is not None


def test_groups_are_made_safe() -> None:
    found = find("KeyError: 'serving_default'", Stage.LOAD)
    assert found is not None
    assert found.reason("seen").model_dump() == {
        "code": "signature-missing",
        "message": "the model has no signature serving_default",
        "evidence": "seen",
        "remedy": "Name one it has as `signature` in model.yaml.",
    }


def test_a_cause_names_only_groups_of_its_pattern() -> None:
    assert record().cause == "there is no {what}"
    with pytest.raises(ValidationError, match=r"groups that do not exist: \{'who'\}"):
        record(cause="nobody knows {who}")


@pytest.mark.parametrize(
    "fields", [{"id": "Some Failure"}, {"stage": []}, {"source": []}, {"more": 1}]
)
def test_a_broken_record_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        record(**fields)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("OSError: Unable to open file (file signature not found)", "keras-archive-too-new"),
        (
            "OSError: Unable to synchronously open file (file signature not found)",
            "hdf5-unreadable",
        ),
    ],
)
def test_an_old_h5py_that_misses_the_signature_was_given_an_archive(text: str, code: str) -> None:
    found = find(text, Stage.LOAD)
    assert found is not None
    assert found.signature.id == code
