from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.text import harmless_json, last_lines, one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nnext", "plain\ttext\nnext"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://example.invalid\x1b\\link", "link"),
        ("\x1bcreset", "reset"),
        ("half \x1b[", "half "),
        ("alone \x1b", "alone \ufffd"),
        ("nul\x00 bell\x07 del\x7f c1\x9b", "nul\ufffd bell\ufffd del\ufffd c1\ufffd"),
        ("left\u202eright\u2066x", "left\ufffdright\ufffdx"),
        ("zero\u200bwidth line\u2028separator", "zero\ufffdwidth line\ufffdseparator"),
        ("surrogate\udc80", "surrogate\ufffd"),
        ("größe 模型 \U0001f600", "größe 模型 \U0001f600"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Lu", "Zs"]) | st.sampled_from("[]m")))
def test_what_is_printable_stays_and_can_be_stored(text: str) -> None:
    once = printable(text)
    assert "\x1b" not in once
    assert printable(once) == once
    once.encode("utf-8")


def test_one_line() -> None:
    assert one_line("  a\n\n b\tc ") == "a b c"
    assert one_line("x" * 300, 10) == "xxxxxxxxx…"
    assert one_line("x" * 10, 10) == "x" * 10


def test_last_lines() -> None:
    assert last_lines("a\n\nb  \nc\n", 2, 100) == "b\nc"
    assert last_lines("a\nb", 5, 100) == "a\nb"
    assert last_lines("abcdef\nxyz", 5, 6) == "ef\nxyz"
    assert last_lines("", 5, 100) == ""


def test_json_is_harmless_and_says_the_same() -> None:
    nasty = "\x1b[31m\x9b2J\u202egnp\u2066\U000e0041\x7f\n\tä"
    text = json.dumps({nasty: nasty}, ensure_ascii=False, indent=1)
    harmless = harmless_json(text)
    assert json.loads(harmless) == {nasty: nasty}
    assert printable(harmless) == harmless
    assert "ä" in harmless
