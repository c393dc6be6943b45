"""Two ways of doing one thing, measured in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

__all__ = ["TURNS", "seconds", "side_by_side"]

TURNS = 5


def seconds(action: Callable[[], object]) -> float:
    """Return the wall-clock seconds of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def side_by_side(
    title: str, ours: Callable[[], object], plain: Callable[[], object], *, turns: int = TURNS
) -> None:
    """Measure both in turns and print the median seconds and the median ratio."""
    ours()
    plain()
    pairs = [(seconds(ours), seconds(plain)) for _ in range(turns)]
    ratios = sorted(one / other for one, other in pairs)
    print(
        f"{title}\n"
        f"  harness {median(one for one, _ in pairs):8.3f} s\n"
        f"  plain   {median(other for _, other in pairs):8.3f} s\n"
        f"  ratio   {median(ratios):8.2f}   ({ratios[0]:.2f} to {ratios[-1]:.2f} in {turns} turns)",
        flush=True,
    )
