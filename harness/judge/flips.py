"""Changed decisions in words, and how many of a cell's are near ties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from harness.divergence import DecisionKind, Divergence, Flip, OutputDivergence

__all__ = ["Flipped", "changed_words", "flip_words", "flipped", "gravest_flip", "of_output"]


class Flipped(NamedTuple):
    """How many decisions changed."""

    near_ties: int
    """Changed by differences that count as equal."""
    clear: int

    @property
    def all(self) -> int:
        """How many there are."""
        return self.near_ties + self.clear


def flipped(divergence: Divergence | None) -> Flipped:
    """Return how many decisions changed in all outputs together.

    Those of which no margin is known, of sweeps judged before there were any, are clear.
    """
    if divergence is None:
        return Flipped(0, 0)
    found = [of_output(output) for output in divergence.outputs.values()]
    near, clear = (sum(counts) for counts in zip(*found, strict=True)) if found else (0, 0)
    unknown = (divergence.decisions_changed or 0) if near + clear == 0 else 0
    return Flipped(near, clear + unknown)


def of_output(output: OutputDivergence) -> Flipped:
    """Return how many decisions of one output changed."""
    if output.decided is None:
        return Flipped(0, output.decisions_changed or 0)
    return Flipped(output.decided.near_ties, output.decided.clear)


def changed_words(output: OutputDivergence) -> str:
    """Return `2 of 64 decisions changed`, and how many of those on near ties."""
    near, clear = of_output(output)
    text = f"{near + clear} of {output.decisions} decisions changed"
    if not near:
        return text
    ties = "a near tie" if near == 1 else "near ties"
    return f"{text}, {f'{near} of them ' if clear else ''}on {ties}"


def gravest_flip(divergence: Divergence | None) -> str | None:
    """Return in words the gravest changed decision of all outputs; None where none is told."""
    flips = [] if divergence is None else list(_flips(divergence))
    if not flips:
        return None
    output, flip = min(flips, key=lambda pair: (pair[1].near_tie, -pair[1].margin))
    return flip_words(output, flip)


def flip_words(output: OutputDivergence, flip: Flip) -> str:
    """Return one line on one changed decision: where, what became what, and by what margin."""
    than = "within" if flip.near_tie else "beyond"
    return (
        f"{_where(output, flip)}: {_became(output, flip)}; margin {flip.margin:.2g}, {than} the "
        f"{flip.allowed:.2g} that counts as equal"
    )


def _flips(divergence: Divergence) -> Iterator[tuple[OutputDivergence, Flip]]:
    for output in divergence.outputs.values():
        if output.decided is not None:
            for flip in output.decided.flips:
                yield output, flip


def _where(output: OutputDivergence, flip: Flip) -> str:
    shape, index = output.shape or (), flip.index
    if len(index) == 1 or (len(index) == len(shape) == 2 and shape[1] == 1):  # noqa: PLR2004
        return f"sample {index[0]}"
    return f"at {list(index)}"


def _became(output: OutputDivergence, flip: Flip) -> str:
    decided = output.decided
    kind = None if decided is None else decided.kind
    if kind is DecisionKind.SIDE and decided is not None and decided.threshold is not None:
        return f"{'now' if flip.became else 'no longer'} above {decided.threshold:g}"
    if kind is DecisionKind.NEIGHBOUR:
        return f"nearest was sample {flip.was}, became {flip.became}"
    return f"class {flip.was} became class {flip.became}"
