"""Which cells agree with each other: all pairs, and classes in which every pair agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.judge.linkage import complete_linkage
from harness.judge.members import EXPECTED, Member, members
from harness.judge.noise import Noise
from harness.judge.pairs import Row, shares
from harness.judge.seen import Seen
from harness.judge.tolerance import allowed
from harness.model.model import Tolerance
from harness.plan.plan import PlannedCell
from harness.tensor import Tensor
from harness.verdict import AgreementClass, Reference

__all__ = ["Agreement", "agreement", "named"]

_AT_ONCE_BYTES = 1 << 28
"""What the arrays of one tile take, unless those of a single cell take more."""

_LETTERS = 26


@dataclass(frozen=True, slots=True)
class Agreement:
    """Groups of cells with the same bits, and classes of groups that all agree."""

    names: tuple[str, ...]
    """Of the members: cells in the plan's order, `expected.npz` (recorded outputs) at the end."""
    groups: tuple[tuple[str, ...], ...]
    """Names of members whose outputs are bit-identical, in the order of the first ones."""
    classes: tuple[tuple[int, ...], ...]
    """Indices of the groups that are one class."""
    far: NDArray[np.float64]
    """[groups, groups]: distance as a share of what is allowed, 1 and less is agreement; inf where
    outputs are missing, or have another dtype, shape or NaN pattern."""

    def members(self, one: Sequence[int]) -> tuple[str, ...]:
        """Return the members of a class, in their order."""
        inside = {name for group in one for name in self.groups[group]}
        return tuple(name for name in self.names if name in inside)

    def spread(self, one: Sequence[int]) -> float:
        """Return the largest distance of two members of a class, as a share of what is allowed."""
        return float(self.far[np.ix_(one, one)].max())

    def farthest(self, group: int, one: Sequence[int]) -> float:
        """Return the largest distance of a group from the others of its class."""
        return float(self.far[group, list(one)].max())


def agreement(
    cells: Sequence[PlannedCell],
    seen: Seen,
    *,
    expected: Mapping[str, Tensor] | None,
    tolerances: Mapping[str, Tolerance],
    floors: Mapping[str, Mapping[str, Noise]],
) -> Agreement:
    """Return which of the cells that completed agree, with `expected` as one more member.

    Two agree where every output does, by the rule of `harness.judge.pairs`; classes are those of
    `harness.judge.linkage`. `floors` is the noise of each cell's outputs, by cell and the output's
    name; where it has none there is none. A group of identical cells is held to the least noise of
    any of them, so that every pair of cells agrees and not only every pair of groups.

    Memory stays bounded: what is not mapped from files is read in tiles, two at a time.
    """
    found = members(cells, seen, expected)
    units = _units(found)
    measure = _Measure(tolerances, floors)
    far = np.full((len(units), len(units)), np.inf)
    np.fill_diagonal(far, 0.0)
    for indices in _by_layout(units):
        far[np.ix_(indices, indices)] = measure.all_pairs([units[index] for index in indices])
    groups = tuple(tuple(member.name for member in unit) for unit in units)
    return Agreement(
        names=tuple(member.name for member in found),
        groups=groups,
        classes=complete_linkage(far, [min(group) for group in groups]),
        far=far,
    )


def named(found: Agreement, reference: Reference) -> tuple[AgreementClass, ...]:
    """Return the classes with their letters: `A` is the reference's, then they go by size.

    Classes of one size stand in the order of their first members.
    """
    wanted = EXPECTED if reference.cell is None else reference.cell
    one_by_one = [
        AgreementClass(
            name="",
            members=found.members(one),
            identical=tuple(found.groups[group] for group in one),
            spread=found.spread(one),
            reference=wanted in found.members(one),
        )
        for one in found.classes
    ]
    ranked = sorted(
        zip(found.classes, one_by_one, strict=True),
        key=lambda pair: (not pair[1].reference, -len(pair[1].members), pair[0]),
    )
    return tuple(
        told.model_copy(update={"name": _letters(number)})
        for number, (_, told) in enumerate(ranked)
    )


def _letters(number: int) -> str:
    """Return A, B, ... Z, AA, AB, ..."""
    before, last = divmod(number, _LETTERS)
    return (_letters(before - 1) if before else "") + chr(ord("A") + last)


_Unit = tuple[Member, ...]
"""Members with the same bits."""


def _units(found: Sequence[Member]) -> list[_Unit]:
    units: dict[object, list[Member]] = {}
    for member in found:
        units.setdefault((member.layout, member.digests), []).append(member)
    return [tuple(unit) for unit in units.values()]


def _by_layout(units: Sequence[_Unit]) -> Iterator[list[int]]:
    layouts: dict[object, list[int]] = {}
    for index, unit in enumerate(units):
        layouts.setdefault(unit[0].layout, []).append(index)
    yield from layouts.values()


@dataclass(frozen=True, slots=True)
class _Measure:
    """How units of one layout are compared."""

    tolerances: Mapping[str, Tolerance]
    floors: Mapping[str, Mapping[str, Noise]]

    def all_pairs(self, units: Sequence[_Unit]) -> NDArray[np.float64]:
        """Return the distances, as shares of what is allowed, [units, units]."""
        far = np.zeros((len(units), len(units)))
        tiles = list(_tiles(units))
        for number, tile in enumerate(tiles):
            # None: the tile's own pairs.
            others = [*([None] if len(tile) > 1 else ()), *tiles[number + 1 :]]
            own = _arrays(units, tile) if others else []
            for other in others:
                chosen = [*tile, *(other or ())]
                found = self._tile(
                    [units[index] for index in chosen],
                    [*own, *_arrays(units, other or ())],
                    ahead=None if other is None else len(tile),
                )
                where = np.ix_(chosen, chosen)
                far[where] = np.maximum(far[where], found)
        return far

    def _tile(
        self, units: Sequence[_Unit], arrays: Sequence[Mapping[str, Tensor]], *, ahead: int | None
    ) -> NDArray[np.float64]:
        """Return the distances of units that are in memory; see `pairs.shares` for `ahead`."""
        far = np.zeros((len(units), len(units)))
        for output, (name, dtype, _) in enumerate(units[0][0].layout):
            told = [unit[0].digests[output] for unit in units]
            if len(set(told)) == 1:
                continue
            tolerance = allowed(name, dtype, self.tolerances)
            rows = [
                Row(arrays[index][unit[0].own[name]], tolerance, *self._noise(unit, name))
                for index, unit in enumerate(units)
            ]
            np.maximum(far, _once(told, rows, ahead), out=far)
        return far

    def _noise(self, unit: _Unit, output: str) -> tuple[float, float]:
        """Return the least distance, and number of elements, that is noise in every member."""
        noises = [
            self.floors.get(member.name, {}).get(member.own[output], Noise()) for member in unit
        ]
        return (
            min(one.allowed_distance for one in noises),
            min(one.allowed_elements for one in noises),
        )


def _once(digests: Sequence[bytes], rows: Sequence[Row], ahead: int | None) -> NDArray[np.float64]:
    """Return the distances of rows; of those with the same bits and noise one is measured."""
    sides = [ahead is not None and index >= ahead for index in range(len(rows))]
    first: dict[object, int] = {}
    leaders = [
        first.setdefault((side, told, row.noise, row.noise_elements), index)
        for index, (side, told, row) in enumerate(zip(sides, digests, rows, strict=True))
    ]
    chosen = sorted(first.values())
    cut = None if ahead is None else sum(index < ahead for index in chosen)
    far = shares([rows[index] for index in chosen], ahead=cut)
    numbers: dict[bytes, int] = {}
    bits = np.array([numbers.setdefault(digests[index], len(numbers)) for index in chosen])
    far[bits[:, None] == bits[None, :]] = 0.0
    where = np.searchsorted(chosen, leaders)
    return far[np.ix_(where, where)]


def _arrays(units: Sequence[_Unit], chosen: Sequence[int]) -> list[Mapping[str, Tensor]]:
    return [units[index][0].read() for index in chosen]


def _tiles(units: Sequence[_Unit]) -> Iterator[list[int]]:
    """Give runs of units whose arrays may be in memory together."""
    run: list[int] = []
    total = 0
    for index, unit in enumerate(units):
        if run and total + unit[0].held_bytes > _AT_ONCE_BYTES:
            yield run
            run, total = [], 0
        run.append(index)
        total += unit[0].held_bytes
    yield run
