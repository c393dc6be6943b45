"""How far inferences that ought to agree lie apart, and how much of a distance that explains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from harness.verdict import Divergence, NoiseFloor

__all__ = ["MARGIN", "Noise", "floor", "larger", "noise"]

MARGIN = 2.0
"""How many times the measured noise a distance may be and still be noise. Two inferences show one
distance out of many: a third is as likely to be farther from either as to be nearer. In a simulated
dense layer behind dropout a cell that ought to agree is farther from the reference than both
measured noises in 32 % of all draws, with this margin in 0.7 % of those of 8 elements and in none
of 2,000 draws of 80 elements (of a single element, in 9 %)."""

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Noise:
    """Distance of one output between inferences in one process."""

    max_abs: float | None = None
    """Largest absolute difference, in units of the output; None where the type has none."""
    max_ulp: int | None = None
    """Largest distance in units in the last place; None for other types than floats."""
    differing: int = 0
    """Elements that differ, of a type that has to be exact; 0 for floats."""
    beyond: bool = False
    """Whether the inferences are farther apart than tolerance."""

    @property
    def allowed_distance(self) -> float:
        """What a float may differ by, in units of the output, for this noise alone."""
        return MARGIN * (self.max_abs or 0.0)

    @property
    def allowed_elements(self) -> float:
        """How many elements of another type may differ for this noise alone."""
        return MARGIN * self.differing

    @property
    def found(self) -> bool:
        """Whether the inferences differ at all."""
        return bool(self.max_abs or self.max_ulp or self.differing)


def noise(repeated: Divergence) -> dict[str, Noise]:
    """Return the noise of every output whose distance from its repeat can be told.

    `repeated` is the distance of a second inference from the first.
    """
    return {
        name: Noise(
            max_abs=output.max_abs,
            max_ulp=output.max_ulp,
            differing=output.mismatched if output.atol is None else 0,
            beyond=output.status == "diverged",
        )
        for name, output in repeated.outputs.items()
        if output.status in ("identical", "equivalent", "diverged")
    }


def larger(one: Mapping[str, Noise], other: Mapping[str, Noise]) -> dict[str, Noise]:
    """Return, for every output of either, the larger noise of the two."""
    pairs = {name: (one.get(name, Noise()), other.get(name, Noise())) for name in {**one, **other}}
    return {
        name: Noise(
            max_abs=_largest((a.max_abs, b.max_abs)),
            max_ulp=_largest((a.max_ulp, b.max_ulp)),
            differing=max(a.differing, b.differing),
            beyond=a.beyond or b.beyond,
        )
        for name, (a, b) in pairs.items()
    }


def floor(noises: Mapping[str, Noise]) -> NoiseFloor | None:
    """Return the worst noise over the outputs; None where no output has a distance."""
    max_abs = _largest(one.max_abs for one in noises.values())
    if max_abs is None:
        return None
    return NoiseFloor(max_abs=max_abs, max_ulp=_largest(one.max_ulp for one in noises.values()))


def _largest(values: Iterable[_Number | None]) -> _Number | None:
    return max((value for value in values if value is not None), default=None)
