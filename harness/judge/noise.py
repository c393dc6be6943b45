"""How far inferences that ought to agree lie apart, and how much of a distance that explains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from harness.divergence import Divergence, NoiseFloor

__all__ = ["MARGIN", "ROUNDING_MARGIN", "Floor", "Kind", "Noise", "kind_of", "larger", "noise"]

MARGIN = 2.0
"""How many times the measured noise a distance may be and still be noise. Two inferences show one
distance out of many: a third is as likely to be farther from either as to be nearer. In a simulated
dense layer behind dropout a cell that ought to agree is farther from the reference than both
measured noises in 32 % of all draws, with this margin in 0.7 % of those of 8 elements and in none
of 2,000 draws of 80 elements (of a single element, in 9 %)."""

ROUNDING_MARGIN = 8.0
"""The same for what is rounded otherwise: inputs moved by one unit in the last place, another
batch, other threads. One ULP rounds once, at the inputs; an environment rounds in every layer, so
that it may well lie farther off. Of 202 pairs of runs on 19 models that compute the same in two
ways (oneDNN, XLA, instruction sets, releases), the farthest was 5.8 times such a floor, the next
2.3; of 92 changed models those that can be told at all begin at 40 times (docs/judging.md, "How
often it is right"): any factor from 6 to 40 tells them apart equally well."""


class Kind(StrEnum):
    """What was varied."""

    REPEAT = "repeat"
    """Nothing: the same inference again."""
    ULP = "ulp"
    """Each float of the inputs, by one unit in the last place."""
    THREADS = "threads"
    """The number of threads."""
    BATCH = "batch"
    """How many samples are fed together."""


_Number = TypeVar("_Number", int, float)


def kind_of(variation: str) -> Kind | None:
    """Return what a variation varies, such as `ulp-1`; None: its distance is no noise."""
    return next((kind for kind in Kind if f"{variation}-".startswith(f"{kind}-")), None)


@dataclass(frozen=True, slots=True)
class Noise:
    """Distance of one output between two inferences, or the worst of several such distances."""

    max_abs: float | None = None
    """Largest absolute difference, in units of the output; None where the type has none."""
    max_ulp: int | None = None
    """Largest distance in units in the last place; None for other types than floats."""
    differing: int = 0
    """Elements that differ, of a type that has to be exact; 0 for floats."""
    beyond: bool = False
    """Whether the inferences are farther apart than tolerance."""
    kind: Kind = Kind.REPEAT
    """What was varied where the distance is the largest, or allows most."""
    max_rel: float | None = None
    """`max_abs` as a share of the output's own scale (see `judge.metrics`)."""

    @property
    def allowed_distance(self) -> float:
        """What a float may differ by, in units of the output, for this noise alone."""
        margin = MARGIN if self.kind is Kind.REPEAT else ROUNDING_MARGIN
        return margin * (self.max_abs or 0.0)

    @property
    def allowed_elements(self) -> float:
        """How many elements of another type may differ for this noise alone."""
        return MARGIN * self.differing

    @property
    def found(self) -> bool:
        """Whether the inferences differ at all."""
        return bool(self.max_abs or self.max_ulp or self.differing)

    @property
    def counts(self) -> bool:
        """Whether it is part of the floor.

        An output that moves beyond tolerance with the batch may well depend on the other samples
        of it, as with batch normalisation in training mode: all cells are fed one batch, so that
        this explains no difference between them.
        """
        return self.found and not (self.kind is Kind.BATCH and self.beyond)


def noise(varied: Divergence, kind: Kind = Kind.REPEAT) -> dict[str, Noise]:
    """Return the noise of every output whose distance can be told.

    `varied` is the distance of a second inference, in which `kind` was varied, from the first.
    """
    return {
        name: Noise(
            max_abs=output.max_abs,
            max_ulp=output.max_ulp,
            differing=output.mismatched if output.atol is None else 0,
            beyond=output.status == "diverged",
            kind=kind,
            max_rel=output.max_rel,
        )
        for name, output in varied.outputs.items()
        if output.status in ("identical", "equivalent", "diverged")
    }


def larger(one: Mapping[str, Noise], other: Mapping[str, Noise]) -> dict[str, Noise]:
    """Return, for every output of either, the larger noise of the two."""
    return {
        name: _larger(one[name], other[name]) if name in one and name in other else only
        for name, only in {**other, **one}.items()
    }


def _larger(one: Noise, other: Noise) -> Noise:
    most = max((one, other), key=lambda each: (each.allowed_distance, each.allowed_elements))
    return replace(
        most,
        max_ulp=_largest((one.max_ulp, other.max_ulp)),
        differing=max(one.differing, other.differing),
        beyond=one.beyond or other.beyond,
    )


@dataclass(frozen=True, slots=True)
class Floor:
    """What was measured of the noise of one run."""

    variations: Mapping[str, Mapping[str, Noise]] = field(default_factory=dict)
    """By the name of each variation that was done and compared, then by output; outputs that gave
    the same bits are left out."""

    def of(self, *kinds: Kind) -> dict[str, Noise]:
        """Return the worst noise of every output that moved when one of `kinds` was varied."""
        worst: dict[str, Noise] = {}
        for noises in self.variations.values():
            wanted = {name: one for name, one in noises.items() if one.counts and one.kind in kinds}
            worst = larger(worst, wanted)
        return worst

    @property
    def worst(self) -> dict[str, Noise]:
        """The worst noise of every output that moved, over all variations."""
        return self.of(*Kind)

    @property
    def ill_conditioned(self) -> dict[str, Noise]:
        """The outputs that one unit in the last place of the inputs moves beyond tolerance."""
        return {name: one for name, one in self.of(Kind.ULP).items() if one.beyond}

    def total(self) -> NoiseFloor | None:
        """Return the worst over all outputs; None where no distance was measured."""
        by = {name: _distance(noises) for name, noises in self.variations.items()}
        told = {name: far for name, far in by.items() if far is not None}
        if not told:
            return None
        every = [one for noises in self.variations.values() for one in noises.values()]
        counted = [one for one in every if one.counts]
        return NoiseFloor(
            max_abs=_largest(one.max_abs for one in counted) or 0.0,
            max_ulp=_largest(one.max_ulp for one in counted) if counted else 0,
            by=told,
            not_counted=tuple(name for name in told if self._is_beside(name)),
        )

    def _is_beside(self, variation: str) -> bool:
        """Tell whether a variation moves floats farther than all that counts explains."""
        worst = self.worst
        return any(
            (one.max_abs or 0.0) > worst.get(name, Noise()).allowed_distance
            for name, one in self.variations[variation].items()
            if not one.counts and not one.differing
        )


def _distance(noises: Mapping[str, Noise]) -> float | None:
    return _largest(one.max_abs for one in noises.values()) if noises else 0.0


def _largest(values: Iterable[_Number | None]) -> _Number | None:
    return max((value for value in values if value is not None), default=None)
