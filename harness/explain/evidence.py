"""What was seen of a failure in a few telling lines: the error's own words and where it arose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.observation import Failure, Restored
from harness.text import one_line, printable

__all__ = ["evidence", "headed", "innermost"]

_ERROR_LINES = 4
_LOG_LINES = 4
_LINE_CHARACTERS = 300
_LOG_CHARACTERS = 4_000

_LONGEST_DUMP = 60
"""Characters between brackets that are shown; Keras puts whole configurations into its errors."""

_NAMES = 6
"""Variables that are named; the rest is counted."""

_WRAPPER = re.compile(r"Exception encountered(?: when calling [^\n]{0,300}\n|:)")
_FRAME = re.compile(r'^ *File "([^"\n]{1,500})", line (\d{1,9}), in ([^\n]{1,200})$', re.MULTILINE)
_PACKAGES = re.compile(r"^.*/(?:site|dist)-packages/")
_CHATTER = re.compile(
    r"[-\d]{10} [:.\d]{8,20}: [IW] "  # what TensorFlow logs of severity info and warning
    r"|To enable the following instructions: "
    r"|WARNING: All log messages before absl::InitializeLog\(\)"
)


def evidence(failure: Failure | None, log: str, restored: Restored | None = None) -> str:
    """Return at most six lines, the same for every path the environment may have.

    Of an exception the innermost error's words, its first lines and its last, then the variables
    that were not `restored` or, where all were, the place that raised it; else what the harness
    saw and the end of what was printed. The whole of both stays in the observation and in
    `probe.log`.
    """
    if failure is not None and failure.type and (failure.message or failure.traceback):
        return "\n".join((*_words(failure), *(_variables(restored) or _place(failure))))
    said = (one_line(failure.message, _LINE_CHARACTERS),) if failure and failure.message else ()
    return "\n".join((*said, *_printed(log)))


def headed(failure: Failure) -> str:
    """Return the error as Python prints it."""
    return (
        f"{failure.type}: {failure.message}".removesuffix(": ") if failure.type else failure.message
    )


def innermost(failure: Failure) -> str:
    """Return the error inside: Keras wraps errors in one another, the reason comes last."""
    inner = _WRAPPER.split(failure.message)[-1].strip()
    return headed(failure.model_copy(update={"message": inner}))


def _words(failure: Failure) -> tuple[str, ...]:
    text = _without_dumps(printable(innermost(failure)))
    lines = [one_line(line, _LINE_CHARACTERS) for line in text.split("\n") if line.strip()]
    if len(lines) > _ERROR_LINES:
        lines[_ERROR_LINES - 2 : -1] = ["[...]"]
    return tuple(lines)


def _variables(restored: Restored | None) -> tuple[str, ...]:
    """Name the variables that took no value from the file, and what of the file no one took."""
    if restored is None:
        return ()
    without = restored.expected - restored.restored
    said = []
    if restored.unrestored:
        counted = f"not restored, {without} of {restored.expected} variables"
        said.append(f"{counted}: {_listed(restored.unrestored)}")
    if restored.unused:
        said.append(f"in the file, but in no variable: {_listed(restored.unused)}")
    return tuple(said)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(one_line(name, 60) for name in names[:_NAMES]) + more


def _place(failure: Failure) -> Iterator[str]:
    """Give the last frame before the error's words, its path without the environment's."""
    # Messages hold frames too, of code that TensorFlow traced.
    begin = failure.message.partition("\n")[0][:_LONGEST_DUMP]
    before = failure.traceback.rpartition(begin)[0] if begin else failure.traceback
    frames = _FRAME.findall(before)
    if frames:
        path, line, function = frames[-1]
        yield one_line(f"at {_PACKAGES.sub('', path)}:{line} in {function}", _LINE_CHARACTERS)


def _printed(log: str) -> tuple[str, ...]:
    lines = [
        one_line(line, _LINE_CHARACTERS)
        for line in printable(log[-_LOG_CHARACTERS:]).split("\n")
        if line.strip() and not _CHATTER.match(line)
    ]
    return tuple(lines[-_LOG_LINES:])


def _without_dumps(text: str) -> str:
    """Leave out what stands between curly or square brackets where it is long."""
    parts: list[str] = []
    depth = begin = kept = 0
    for place, character in enumerate(text):
        if character in "{[":
            begin = begin if depth else place
            depth += 1
        elif character in "}]" and depth:
            depth -= 1
            if depth == 0 and place - begin > _LONGEST_DUMP:
                parts += (text[kept : begin + 1], "...")
                kept = place
    return "".join((*parts, text[kept:]))
