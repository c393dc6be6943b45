"""Which cells agree with each other, and where that changes, in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.report.table import CellRow, Table
from harness.report.words import flat, plural, which
from harness.verdict import AgreementClass, Border

__all__ = ["agreement_lines", "has_classes"]

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


def agreement_lines(table: Table) -> tuple[tuple[str, str], ...]:
    """Return pairs of label and text; none where fewer than two outputs could be compared."""
    compared = [cell for cell in table.cells if cell.agreement is not None]
    if sum(len(one.members) for one in table.classes) <= 1:
        return ()
    lines = (
        ("Classes", _classes(table, compared)),
        ("Borders", _borders(table.borders)),
        ("Bits", _bits(table, compared)),
    )
    return tuple((label, text) for label, text in lines if text)


def _classes(table: Table, compared: Sequence[CellRow]) -> str:
    if len(table.classes) == 1:
        (only,) = table.classes
        recorded = " and with expected.npz" if len(only.members) > len(compared) else ""
        bits = ", bit for bit" if len(only.identical) == 1 else ""
        return f"{_ran(compared)}{recorded}{bits}"
    if not has_classes(table):
        return f"{_ran(compared)} and differ{_s(compared)} from expected.npz"
    shown = [_class(one, compared) for one in table.classes[:_CLASSES]]
    left = table.classes[_CLASSES:]
    if left:
        held = sum(len(one.members) for one in left)
        more = "1 more class" if len(left) == 1 else f"{len(left)} more classes"
        shown.append(f"{more} of {plural(held, 'cell')}")
    return "; ".join(shown)


def _ran(compared: Sequence[CellRow]) -> str:
    if len(compared) == 1:
        return "the only cell that ran agrees"
    count = "both cells" if len(compared) == 2 else f"all {len(compared)} cells"  # noqa: PLR2004
    return f"{count} that ran agree with each other"


def _s(compared: Sequence[CellRow]) -> str:
    return "s" if len(compared) == 1 else ""


def _class(one: AgreementClass, compared: Sequence[CellRow]) -> str:
    cells = [cell for cell in compared if cell.id in one.members]
    recorded = ["expected.npz"] if len(one.members) > len(cells) else []
    names = " and ".join((*recorded, *([which(cells, compared)] if cells else ())))
    return f"{one.name}{' (reference)' if one.reference else ''}: {names}"


def _borders(borders: Sequence[Border]) -> str:
    """Return the borders between classes, those of one axis together."""
    chosen = [border for border in borders if border.kind == "diverged"]
    return _by_axis([(border.axis, flat(border.text)) for border in chosen], ": ", _BORDERS)


def _by_axis(pairs: Sequence[tuple[str, str]], colon: str, most: int) -> str:
    axes: dict[str, list[str]] = {}
    for axis, text in pairs[:most]:
        axes.setdefault(axis, []).append(text)
    told = [f"{axis}{colon}{', '.join(texts)}" for axis, texts in axes.items()]
    more = len(pairs) - most
    return "; ".join((*told, *([f"{more} more in table.json"] if more > 0 else ())))


def _bits(table: Table, compared: Sequence[CellRow]) -> str:
    groups = [group for one in table.classes for group in one.identical]
    if len(groups) == 1 or len(groups) == len(table.classes):
        return ""
    if all(len(group) == 1 for group in groups):
        return "no two are bit-identical"
    releases = Counter(cell.tensorflow for cell in compared)
    short = {cell.id: cell.tensorflow for cell in compared if releases[cell.tensorflow] == 1}
    order = {cell.id: number for number, cell in enumerate(compared)}
    ranked = sorted(groups, key=lambda group: min(order.get(name, len(order)) for name in group))
    shown = [_group([short.get(name, name) for name in group]) for group in ranked[:_GROUPS]]
    more = f" and {len(groups) - _GROUPS} more" if len(groups) > _GROUPS else ""
    changes = _changes(table.borders, by_release=len(short) == len(compared))
    return f"{len(groups)} groups of bit-identical cells: {', '.join(shown)}{more}{changes}"


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
    text = _by_axis(pairs, " ", _BITS_BORDERS)
    return f"; bits change along {text}" if text else ""
