"""A judged sweep whose cells fall into classes, as it would be rendered."""

from __future__ import annotations

from harness.cell import Cell
from harness.judge.borders import borders
from harness.observation import Stage
from harness.plan.plan import PlannedCell
from harness.report.table import Table
from harness.verdict import AgreementClass, Reason, Verdict
from tests.support.tables import declared, distance, ran, sweep_table

BF16 = {"name": "bf16-math"}
OFF = {"name": "onednn-off"}

# Each cell with its class and its group of the same bits; none where it has no outputs.
GROUPS: tuple[tuple[Cell, str], ...] = (
    (declared("2.8.4", "3.10"), "A1"),
    (declared("2.8.4", "3.10", resolution="today"), ""),
    (declared("2.12.1", "3.11"), "A2"),
    (declared("2.15.1", "3.11"), "A2"),
    (declared("2.15.1", "3.11", flags=BF16), "C1"),
    (declared("2.15.1", "3.11", flags=OFF), "A3"),
    (declared("2.16.2", "3.12"), ""),
    (declared("2.20.0", "3.13"), "B1"),
    (declared("2.20.0", "3.13", flags=OFF), "B1"),
)


def classes_of(groups: tuple[tuple[Cell, str], ...] = GROUPS) -> tuple[AgreementClass, ...]:
    """Return the classes of cells, by letter."""
    found: dict[str, dict[str, list[str]]] = {}
    for one, group in groups:
        if group:
            found.setdefault(group[0], {}).setdefault(group, []).append(one.id)
    return tuple(
        AgreementClass(
            name=letter,
            members=tuple(name for group in inside.values() for name in group),
            identical=tuple(map(tuple, inside.values())),
            spread=0.25 if len(inside) > 1 else 0.0,
            reference=letter == "A",
        )
        for letter, inside in sorted(found.items())
    )


def classes_table() -> Table:
    """Return the table of a sweep with three classes, of which the first has three groups."""
    same, near = distance(0.0, 0, status="identical"), distance(1.2e-07, 3)
    far = distance(0.083, 1_390_000, 2, "diverged")
    versions = ("3.11.7", "1.26.4", "2.15.0")
    failed = Reason(code="unclassified", message="it broke")
    rows = []
    for one, group in GROUPS:
        if not group:
            rows.append(ran(one, Verdict.FAILED, stage=Stage.LOAD, reason=failed))
        elif group == "A2":
            rows.append(ran(one, Verdict.IDENTICAL, divergence=same, versions=versions))
        elif group[0] == "A":
            rows.append(ran(one, Verdict.EQUIVALENT, divergence=near, versions=versions))
        else:
            rows.append(ran(one, Verdict.DIVERGED, divergence=far, versions=versions))
    table = sweep_table(tuple(rows))
    classes = classes_of()
    letters = {name: one.name for one in classes for name in one.members}
    return table.model_copy(
        update={
            "classes": classes,
            "borders": borders(
                [PlannedCell(cell=one) for one, _ in GROUPS],
                classes,
                {row.id: row.verdict for row in table.cells},
            ),
            "cells": tuple(
                row.model_copy(update={"agreement": letters.get(row.id)}) for row in table.cells
            ),
        }
    )
