"""Which of a folder's checkpoints is meant: files of one prefix are one, and the latest counts."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from harness.text import one_line
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["INDEX", "META", "Latest", "latest", "prefix_of"]

INDEX, META = ".index", ".meta"

_STATE = "checkpoint"
"""The file in which TensorFlow writes which checkpoints a training made (CheckpointState)."""
_MAX_STATE_BYTES = 1024**2
_LATEST = re.compile(r'^model_checkpoint_path:\s*"((?:[^"\\\n]|\\.)*)"', re.M)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|(.))")
_SHARD = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_DIGITS = re.compile(r"\d+")
_MAX_DIGITS = 18
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest of checkpoints of one training."""

    prefix: str
    notes: tuple[str, ...] = ()


def prefix_of(name: str) -> str | None:
    """Return the prefix of a checkpoint's file: `ckpt-1` of `ckpt-1.index`; None for others."""
    for suffix in (INDEX, META):
        if name.endswith(suffix) and name != suffix:
            return name.removesuffix(suffix)
    found = _SHARD.fullmatch(name)
    return found[1] if found is not None else None


def latest(folder: Path, prefixes: Collection[str]) -> tuple[Latest, ...]:
    """Return the latest checkpoint of each training: of prefixes that differ in numbers only.

    The file `checkpoint` names the latest; without it the highest numbers do, the first one first.
    """
    families: dict[str, list[str]] = {}
    for prefix in sorted(prefixes, key=_numbers):
        families.setdefault(_DIGITS.sub("#", prefix), []).append(prefix)
    state = _state(folder)
    return tuple(_latest_of(family, state) for family in families.values())


def _latest_of(family: list[str], state: str | None) -> Latest:
    if len(family) == 1:
        return Latest(family[0])
    if state in family:
        chosen, why = state, f"the latest by the file `{_STATE}`"
    else:
        chosen, why = family[-1], "the highest number"
    others = [prefix for prefix in reversed(family) if prefix != chosen]
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    note = f"{chosen} is run, {why}; there are also: {', '.join(others[:_NAMED])}{more}"
    if state is None or state in family:
        return Latest(chosen, (note,))
    gone = f"the file `{_STATE}` names {one_line(state, 80)!r}, which is not there"
    return Latest(chosen, (note, gone))


def _numbers(prefix: str) -> tuple[tuple[int, ...], str]:
    return tuple(int(digits[:_MAX_DIGITS]) for digits in _DIGITS.findall(prefix)), prefix


def _state(folder: Path) -> str | None:
    """Return the prefix that the file `checkpoint` names; None without one that is readable."""
    try:
        with open_regular(folder / _STATE) as stream:
            text = stream.read(_MAX_STATE_BYTES).decode("utf-8", "replace")
    except (UntrustedFileError, FileNotFoundError):
        return None
    found = _LATEST.search(text)
    if found is None:
        return None
    # The path it was written under may be that of another machine.
    return _ESCAPE.sub(_unescaped, found[1]).replace("\\", "/").rpartition("/")[2]


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 8)) if found[1] else found[2]
