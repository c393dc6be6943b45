"""The combinations a matrix writes down, before it is known which Python `auto` is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from harness.cell import Device, Flags, Pins, Resolution
from harness.errors import Problem
from harness.plan.captured import Captured
from harness.plan.index import Index
from harness.plan.matrix import Matrix
from harness.plan.sections import DEFAULT, Inclusion
from harness.plan.wanted import Wanted
from harness.plan.wheels import offers

__all__ = ["Draft", "axis_drafts", "impossible", "included_drafts"]


@dataclass(frozen=True, slots=True)
class Draft:
    """One combination."""

    where: str
    """The entry it comes from."""
    tensorflow: str
    python: str | None
    """None: the newest that can be got."""
    device: Device
    resolution: Resolution
    pins: Pins
    flags: Flags
    captured: Captured | None = None
    """The environment it rebuilds."""


def axis_drafts(matrix: Matrix, entries: Iterable[Wanted]) -> Iterator[Draft]:
    """Yield the product of all axes; `entries` are what `matrix.tensorflow` means."""
    for entry in entries:
        for version, python, device, resolution, pins, flags in product(
            entry.versions,
            matrix.python or (None,),
            matrix.device,
            matrix.resolution,
            map(matrix.pins_named, matrix.pins),
            map(matrix.flags_named, matrix.flags),
        ):
            yield Draft(entry.where, version, python, device, resolution, pins, flags)


def included_drafts(
    matrix: Matrix, entries: Iterable[tuple[Inclusion, Wanted]], captured: Captured | None
) -> Iterator[Draft]:
    """Yield what `include` adds; `entries` are inclusions with the releases that each means."""
    for inclusion, entry in entries:
        for version in entry.versions:
            if inclusion.captured and captured is not None:
                yield _rebuilt(matrix, inclusion, captured, entry.where, version)
                continue
            yield Draft(
                where=entry.where,
                tensorflow=version,
                python=inclusion.python,
                device=inclusion.device or Device.CPU,
                resolution=inclusion.resolution,
                pins=matrix.pins_named(inclusion.pins),
                flags=matrix.flags_named(inclusion.flags or DEFAULT),
            )


def _rebuilt(
    matrix: Matrix, inclusion: Inclusion, captured: Captured, where: str, version: str
) -> Draft:
    """Return the environment that was captured, on the device and with the flags asked for."""
    return Draft(
        where=where,
        tensorflow=version,
        python=captured.python_minor,
        device=inclusion.device or captured.cell_device,
        resolution=inclusion.resolution,
        pins=captured.pins,
        flags=matrix.flags_named(inclusion.flags) if inclusion.flags else captured.flags,
        captured=captured,
    )


def impossible(index: Index, drafts: Iterable[Draft]) -> tuple[Problem, ...]:
    """Return a problem for each inclusion that was published for no platform at all.

    One that only lacks a wheel for this platform is no mistake of the matrix: it is planned as
    unavailable.
    """
    problems = []
    for draft in drafts:
        pythons = offers(index, draft.tensorflow, draft.device, None)
        if draft.python in pythons or (draft.python is None and pythons):
            continue
        on = "" if draft.python is None else f" for CPython {draft.python}"
        problems.append(
            Problem(
                where=draft.where,
                what=f"TensorFlow {draft.tensorflow} has no wheel{on} (device {draft.device})",
                allowed=", ".join(pythons) or None,
            )
        )
    return tuple(problems)
