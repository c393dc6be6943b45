"""What words on the command line may be, and what is said of those that may not.

Each function is a `type` of argparse: it raises `argparse.ArgumentTypeError` with what is allowed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from harness.environments.prefix import prefix_problem, registry_prefix
from harness.errors import nearest
from harness.sizes import parse_size

__all__ = ["age", "at_least_one", "choices", "one_of", "prefix", "size"]


def at_least_one(word: str) -> int:
    """Return a number of environments."""
    if not word.isascii() or not word.isdigit() or int(word) == 0:
        problem = f"{word!r} is no number of environments\n  allowed: 1 or more"
        raise argparse.ArgumentTypeError(problem)
    return int(word)


def size(word: str) -> int:
    """Return a size in bytes."""
    found = parse_size(word)
    if found is None:
        problem = f"{word!r} is no size\n  allowed: such as 500m or 20g (powers of 1024)"
        raise argparse.ArgumentTypeError(problem)
    return found


def age(word: str) -> timedelta:
    """Return a length of time."""
    found = re.fullmatch(r"(\d{1,4})([hdw])", word, re.ASCII)
    if found is None:
        problem = f"{word!r} is no age\n  allowed: such as 12h, 30d or 8w (hours, days, weeks)"
        raise argparse.ArgumentTypeError(problem)
    return int(found[1]) * {"h": timedelta(hours=1), "d": timedelta(1), "w": timedelta(7)}[found[2]]


def prefix(word: str) -> str:
    """Return the prefix of a registry, in its normal form."""
    found = registry_prefix(word)
    if found is None:
        raise argparse.ArgumentTypeError(prefix_problem(word))
    return found


def one_of(allowed: Sequence[str]) -> Callable[[str], str]:
    """Return a reader of words, of which only those `allowed` are any."""

    def checked(word: str) -> str:
        if word not in allowed:
            problem = f"{word!r} is none of them{choices(allowed, nearest(word, allowed))}"
            raise argparse.ArgumentTypeError(problem)
        return word

    return checked


def choices(allowed: Iterable[str], hint: str | None) -> str:
    """Return the lines below an error: what is allowed, and the nearest word where there is one."""
    return f"\n  allowed: {', '.join(allowed)}" + (f"\n  hint: {hint}" if hint else "")
