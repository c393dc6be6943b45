"""The plan for a terminal: which cells there are and what it would take to make them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.cell import Device
from harness.environments.keeping.uses import EXPECTED_BYTES
from harness.environments.resolver import cut_off
from harness.plan.plan import Plan, PlannedCell
from harness.report.head import index_words
from harness.report.layout import NONE, Column, fit, wrapped
from harness.report.terminal import remark_block
from harness.report.words import flat, plural

__all__ = ["render_plan"]

# GB of wheels, measured on Linux x86_64 in November 2026: CPU environments of TensorFlow 2.4.4 to
# 2.21.0 download 0.18 to 0.34; `tensorflow[and-cuda]` 2.14 to 2.21 download 2.4 to 3.5.
_DOWNLOAD_GB = {Device.CPU: 0.3, Device.CUDA: 2.8}


def render_plan(plan: Plan, *, width: int) -> str:
    """Return the cells of `plan`, what is said of them, and an estimate of what they cost."""
    blocks = (
        wrapped(f"Index: {index_words(plan.index)}", width),
        fit(_ESSENTIALS, _DETAILS, plan.cells, width)[0] if plan.cells else "",
        remark_block("Not run:", ((p.cell.id, _why_not(p)) for p in plan.cells), width),
        remark_block(
            "Excluded by the matrix:", ((cell.id, why) for cell, why in plan.excluded), width
        ),
        remark_block("Notes:", ((p.cell.id, p.cell.note) for p in plan.cells), width),
        "\n".join(wrapped(flat(note), width) for note in plan.notes),
        wrapped(_cost(plan.cells), width),
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _state(planned: PlannedCell) -> str:
    if planned.unavailable is None:
        return "to run"
    return "skipped" if planned.infrastructure else "unavailable"


def _why_not(planned: PlannedCell) -> str | None:
    if planned.unavailable is None:
        return None
    remedy = f"; {planned.unavailable.remedy}" if planned.unavailable.remedy else ""
    return f"{planned.unavailable.message}{remedy}"


def _distribution(planned: PlannedCell) -> str:
    distribution = planned.cell.distribution
    return NONE if distribution is None else flat(distribution.requirement)


def _released(planned: PlannedCell) -> str:
    distribution = planned.cell.distribution
    return NONE if distribution is None else f"{distribution.released:%Y-%m-%d}"


def _resolved(planned: PlannedCell) -> str:
    """As of when dependencies are resolved."""
    if planned.cell.distribution is None:
        return NONE
    end = cut_off(planned.cell)
    return "today" if end is None else f"{end:%Y-%m-%d}"


def _cost(cells: Sequence[PlannedCell]) -> str:
    runnable = [planned.cell for planned in cells if planned.unavailable is None]
    devices = {cell.environment_id: cell.device for cell in runnable}
    download = sum(_DOWNLOAD_GB[device] for device in devices.values())
    disk = sum(EXPECTED_BYTES[device] for device in devices.values()) / 1e9
    return (
        f"{plural(len(cells), 'cell')}, {len(runnable)} to run in"
        f" {plural(len(devices), 'environment')}: about {download:.1f} GB to download and"
        f" {disk:.1f} GB of disk, less what earlier sweeps left."
    )


_ESSENTIALS: tuple[Column[PlannedCell], ...] = (
    Column("cell", lambda planned: planned.cell.id),
    Column("state", _state),
    Column("distribution", _distribution),
    Column("resolved as of", _resolved),
)
_DETAILS: tuple[Column[PlannedCell], ...] = (
    Column("released", _released),
    Column("python", lambda planned: planned.cell.python),
    Column("device", lambda planned: planned.cell.device.value),
    Column("pins", lambda planned: planned.cell.pins.name),
    Column("flags", lambda planned: planned.cell.flags.name),
)
