"""Text from elsewhere made safe to show: no control characters, no forged lines."""

from __future__ import annotations

import json
import re

__all__ = ["harmless_json", "last_lines", "one_line", "printable"]

_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, hyperlinks
    r"|\x1b[ -/]*[0-~]"
)
# C0 and C1 controls but newline and tab; bidirectional controls (CVE-2021-42574) and other
# invisible format characters; line separators; surrogates, which no file can hold; tags.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """Return `text` without what a terminal or a page would obey instead of show.

    Escape sequences (ECMA-48) are dropped, every line end becomes a newline, and other control
    characters become U+FFFD. Newlines and tabs stay.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub("\ufffd", _ESCAPE_SEQUENCE.sub("", text))


def harmless_json(text: str) -> str:
    r"""Return JSON of the same meaning, in which `printable` would find nothing to take out.

    JSON escapes only what is below U+0020; what else a terminal obeys becomes `\uXXXX` too.
    """
    return _UNPRINTABLE.sub(lambda found: json.dumps(found.group())[1:-1], text)


def one_line(text: str, limit: int = 200) -> str:
    """Return `text` printable on one line of at most `limit` characters."""
    line = " ".join(printable(text[: 8 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def last_lines(text: str, count: int, limit: int) -> str:
    """Return the last `count` lines of `text` that are not blank, printable.

    At most `limit` characters of the end of `text` are kept, so the first line may be cut.
    """
    lines = [line.rstrip() for line in printable(text[-limit:]).split("\n")]
    return "\n".join([line for line in lines if line][-count:])
