from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from harness.environments.keeping.kept import EVERYTHING, Kept, Kind, Selection

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def kept(*, days: int | None = None, made: int | None = 100, **fields: object) -> Kept:
    values: dict[str, object] = {
        "kind": Kind.ENVIRONMENT,
        "name": "image:tag",
        "created": None if made is None else NOW - timedelta(days=made),
        "last_used": None if days is None else NOW - timedelta(days=days),
    }
    return Kept.model_validate(values | fields)


@pytest.mark.parametrize(
    ("which", "item", "taken"),
    [
        (EVERYTHING, kept(days=0), True),
        (EVERYTHING, kept(ours=False), False),
        (Selection(unused=True), kept(unused=True), True),
        (Selection(unused=True), kept(unused=False, days=99), False),
        (Selection(older_than=timedelta(30)), kept(days=31), True),
        (Selection(older_than=timedelta(30)), kept(days=30), False),
        (Selection(older_than=timedelta(30)), kept(made=31), True),
        (Selection(older_than=timedelta(30)), kept(made=29), False),
        (Selection(older_than=timedelta(30)), kept(made=None), False),
        (Selection(unused=True, older_than=timedelta(30)), kept(days=31, unused=True), True),
        (Selection(unused=True, older_than=timedelta(30)), kept(days=31), False),
        (Selection(unused=True, older_than=timedelta(30)), kept(days=1, unused=True), False),
        (Selection(unused=True), kept(unused=True, ours=False), False),
    ],
)
def test_selection(which: Selection, item: Kept, *, taken: bool) -> None:
    assert which.takes(item, NOW) is taken


def test_only_without_conditions_it_is_everything() -> None:
    assert Selection().everything
    assert Selection(dry_run=True).everything
    assert not Selection(unused=True).everything
    assert not Selection(older_than=timedelta(1)).everything
