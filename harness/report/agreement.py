"""Which cells agree with each other, and where that changes, in a few lines."""

from __future__ import annotations

from collections.abc import Sequence

from harness.cell import Device, Resolution
from harness.report.table import CellRow, Table
from harness.report.words import flat, plural, which
from harness.verdict import AgreementClass, Border

__all__ = ["agreement_lines", "has_classes"]

_DEFAULT = "default"

_CLASSES = 6
"""Classes that are told one by one, the first ones."""

_GROUPS = 8
"""Groups of bit-identical cells that are named."""

_NAMED = 8
"""Cells of a group that are named."""

_BORDERS = 6
"""Borders between classes that are told."""

_BITS_BORDERS = 8
"""Borders between bit-identical groups that are told."""


def has_classes(table: Table) -> bool:
    """Tell whether cells are of more than one class, so that each one's has to be shown."""
    return len({cell.agreement for cell in table.cells} - {None}) > 1


def agreement_lines(table: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return labels with one text or more; none where fewer than two outputs could be compared."""
    compared = [cell for cell in table.cells if cell.agreement is not None]
    if sum(len(one.members) for one in table.classes) <= 1:
        return ()
    lines = (
        ("Classes", _classes(table, compared)),
        ("Borders", _borders(table.borders)),
        ("Bits", _bits(table, compared)),
    )
    return tuple((label, texts) for label, texts in lines if texts)


def _classes(table: Table, compared: Sequence[CellRow]) -> tuple[str, ...]:
    if len(table.classes) == 1:
        (only,) = table.classes
        recorded = len(only.members) > len(compared)
        bits = ", bit for bit" if len(only.identical) == 1 else ""
        return (f"{_agreeing(compared, recorded=recorded)}{bits}",)
    if not has_classes(table):
        return (_differing(compared),)
    shown = [_class(one, compared) for one in table.classes[:_CLASSES]]
    left = table.classes[_CLASSES:]
    if left:
        held = sum(len(one.members) for one in left)
        more = "1 more class" if len(left) == 1 else f"{len(left)} more classes"
        shown.append(f"{more} of {plural(held, 'cell')}")
    return tuple(shown)


def _agreeing(compared: Sequence[CellRow], *, recorded: bool) -> str:
    if len(compared) == 1:
        return "the only cell that ran agrees with expected.npz"
    return f"{_all(compared)} agree with each other{' and with expected.npz' if recorded else ''}"


def _differing(compared: Sequence[CellRow]) -> str:
    if len(compared) == 1:
        return "the only cell that ran differs from expected.npz"
    return f"{_all(compared)} agree with each other and differ from expected.npz"


def _all(compared: Sequence[CellRow]) -> str:
    count = "both" if len(compared) == 2 else f"all {len(compared)}"  # noqa: PLR2004
    return f"{count} cells that ran"


def _class(one: AgreementClass, compared: Sequence[CellRow]) -> str:
    cells = [cell for cell in compared if cell.id in one.members]
    recorded = ["expected.npz"] if len(one.members) > len(cells) else []
    names = " and ".join((*recorded, *([which(cells, compared)] if cells else ())))
    return f"{one.name}{' (reference)' if one.reference else ''}: {names}"


def _borders(borders: Sequence[Border]) -> tuple[str, ...]:
    """Return the borders between classes, those of one axis together."""
    chosen = [border for border in borders if border.kind == "diverged"]
    return _by_axis([(border.axis, flat(border.text)) for border in chosen], ": ", _BORDERS)


def _by_axis(pairs: Sequence[tuple[str, str]], colon: str, most: int) -> tuple[str, ...]:
    axes: dict[str, list[str]] = {}
    for axis, text in pairs[:most]:
        axes.setdefault(axis, []).append(text)
    told = [f"{axis}{colon}{', '.join(texts)}" for axis, texts in axes.items()]
    more = len(pairs) - most
    return (*told, *([f"{more} more in table.json"] if more > 0 else ()))


def _bits(table: Table, compared: Sequence[CellRow]) -> tuple[str, ...]:
    """Return which cells are the same bit for bit, where the classes do not tell."""
    groups = [group for one in table.classes for group in one.identical]
    if len(groups) == len(table.classes):
        return ()
    if all(len(group) == 1 for group in groups):
        return ("no two are bit-identical",)
    short = {cell.id: _short(cell, compared) for cell in compared}
    order = {cell.id: number for number, cell in enumerate(compared)}
    ranked = sorted(groups, key=lambda group: min(order.get(name, len(order)) for name in group))
    shown = [_group([short.get(name, name) for name in group]) for group in ranked[:_GROUPS]]
    more = f" and {len(groups) - _GROUPS} more" if len(groups) > _GROUPS else ""
    releases = [cell.tensorflow for cell in compared]
    changes = _changes(table.borders, by_release=releases == list(short.values()))
    return (f"{len(groups)} groups of bit-identical cells: {', '.join(shown)}{more}{changes}",)


def _short(cell: CellRow, compared: Sequence[CellRow]) -> str:
    """Name a cell by its release and by what is not the default, such as `2.8.4-today`."""
    pythons = {other.python for other in compared if other.tensorflow == cell.tensorflow}
    parts = (
        (cell.tensorflow, True),
        (f"-py{cell.python}", len(pythons) > 1),
        (f"-{cell.device}", cell.device is not Device.CPU),
        (f"-{cell.pins}", cell.pins != _DEFAULT),
        (f"-{cell.resolution}", cell.resolution is not Resolution.AS_RELEASED),
        (f"+{cell.flags}", cell.flags != _DEFAULT),
    )
    return "".join(text for text, telling in parts if telling)


def _group(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return f"{{{', '.join(names[:_NAMED])}{f' and {more} more' if more > 0 else ''}}}"


def _changes(borders: Sequence[Border], *, by_release: bool) -> str:
    """Say where bits change; nothing where the groups are of releases and tell it themselves."""
    if by_release:
        return ""
    pairs = [
        (border.axis, flat(f"{border.near[0]}/{', '.join(border.far)}"))
        for border in borders
        if border.kind == "bits"
    ]
    texts = _by_axis(pairs, " ", _BITS_BORDERS)
    return f"; bits change along {'; '.join(texts)}" if texts else ""
