from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.cell import Cell
from harness.judge.borders import borders
from harness.plan.plan import PlannedCell
from harness.verdict import AgreementClass, Border, Reason, Verdict
from tests.support.fakes import cell


def classes_of(groups: Mapping[str, str], cells: Sequence[Cell]) -> tuple[AgreementClass, ...]:
    """Return the classes of cells that are called by a letter and a number of the same bits."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in cells:
        if one.id in groups:
            letter, bits = groups[one.id][0], groups[one.id]
            found.setdefault(letter, {}).setdefault(bits, []).append(one.id)
    return tuple(
        AgreementClass(
            name=letter,
            members=tuple(name for group in inside.values() for name in group),
            identical=tuple(map(tuple, inside.values())),
            spread=0.0,
            reference=False,
        )
        for letter, inside in found.items()
    )


def find(
    groups: Sequence[tuple[Cell, str]], verdicts: Mapping[str, Verdict] | None = None
) -> tuple[Border, ...]:
    """Return the borders of cells with their groups (`A1`, `B`); empty: it has none."""
    cells = [one for one, _ in groups]
    known = {one.id: group for one, group in groups if group}
    return borders(
        [PlannedCell(cell=one) for one in cells], classes_of(known, cells), verdicts or {}
    )


def told(found: Sequence[Border], kind: str = "diverged") -> list[str]:
    return [f"{one.axis}: {one.text}" for one in found if one.kind == kind]


def release(version: str, python: str = "3.9", **fields: object) -> Cell:
    return cell(version, python, **fields)


def flagged(name: str, version: str = "2.15.1", python: str = "3.11") -> Cell:
    return cell(version, python, flags={"name": name})


def test_where_classes_change_between_releases() -> None:
    (found,) = find(
        [(release("2.8.4"), "A"), (release("2.10.1"), "B"), (release("2.11.1"), "B")]
    )  # fmt: skip
    assert found == Border(
        axis="tensorflow",
        kind="diverged",
        near=("2.8.4",),
        far=("2.10.1",),
        text="from 2.8.4 to 2.10.1",
    )


def test_releases_are_in_the_order_of_versions() -> None:
    found = find([(release("2.10.1"), "B"), (release("2.8.4"), "A"), (release("2.9.3"), "A")])
    assert told(found) == ["tensorflow: from 2.9.3 to 2.10.1"]


def test_going_back_is_a_border_too() -> None:
    found = find([(release("2.8.4"), "A"), (release("2.9.3"), "B"), (release("2.10.1"), "A")])
    assert told(found) == ["tensorflow: from 2.8.4 to 2.9.3", "tensorflow: from 2.9.3 to 2.10.1"]


def test_nothing_changes() -> None:
    assert find([(release("2.8.4"), "A"), (release("2.10.1"), "A")]) == ()
    assert find([(release("2.8.4"), "A")]) == ()
    assert find([]) == ()


def test_releases_between_that_failed_are_told() -> None:
    groups = [(release("2.8.4"), "A"), (release("2.9.3"), ""), (release("2.10.1"), "B")]
    failed = find(groups, {release("2.9.3").id: Verdict.FAILED})
    assert told(failed) == ["tensorflow: from 2.8.4 to 2.10.1 (2.9.3 between them failed)"]
    assert failed[0].between == ("2.9.3",)
    unknown = find(groups, {release("2.9.3").id: Verdict.UNKNOWN})
    assert told(unknown) == [
        "tensorflow: from 2.8.4 to 2.10.1 (2.9.3 between them gave nothing to compare)"
    ]


def test_what_never_was_is_not_between() -> None:
    cells = [release("2.8.4"), release("2.9.3"), release("2.10.1")]
    unavailable = Reason(code="no-wheel", message="")
    planned = [
        PlannedCell(cell=one, unavailable=unavailable if one is cells[1] else None) for one in cells
    ]
    known = {cells[0].id: "A", cells[2].id: "B"}
    (found,) = borders(planned, classes_of(known, cells), {})
    assert found.text == "from 2.8.4 to 2.10.1"


def test_a_python_that_follows_the_release_is_no_axis_but_is_told() -> None:
    found = find([(release("2.8.4", "3.10"), "A"), (release("2.12.1", "3.11"), "B")])
    assert told(found) == ["tensorflow: from 2.8.4 to 2.12.1 (and python from 3.10 to 3.11)"]


def test_pythons_that_are_an_axis_are_compared_each() -> None:
    grid = [
        (release(version, python), group)
        for version, group in (("2.8.4", "A"), ("2.9.3", "B"))
        for python in ("3.8", "3.9")
    ]
    assert told(find(grid)) == ["tensorflow: from 2.8.4 to 2.9.3"]
    only = [*grid[:2], (release("2.9.3", "3.8"), "A"), (release("2.9.3", "3.9"), "B")]
    assert told(find(only)) == [
        "tensorflow: from 2.8.4 to 2.9.3 (only with python 3.9)",
        "python: from 3.8 to 3.9 (only with tensorflow 2.9.3)",
    ]


def test_releases_with_no_python_in_common_are_compared_where_there_are_several() -> None:
    found = find(
        [
            (release("2.8.4", "3.9"), "A"),
            (release("2.8.4", "3.10"), "A"),
            (release("2.16.2", "3.12"), "B"),
        ]
    )
    assert told(found) == ["tensorflow: from 2.8.4 to 2.16.2 (and python from 3.10 to 3.12)"]


def test_a_python_by_itself() -> None:
    found = find([(release("2.8.4", "3.10"), "B"), (release("2.8.4", "3.9"), "A")])
    assert told(found) == ["python: from 3.9 to 3.10"]


def test_flags_that_are_apart() -> None:
    groups = [("default", "A"), ("avx2", "A"), ("onednn-off", "B"), ("bf16-math", "C")]
    found = find([(flagged(name), group) for name, group in groups])
    assert told(found) == [
        "flags: onednn-off apart from default, avx2",
        "flags: bf16-math apart from default, avx2",
    ]
    assert (found[0].near, found[0].far) == (("default", "avx2"), ("onednn-off",))


def test_flags_that_are_alike_are_told_together() -> None:
    groups = [("default", "A"), ("avx2", "B"), ("onednn-off", "B")]
    found = find([(flagged(name), group) for name, group in groups])
    assert told(found) == ["flags: avx2, onednn-off apart from default"]


def test_where_the_default_failed_the_first_stands_for_it() -> None:
    groups = [("default", ""), ("avx2", "A"), ("onednn-off", "B")]
    found = find([(flagged(name), group) for name, group in groups])
    assert told(found) == ["flags: onednn-off apart from avx2"]


def test_a_flag_that_is_apart_everywhere_is_told_once() -> None:
    versions = [("2.15.1", "3.11"), ("2.16.2", "3.12")]
    everywhere = find(
        [
            (flagged(name, *version), group)
            for version in versions
            for name, group in (("default", "A"), ("bf16-math", "B"))
        ]
    )
    assert told(everywhere) == ["flags: bf16-math apart from default"]


def test_settings_on_the_other_side_are_gathered() -> None:
    found = find(
        [
            (flagged("default"), "A"),
            (flagged("bf16-math"), "B"),
            (flagged("default", "2.16.2", "3.12"), "A"),
            (flagged("avx2", "2.16.2", "3.12"), "A"),
            (flagged("bf16-math", "2.16.2", "3.12"), "B"),
        ]
    )
    assert told(found) == ["flags: bf16-math apart from default, avx2"]


def test_a_flag_that_is_apart_in_some_places_is_told_with_them() -> None:
    found = find(
        [
            (flagged("default"), "A"),
            (flagged("onednn-off"), "A"),
            (flagged("default", "2.16.2", "3.12"), "A"),
            (flagged("onednn-off", "2.16.2", "3.12"), "B"),
        ]
    )
    assert told(found) == [
        "tensorflow: from 2.15.1 to 2.16.2 (and python from 3.11 to 3.12; only with onednn-off)",
        "flags: onednn-off apart from default (only with tensorflow 2.16.2)",
    ]
    assert found[1].within == ("tensorflow 2.16.2",)


def test_what_an_install_gives_today() -> None:
    found = find(
        [
            (release("2.8.4"), "A"),
            (release("2.8.4", resolution="today"), "B"),
            (release("2.10.1"), "A"),
        ]
    )
    assert told(found) == ["resolution: today apart from as-released"]


def test_the_captured_environment_beside_the_default_one() -> None:
    """Its Python is its own, and the variables that were set there belong to it."""
    captured = cell("2.15.1", "3.10", pins={"name": "captured"}, flags={"name": "captured"})
    found = find([(captured, "B"), (release("2.15.1", "3.11"), "A"), (release("2.16.2"), "A")])
    assert told(found) == ["pins: captured apart from default"]


def test_devices() -> None:
    found = find(
        [(release("2.15.1", "3.11", device="cuda"), "B"), (release("2.15.1", "3.11"), "A")]
    )
    assert told(found) == ["device: cuda apart from cpu"]


def test_bits_inside_a_class_are_told_after_what_diverged() -> None:
    found = find(
        [(release("2.4.4"), "A1"), (release("2.6.5"), "A2"), (release("2.8.4"), "A2"),
         (release("2.10.1"), "B1")]
    )  # fmt: skip
    assert [(one.kind, one.text) for one in found] == [
        ("diverged", "from 2.8.4 to 2.10.1"),
        ("bits", "from 2.4.4 to 2.6.5"),
    ]


def test_bits_of_flags_inside_a_class() -> None:
    groups = [("default", "A1"), ("avx2", "A1"), ("onednn-off", "A2"), ("bf16-math", "B1")]
    found = find([(flagged(name), group) for name, group in groups])
    assert told(found) == ["flags: bf16-math apart from default, avx2, onednn-off"]
    assert told(found, "bits") == ["flags: onednn-off apart from default, avx2"]


def test_long_lists_are_cut_in_words_only() -> None:
    groups = [("default", "A"), *((f"set-{number}", "B") for number in range(6))]
    (found,) = find([(flagged(name), group) for name, group in groups])
    assert found.text == "set-0, set-1, set-2, set-3 and 2 more apart from default"
    assert len(found.far) == 6
