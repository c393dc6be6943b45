from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.prefixes import Latest, latest, prefix_of


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("ckpt-1.index", "ckpt-1"),
        ("model.ckpt-10.meta", "model.ckpt-10"),
        ("a.b.data-00000-of-00002", "a.b"),
        ("cp.ckpt", None),
        (".index", None),
        ("a.data-0-of-1", None),
        ("checkpoint", None),
    ],
)
def test_the_prefix_of_a_file(name: str, prefix: str | None) -> None:
    assert prefix_of(name) == prefix


def test_the_highest_number_is_the_latest(tmp_path: Path) -> None:
    assert latest(tmp_path, ["m-9", "m-10", "m-2"]) == (
        Latest("m-10", ("m-10 is run, the highest number; there are also: m-9, m-2",)),
    )


def test_numbers_anywhere_count_the_first_one_first(tmp_path: Path) -> None:
    (found,) = latest(tmp_path, ["w.02-0.91.ckpt", "w.10-0.35.ckpt", "w.03-0.99.ckpt"])
    assert found.prefix == "w.10-0.35.ckpt"


def test_one_is_the_latest_without_a_word(tmp_path: Path) -> None:
    assert latest(tmp_path, ["m-9"]) == (Latest("m-9"),)
    assert latest(tmp_path, []) == ()


def test_many_are_not_all_named(tmp_path: Path) -> None:
    (found,) = latest(tmp_path, [f"m-{number}" for number in range(9)])
    assert found.notes == (
        "m-8 is run, the highest number; there are also: m-7, m-6, m-5, m-4, m-3 and 3 more",
    )


def test_prefixes_that_differ_in_more_than_numbers_are_several_models(tmp_path: Path) -> None:
    found = latest(tmp_path, ["a-1", "b-1", "b-2"])
    assert [one.prefix for one in found] == ["a-1", "b-2"]


@pytest.mark.parametrize(
    "path",
    [
        "m-9",
        "/home/somebody/training/m-9",
        r"C:\\training\\m-9",
        r"\155-9",
    ],
)
def test_the_file_checkpoint_names_the_latest(tmp_path: Path, path: str) -> None:
    (tmp_path / "checkpoint").write_text(
        f'model_checkpoint_path: "{path}"\nall_model_checkpoint_paths: "m-10"\n'
    )
    assert latest(tmp_path, ["m-9", "m-10"]) == (
        Latest("m-9", ("m-9 is run, the latest by the file `checkpoint`; there are also: m-10",)),
    )


def test_the_file_checkpoint_names_one_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "m-99"')
    assert latest(tmp_path, ["m-9", "m-10"]) == (
        Latest(
            "m-10",
            (
                "m-10 is run, the highest number; there are also: m-9",
                "the file `checkpoint` names 'm-99', which is not there",
            ),
        ),
    )


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b'model_checkpoint_path: "m-9', b"{}"])
def test_a_file_checkpoint_that_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "checkpoint").write_bytes(data)
    (found,) = latest(tmp_path, ["m-9", "m-10"])
    assert found.prefix == "m-10"


def test_a_file_checkpoint_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('model_checkpoint_path: "m-9"')
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "checkpoint").symlink_to(tmp_path / "elsewhere")
    (found,) = latest(tmp_path / "m", ["m-9", "m-10"])
    assert found.prefix == "m-10"


def test_numbers_no_machine_has(tmp_path: Path) -> None:
    long = "m-" + "9" * 250
    (found,) = latest(tmp_path, [long, "m-1"])
    assert found.prefix == long
