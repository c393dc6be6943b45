from __future__ import annotations

from harness.report.layout import reflowed


def test_long_lines_are_wrapped_under_their_own_beginning() -> None:
    text = "error: short\n  allowed: " + "one, " * 12 + "two\n\nlast"
    assert reflowed(text, 40) == (
        "error: short\n"
        "  allowed: one, one, one, one, one, one,\n"
        "    one, one, one, one, one, one, two\n"
        "\n"
        "last"
    )
