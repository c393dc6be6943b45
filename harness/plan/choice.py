"""From a combination to a planned cell: its Python, its distribution, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.cell import Cell, Device, Platform
from harness.plan.drafts import Draft
from harness.plan.index import Index
from harness.plan.plan import PlannedCell
from harness.plan.wheels import by_version, offers
from harness.verdict import Reason

__all__ = ["candidates", "planned"]


def candidates(index: Index, platform: Platform, drafts: Iterable[Draft]) -> frozenset[str]:
    """Return every CPython (`X.Y`) that `drafts` could run on."""
    found: set[str] = set()
    for draft in drafts:
        here = offers(index, draft.tensorflow, draft.device, platform)
        found.update(here if draft.python is None else here.keys() & {draft.python})
    return frozenset(found)


def planned(
    index: Index, platform: Platform, missing: Mapping[str, str], draft: Draft
) -> PlannedCell:
    """Return the cell of `draft`; `missing` are the CPythons that cannot be got, with reasons."""
    captured = draft.captured
    preferred = None if captured is None else captured.distribution
    here = offers(index, draft.tensorflow, draft.device, platform, preferred)
    python, note = draft.python, None if captured is None else captured.note
    if python is None:
        python, note = _newest(here or _anywhere(index, draft), missing)
    cell = Cell(
        tensorflow=draft.tensorflow,
        python=python,
        device=draft.device,
        resolution=draft.resolution,
        pins=draft.pins,
        flags=draft.flags,
        distribution=here.get(python),
        note=note,
    )
    if python not in here:
        return PlannedCell(cell=cell, unavailable=_no_wheel(cell, platform, here))
    if python in missing:
        message = f"CPython {python} cannot be got here: {missing[python]}"
        reason = Reason(code="no-interpreter", message=message)
        return PlannedCell(cell=cell, unavailable=reason, infrastructure=True)
    return PlannedCell(cell=cell)


def _newest(pythons: Iterable[str], missing: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the newest that can be got, else the newest, and what to say of newer ones."""
    descending = sorted(pythons, key=by_version, reverse=True)
    got = next((python for python in descending if python not in missing), None)
    if got is None:
        return descending[0], None
    newer = descending[: descending.index(got)]
    notes = [f"{p} has wheels too, but cannot be got here: {missing[p]}" for p in newer]
    return got, "; ".join(notes) or None


def _anywhere(index: Index, draft: Draft) -> Iterable[str]:
    """Return the CPythons of a release that has no wheel here, to name its cell by.

    A release may have no wheel for this device either, then those of any distribution count.
    """
    for device in (draft.device, Device.CPU, Device.CUDA):
        found = offers(index, draft.tensorflow, device, None)
        if found:
            return found
    return frozenset(
        python
        for release in index.releases
        if release.version == draft.tensorflow
        for python in release.pythons(None)
    )


def _no_wheel(cell: Cell, platform: Platform, here: Mapping[str, object]) -> Reason:
    on = f"{platform.system} {platform.machine}"
    device = "" if cell.device is Device.CPU else f", device {cell.device}"
    if not here:
        message = f"TensorFlow {cell.tensorflow} has no wheel for {on}{device}"
    else:
        message = (
            f"TensorFlow {cell.tensorflow} has no wheel for CPython {cell.python} on {on}{device}"
            f" (it has {', '.join(here)})"
        )
    return Reason(code="no-wheel", message=message)
